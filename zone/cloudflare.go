package zone

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// Cloudflare is the DNS of Cloudflare (API version 4).
type Cloudflare struct {
	api
	mu  sync.Mutex
	ids map[world.Name]string // of zones
}

// NewCloudflare takes an API token with Zone.DNS:Edit and Zone.Zone:Read of the zone.
func NewCloudflare(w *world.World, token string) *Cloudflare {
	return &Cloudflare{
		api: api{client: w.HTTPClient(apiTimeout), base: "https://api.cloudflare.com/client/v4", header: "Bearer", secret: token},
		ids: map[world.Name]string{},
	}
}

type cloudflareRecord struct {
	ID       string          `json:"id,omitempty"`
	Name     string          `json:"name"` // with the zone, without a dot
	Type     string          `json:"type"`
	Content  string          `json:"content,omitempty"`
	TTL      int             `json:"ttl"` // 1: theirs to choose
	Priority *uint16         `json:"priority,omitempty"`
	Proxied  bool            `json:"proxied"`
	Data     *cloudflareData `json:"data,omitempty"`
}

// cloudflareData are the fields of types of which Content is not whole.
type cloudflareData struct {
	Priority     uint16 `json:"priority"` // SRV
	Weight       uint16 `json:"weight"`
	Port         uint16 `json:"port"`
	Target       string `json:"target,omitempty"`
	Flags        uint8  `json:"flags"` // CAA
	Tag          string `json:"tag,omitempty"`
	Value        string `json:"value,omitempty"`
	Usage        uint8  `json:"usage"` // TLSA
	Selector     uint8  `json:"selector"`
	MatchingType uint8  `json:"matching_type"`
	Certificate  string `json:"certificate,omitempty"`
}

func (c *Cloudflare) path(ctx context.Context, zone world.Name) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id := c.ids[zone]; id != "" {
		return "/zones/" + id + "/dns_records", nil
	}
	var answer struct {
		Result []struct {
			ID string `json:"id"`
		} `json:"result"`
	}
	if _, err := c.call(ctx, http.MethodGet, "/zones?name="+url.QueryEscape(undotted(zone)), nil, &answer); err != nil {
		return "", fmt.Errorf("find %s: %w", zone, err)
	}
	if len(answer.Result) != 1 {
		return "", fmt.Errorf("find %s: %w, or the token may not read it", zone, ErrNoZone)
	}
	c.ids[zone] = answer.Result[0].ID
	return "/zones/" + url.PathEscape(answer.Result[0].ID) + "/dns_records", nil
}

// records are all of the zone.
func (c *Cloudflare) records(ctx context.Context, zone world.Name) (all []cloudflareRecord, path string, err error) {
	if path, err = c.path(ctx, zone); err != nil {
		return nil, "", err
	}
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Result []cloudflareRecord `json:"result"`
			Info   struct {
				TotalPages int `json:"total_pages"`
			} `json:"result_info"`
		}
		if _, err := c.call(ctx, http.MethodGet, fmt.Sprintf("%s?per_page=1000&page=%d", path, page), nil, &answer); err != nil {
			return nil, "", fmt.Errorf("read %s: %w", zone, err)
		}
		all = append(all, answer.Result...)
		if page >= answer.Info.TotalPages {
			break
		}
	}
	return all, path, nil
}

// Read reads the whole zone page by page.
func (c *Cloudflare) Read(ctx context.Context, zone world.Name, names []world.Name) ([]Set, error) {
	records, _, err := c.records(ctx, zone)
	if err != nil {
		return nil, err
	}
	var all []Set
	for _, r := range records {
		all = append(all, r.set(zone))
	}
	return pick(zone, names, all)
}

func (r cloudflareRecord) set(zone world.Name) Set {
	name := strings.ToLower(r.Name)
	if name == undotted(zone) {
		name = "@"
	} else {
		name = strings.TrimSuffix(name, "."+undotted(zone))
	}
	s := Set{Name: world.Name(name), Type: r.Type, Values: []string{r.value()}}
	if r.TTL > 1 {
		s.TTL = r.TTL
	}
	return s
}

// value is a record in presentation format.
func (r cloudflareRecord) value() string {
	d := r.Data
	switch {
	case r.Type == "CNAME" || r.Type == "NS":
		return dns.Fqdn(r.Content)
	case r.Type == "MX" && r.Priority != nil:
		return fmt.Sprintf("%d %s", *r.Priority, dns.Fqdn(r.Content))
	case r.Type == "TXT":
		return quotedText(r.Content)
	case r.Type == "SRV" && d != nil:
		return fmt.Sprintf("%d %d %d %s", d.Priority, d.Weight, d.Port, dns.Fqdn(d.Target))
	}
	return r.Content
}

// recordFor is what the API wants for a value.
func (c *Cloudflare) recordFor(s Set, value string) (cloudflareRecord, error) {
	r := cloudflareRecord{Name: undotted(s.Name), Type: s.Type, TTL: max(s.seconds(), 60)}
	parsed, err := dns.NewRR("x. 0 IN " + s.Type + " " + value)
	if err != nil {
		return r, err
	}
	switch rr := parsed.(type) {
	case *dns.MX:
		r.Priority, r.Content = &rr.Preference, strings.TrimSuffix(rr.Mx, ".")
	case *dns.CNAME:
		r.Content = strings.TrimSuffix(rr.Target, ".")
	case *dns.SRV:
		r.Data = &cloudflareData{Priority: rr.Priority, Weight: rr.Weight, Port: rr.Port, Target: strings.TrimSuffix(rr.Target, ".")}
	case *dns.CAA:
		r.Data = &cloudflareData{Flags: rr.Flag, Tag: rr.Tag, Value: rr.Value}
	case *dns.TLSA:
		r.Data = &cloudflareData{Usage: rr.Usage, Selector: rr.Selector, MatchingType: rr.MatchingType, Certificate: rr.Certificate}
	default:
		r.Content = value
	}
	return r, nil
}

// Write sends one batch, which is done as a whole or not at all.
func (c *Cloudflare) Write(ctx context.Context, zone world.Name, changes []Change) error {
	records, path, err := c.records(ctx, zone)
	if err != nil {
		return err
	}
	var batch struct {
		Deletes []map[string]string `json:"deletes,omitempty"`
		Posts   []cloudflareRecord  `json:"posts,omitempty"`
	}
	for _, change := range changes {
		gone, added, err := c.difference(zone, records, change)
		if err != nil {
			return err
		}
		for _, id := range gone {
			batch.Deletes = append(batch.Deletes, map[string]string{"id": id})
		}
		batch.Posts = append(batch.Posts, added...)
	}
	if len(batch.Deletes)+len(batch.Posts) == 0 {
		return nil
	}
	if _, err := c.call(ctx, http.MethodPost, path+"/batch", batch, nil); err != nil {
		return fmt.Errorf("write %s: %w", zone, err)
	}
	return nil
}

// difference is what to delete, by id, and to add for one change.
func (c *Cloudflare) difference(zone world.Name, records []cloudflareRecord, change Change) (gone []string, added []cloudflareRecord, err error) {
	after, err := change.After.canonical()
	if err != nil {
		return nil, nil, err
	}
	now := Set{Name: after.Name, Type: after.Type}
	for _, r := range records {
		name, err := absolute(string(r.set(zone).Name), zone)
		if err != nil || name != after.Name || r.Type != after.Type {
			continue
		}
		value, err := Canonical(r.Type, r.value())
		if err != nil {
			return nil, nil, err
		}
		now.Values = append(now.Values, value)
		if !slices.Contains(after.Values, value) {
			gone = append(gone, r.ID)
		}
	}
	if !sameValues(now, change.Before) {
		return nil, nil, fmt.Errorf("%w: %s %s is now %q", ErrChanged, now.Name, now.Type, now.Values)
	}
	for _, v := range after.Values {
		if slices.Contains(now.Values, v) {
			continue
		}
		r, err := c.recordFor(after, v)
		if err != nil {
			return nil, nil, err
		}
		added = append(added, r)
	}
	return gone, added, nil
}
