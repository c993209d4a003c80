package zone

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// Porkbun is the DNS of Porkbun (API version 3).
type Porkbun struct {
	api
	keys porkbunKeys
}

// porkbunKeys go with every request, in its body.
type porkbunKeys struct {
	Key    string `json:"apikey"`
	Secret string `json:"secretapikey"`
}

// NewPorkbun takes an API key and its secret; API access must be on for the domain.
func NewPorkbun(w *world.World, key, secret string) *Porkbun {
	return &Porkbun{api{client: w.HTTPClient(apiTimeout), base: "https://api.porkbun.com/api/json/v3"}, porkbunKeys{key, secret}}
}

// porkbunRecord is a record as Porkbun shows it: the name with its zone.
type porkbunRecord struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Content  string `json:"content"`
	TTL      string `json:"ttl"`
	Priority string `json:"prio"`
}

// porkbunWish is a record as Porkbun takes it: the name without its zone.
type porkbunWish struct {
	porkbunKeys
	Name     string `json:"name"`
	Type     string `json:"type"`
	Content  string `json:"content"`
	TTL      string `json:"ttl"`
	Priority string `json:"prio,omitempty"`
}

// porkbunTTL is the shortest time that Porkbun takes.
const porkbunTTL = 600

// ask posts a request. Porkbun says in the body whether it went well.
func (p *Porkbun) ask(ctx context.Context, path string, in any) ([]porkbunRecord, error) {
	var answer struct {
		Status  string          `json:"status"`
		Message string          `json:"message"`
		Records []porkbunRecord `json:"records"`
	}
	if _, err := p.call(ctx, http.MethodPost, path, in, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "SUCCESS" {
		return nil, fmt.Errorf("%w: %s", ErrRefused, explain([]byte(answer.Message)))
	}
	return answer.Records, nil
}

func (p *Porkbun) records(ctx context.Context, zone world.Name) ([]porkbunRecord, error) {
	all, err := p.ask(ctx, "/dns/retrieve/"+url.PathEscape(undotted(zone)), p.keys)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", zone, err)
	}
	return all, nil
}

// Read reads the whole zone.
func (p *Porkbun) Read(ctx context.Context, zone world.Name, names []world.Name) ([]Set, error) {
	records, err := p.records(ctx, zone)
	if err != nil {
		return nil, err
	}
	var all []Set
	for _, r := range records {
		all = append(all, r.set(zone))
	}
	return pick(zone, names, all)
}

func (r porkbunRecord) set(zone world.Name) Set {
	name := strings.ToLower(r.Name)
	if name == undotted(zone) {
		name = "@"
	} else {
		name = strings.TrimSuffix(name, "."+undotted(zone))
	}
	s := Set{Name: world.Name(name), Type: r.Type, Values: []string{r.value()}}
	if ttl, err := strconv.Atoi(r.TTL); err == nil && ttl > 0 {
		s.TTL = ttl
	}
	return s
}

// value is a record in presentation format.
func (r porkbunRecord) value() string {
	switch r.Type {
	case "CNAME", "NS":
		return dns.Fqdn(r.Content)
	case "MX", "SRV":
		return r.Priority + " " + dns.Fqdn(r.Content)
	case "TXT":
		return quotedText(r.Content)
	}
	return r.Content
}

// wish is what the API wants for a value.
func (p *Porkbun) wish(zone world.Name, s Set, value string) porkbunWish {
	w := porkbunWish{porkbunKeys: p.keys, Name: relative(s.Name, zone, ""), Type: s.Type, Content: value, TTL: strconv.Itoa(max(s.seconds(), porkbunTTL))}
	switch s.Type {
	case "CNAME", "NS":
		w.Content = strings.TrimSuffix(value, ".")
	case "MX", "SRV":
		w.Priority, w.Content, _ = strings.Cut(strings.TrimSuffix(value, "."), " ")
	case "TXT":
		w.Content = plainText(value)
	}
	return w
}

// Write changes one record after the other. A record is changed where it stands, so
// that a name is at no time without one.
func (p *Porkbun) Write(ctx context.Context, zone world.Name, changes []Change) error {
	records, err := p.records(ctx, zone)
	if err != nil {
		return err
	}
	var steps []porkbunStep
	for _, c := range changes {
		more, err := p.difference(zone, records, c)
		if err != nil {
			return err
		}
		steps = append(steps, more...)
	}
	for _, s := range steps {
		if _, err := p.ask(ctx, s.path, s.body); err != nil {
			return fmt.Errorf("write %s: %w", zone, err)
		}
	}
	return nil
}

type porkbunStep struct {
	path string
	body any
}

// difference are the requests for one change.
func (p *Porkbun) difference(zone world.Name, records []porkbunRecord, c Change) (steps []porkbunStep, err error) {
	after, err := c.After.canonical()
	if err != nil {
		return nil, err
	}
	now, gone := Set{Name: after.Name, Type: after.Type}, []string{}
	for _, r := range records {
		name, err := absolute(string(r.set(zone).Name), zone)
		if err != nil || name != after.Name || r.Type != after.Type {
			continue
		}
		value, err := Canonical(r.Type, r.value())
		if err != nil {
			return nil, err
		}
		now.Values = append(now.Values, value)
		if !slices.Contains(after.Values, value) {
			gone = append(gone, r.ID)
		}
	}
	if !sameValues(now, c.Before) {
		return nil, fmt.Errorf("%w: %s %s is now %q", ErrChanged, now.Name, now.Type, now.Values)
	}
	at := url.PathEscape(undotted(zone))
	for _, v := range after.Values {
		switch {
		case slices.Contains(now.Values, v):
		case len(gone) > 0:
			steps = append(steps, porkbunStep{"/dns/edit/" + at + "/" + url.PathEscape(gone[0]), p.wish(zone, after, v)})
			gone = gone[1:]
		default:
			steps = append(steps, porkbunStep{"/dns/create/" + at, p.wish(zone, after, v)})
		}
	}
	for _, id := range gone {
		steps = append(steps, porkbunStep{"/dns/delete/" + at + "/" + url.PathEscape(id), p.keys})
	}
	return steps, nil
}
