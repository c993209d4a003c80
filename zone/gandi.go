package zone

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/allgreen-mail/allgreen/world"
)

// Gandi is the LiveDNS of Gandi (API version 5).
type Gandi struct{ api }

// NewGandi takes a personal access token with the right to manage domain name
// technical configurations.
func NewGandi(w *world.World, token string) *Gandi {
	return &Gandi{api{client: w.HTTPClient(apiTimeout), base: "https://api.gandi.net/v5/livedns", header: "Bearer", secret: token}}
}

type gandiSet struct {
	Name   string   `json:"rrset_name,omitempty"`
	Type   string   `json:"rrset_type,omitempty"`
	TTL    int      `json:"rrset_ttl,omitempty"`
	Values []string `json:"rrset_values"`
}

// gandiTTL is the shortest time that Gandi takes.
const gandiTTL = 300

func (g *Gandi) path(zone, name world.Name) string {
	return "/domains/" + url.PathEscape(undotted(zone)) + "/records/" + url.PathEscape(relative(name, zone, "@"))
}

// Read asks for one name after the other.
func (g *Gandi) Read(ctx context.Context, zone world.Name, names []world.Name) ([]Set, error) {
	if _, err := g.call(ctx, http.MethodGet, "/domains/"+url.PathEscape(undotted(zone)), nil, nil); err != nil {
		return nil, fmt.Errorf("find %s: %w", zone, err)
	}
	var all []Set
	for _, name := range names {
		var sets []gandiSet
		if _, err := g.call(ctx, http.MethodGet, g.path(zone, name), nil, &sets); err != nil && !isMissing(err) {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, s := range sets {
			for _, v := range s.Values {
				all = append(all, Set{Name: world.Name(s.Name), Type: s.Type, TTL: s.TTL, Values: []string{v}})
			}
		}
	}
	return pick(zone, names, all)
}

// Write changes one set after the other, each as a whole.
func (g *Gandi) Write(ctx context.Context, zone world.Name, changes []Change) error {
	if err := unchanged(ctx, g, zone, changes); err != nil {
		return err
	}
	for _, c := range changes {
		after, err := c.After.canonical()
		if err != nil {
			return err
		}
		path := g.path(zone, after.Name) + "/" + after.Type
		if len(after.Values) == 0 {
			_, err = g.call(ctx, http.MethodDelete, path, nil, nil)
		} else {
			_, err = g.call(ctx, http.MethodPut, path, gandiSet{TTL: max(after.seconds(), gandiTTL), Values: after.Values}, nil)
		}
		if err != nil {
			return fmt.Errorf("write %s %s: %w", after.Name, after.Type, err)
		}
	}
	return nil
}
