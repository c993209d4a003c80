package zone

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/allgreen-mail/allgreen/world"
)

// DeSEC is the DNS of deSEC.
type DeSEC struct{ api }

// NewDeSEC takes a token of the account.
func NewDeSEC(w *world.World, token string) *DeSEC {
	return &DeSEC{api{client: w.HTTPClient(apiTimeout), base: "https://desec.io/api/v1", header: "Token", secret: token}}
}

type desecSet struct {
	Subname string   `json:"subname"`
	Type    string   `json:"type"`
	TTL     int      `json:"ttl,omitempty"`
	Records []string `json:"records"` // none: the set is taken away
}

// desecTTL is the shortest time that deSEC takes unless it made an exception.
const desecTTL = 3600

func (d *DeSEC) path(zone world.Name) string {
	return "/domains/" + url.PathEscape(undotted(zone)) + "/rrsets/"
}

// Read reads the whole zone page by page: there are 500 sets on each.
func (d *DeSEC) Read(ctx context.Context, zone world.Name, names []world.Name) ([]Set, error) {
	var all []Set
	next := d.path(zone) + "?cursor="
	for page := 0; next != "" && page < maxPages; page++ {
		var sets []desecSet
		header, err := d.call(ctx, http.MethodGet, next, nil, &sets)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", zone, err)
		}
		for _, s := range sets {
			for _, v := range s.Records {
				all = append(all, Set{Name: world.Name(s.Subname), Type: s.Type, TTL: s.TTL, Values: []string{v}})
			}
		}
		next = d.nextPage(header)
	}
	return pick(zone, names, all)
}

// nextPage is where a list goes on (RFC 8288), if it does and that is their own.
func (d *DeSEC) nextPage(h http.Header) string {
	for link := range strings.SplitSeq(strings.Join(h.Values("Link"), ","), ",") {
		address, relation, _ := strings.Cut(link, ";")
		if strings.Contains(relation, `rel="next"`) {
			path, ours := strings.CutPrefix(strings.Trim(address, " <>"), d.base)
			if ours {
				return path
			}
		}
	}
	return ""
}

// Write changes all sets in one request, which is done as a whole or not at all.
func (d *DeSEC) Write(ctx context.Context, zone world.Name, changes []Change) error {
	if err := unchanged(ctx, d, zone, changes); err != nil {
		return err
	}
	sets := []desecSet{}
	for _, c := range changes {
		after, err := c.After.canonical()
		if err != nil {
			return err
		}
		set := desecSet{Subname: relative(after.Name, zone, ""), Type: after.Type, TTL: max(after.seconds(), desecTTL), Records: []string{}}
		sets = append(sets, set)
		sets[len(sets)-1].Records = append(set.Records, after.Values...)
	}
	if len(sets) == 0 {
		return nil
	}
	if _, err := d.call(ctx, http.MethodPatch, d.path(zone), sets, nil); err != nil {
		return fmt.Errorf("write %s: %w", zone, err)
	}
	return nil
}
