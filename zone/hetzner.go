package zone

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

// Hetzner is the DNS of Hetzner's cloud console (api.hetzner.cloud).
type Hetzner struct{ api }

// NewHetzner takes an API token of the project that has the zone, with the right to
// read and write.
func NewHetzner(w *world.World, token string) *Hetzner {
	return &Hetzner{api{client: w.HTTPClient(apiTimeout), base: "https://api.hetzner.cloud/v1", header: "Bearer", secret: token}}
}

type hetznerSet struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	TTL     *int            `json:"ttl,omitempty"`
	Records []hetznerRecord `json:"records"`
}

type hetznerRecord struct {
	Value string `json:"value"`
}

func (h *Hetzner) path(zone world.Name) string {
	return "/zones/" + url.PathEscape(undotted(zone)) + "/rrsets"
}

// Read reads the whole zone page by page.
func (h *Hetzner) Read(ctx context.Context, zone world.Name, names []world.Name) ([]Set, error) {
	var all []Set
	for page := 1; page > 0 && page <= maxPages; {
		var answer struct {
			RRSets []hetznerSet `json:"rrsets"`
			Meta   struct {
				Pagination struct {
					NextPage int `json:"next_page"`
				} `json:"pagination"`
			} `json:"meta"`
		}
		if _, err := h.call(ctx, http.MethodGet, fmt.Sprintf("%s?per_page=100&page=%d", h.path(zone), page), nil, &answer); err != nil {
			return nil, fmt.Errorf("read %s: %w", zone, err)
		}
		for _, s := range answer.RRSets {
			all = append(all, s.sets()...)
		}
		page = answer.Meta.Pagination.NextPage
	}
	return pick(zone, names, all)
}

// sets are the records, each as a set of one, under their relative names.
func (s hetznerSet) sets() (all []Set) {
	one := Set{Name: world.Name(s.Name), Type: s.Type}
	if s.TTL != nil {
		one.TTL = *s.TTL
	}
	for _, r := range s.Records {
		one.Values = []string{r.Value}
		all = append(all, one)
	}
	return all
}

// Write changes one set after the other, each as a whole.
func (h *Hetzner) Write(ctx context.Context, zone world.Name, changes []Change) error {
	if err := unchanged(ctx, h, zone, changes); err != nil {
		return err
	}
	for _, c := range changes {
		if err := h.write(ctx, zone, c); err != nil {
			return fmt.Errorf("write %s %s: %w", c.After.Name, c.After.Type, err)
		}
	}
	return nil
}

func (h *Hetzner) write(ctx context.Context, zone world.Name, c Change) error {
	after, err := c.After.canonical()
	if err != nil {
		return err
	}
	ttl := max(after.seconds(), 60) // the API takes nothing shorter
	set := hetznerSet{Name: relative(after.Name, zone, "@"), Type: after.Type, TTL: &ttl}
	for _, v := range after.Values {
		set.Records = append(set.Records, hetznerRecord{v})
	}
	one := h.path(zone) + "/" + url.PathEscape(set.Name) + "/" + set.Type
	var done hetznerAction
	switch {
	case len(after.Values) == 0:
		_, err = h.call(ctx, http.MethodDelete, one, nil, &done)
	case len(c.Before.Values) == 0:
		_, err = h.call(ctx, http.MethodPost, h.path(zone), set, &done)
	default:
		_, err = h.call(ctx, http.MethodPost, one+"/actions/set_records", map[string]any{"records": set.Records}, &done)
	}
	if err != nil {
		return err
	}
	return h.await(ctx, done)
}

type hetznerAction struct {
	Action struct {
		ID     int64  `json:"id"`
		Status string `json:"status"`
		Error  *struct {
			Message string `json:"message"`
		} `json:"error"`
	} `json:"action"`
}

// await waits until an action has ended.
func (h *Hetzner) await(ctx context.Context, done hetznerAction) error {
	for pause := 50 * time.Millisecond; done.Action.Status == "running"; pause = min(2*pause, 5*time.Second) {
		nap := time.NewTimer(pause)
		select {
		case <-nap.C:
		case <-ctx.Done():
			nap.Stop()
			return ctx.Err()
		}
		if _, err := h.call(ctx, http.MethodGet, fmt.Sprintf("/actions/%d", done.Action.ID), nil, &done); err != nil {
			return err
		}
	}
	if e := done.Action.Error; e != nil {
		return fmt.Errorf("%w: %s", ErrRefused, e.Message)
	}
	return nil
}
