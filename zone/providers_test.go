package zone_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// company is a provider as its API shows it from outside: the same records for all,
// each told in the company's own shapes. What the documentation of the API says is
// refused is refused.
type company struct {
	mu      sync.Mutex
	records []entry // values in presentation format
	next    int
	busy    int // requests to answer with 429 first
	secret  string
	log     []string
	pending int // looks until an action has ended
}

type entry struct {
	id, name, kind, value string // name relative, "@" for the zone
	ttl                   int
}

func (c *company) add(name, kind, value string, ttl int) entry {
	c.next++
	e := entry{fmt.Sprint(c.next), name, kind, value, ttl}
	c.records = append(c.records, e)
	return e
}

func (c *company) remove(which func(entry) bool) (n int) {
	before := len(c.records)
	c.records = slices.DeleteFunc(c.records, which)
	return before - len(c.records)
}

func (c *company) values(name, kind string) (all []string) {
	for _, e := range c.records {
		if e.name == name && e.kind == kind {
			all = append(all, e.value)
		}
	}
	return all
}

// set replaces a set as a whole.
func (c *company) set(name, kind string, ttl int, values []string) {
	c.remove(func(e entry) bool { return e.name == name && e.kind == kind })
	for _, v := range values {
		c.add(name, kind, v, ttl)
	}
}

// sets are the records by name and type, in order.
func (c *company) sets() (keys [][2]string) {
	for _, e := range c.records {
		if k := [2]string{e.name, e.kind}; !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (c *company) ttl(name, kind string) int {
	i := slices.IndexFunc(c.records, func(e entry) bool { return e.name == name && e.kind == kind })
	return c.records[i].ttl
}

// ServeHTTP keeps the door; the shapes are behind it.
func (c *company) door(authorization string, h func(w http.ResponseWriter, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.log = append(c.log, r.Method+" "+r.URL.Path)
		if c.busy > 0 {
			c.busy--
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if authorization != "" && r.Header.Get("Authorization") != authorization {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message": "Invalid token."}`)
			return
		}
		h(w, r)
	})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

type anything = map[string]any

func read[T any](r *http.Request) (v T) {
	json.NewDecoder(r.Body).Decode(&v)
	return v
}

func inZone(name string) string {
	if name == "@" {
		return "example.com"
	}
	return name + ".example.com"
}

func ofZone(name string) string {
	if name == "example.com" || name == "" {
		return "@"
	}
	return strings.TrimSuffix(name, ".example.com")
}

// cloudflare: records with the zone in their names, pages, and a batch.
func (c *company) cloudflare() http.Handler {
	type record struct {
		ID, Name, Type, Content string
		TTL                     int
		Priority                *uint16
		Data                    anything
	}
	show := func(e entry) anything {
		o := anything{"id": e.id, "name": inZone(e.name), "type": e.kind, "ttl": e.ttl, "content": strings.TrimSuffix(e.value, "."), "proxied": false}
		rr, _ := dns.NewRR("x. 0 IN " + e.kind + " " + e.value)
		switch rr := rr.(type) {
		case *dns.MX:
			o["priority"], o["content"] = rr.Preference, strings.TrimSuffix(rr.Mx, ".")
		case *dns.SRV:
			o["priority"], o["content"] = rr.Priority, fmt.Sprintf("%d %d %s", rr.Weight, rr.Port, strings.TrimSuffix(rr.Target, "."))
			o["data"] = anything{"priority": rr.Priority, "weight": rr.Weight, "port": rr.Port, "target": strings.TrimSuffix(rr.Target, ".")}
		case *dns.CAA:
			o["data"] = anything{"flags": rr.Flag, "tag": rr.Tag, "value": rr.Value}
		case *dns.TXT:
			if len(e.value) < 50 { // made by hand on their pages: without quotes
				o["content"] = strings.Trim(e.value, `"`)
			}
		}
		return o
	}
	return c.door("Bearer "+c.secret, func(w http.ResponseWriter, r *http.Request) {
		const records = "/client/v4/zones/023e105f/dns_records"
		switch {
		case r.URL.Path == "/client/v4/zones":
			found := []anything{}
			if r.URL.Query().Get("name") == "example.com" {
				found = append(found, anything{"id": "023e105f", "name": "example.com"})
			}
			reply(w, 200, anything{"success": true, "errors": []any{}, "result": found})
		case r.URL.Path == records && r.Method == http.MethodGet:
			const size = 3 // smaller pages than asked for
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			shown := []anything{}
			for _, e := range c.records[min(len(c.records), (page-1)*size):min(len(c.records), page*size)] {
				shown = append(shown, show(e))
			}
			reply(w, 200, anything{"success": true, "result": shown, "result_info": anything{"page": page, "total_pages": (len(c.records) + size - 1) / size}})
		case r.URL.Path == records+"/batch":
			batch := read[struct {
				Deletes []struct{ ID string }
				Posts   []record
			}](r)
			for _, d := range batch.Deletes {
				if c.remove(func(e entry) bool { return e.id == d.ID }) != 1 {
					reply(w, 400, anything{"success": false, "errors": []any{anything{"code": 81044, "message": "Record does not exist."}}})
					return
				}
			}
			for _, p := range batch.Posts {
				value := p.Content
				switch p.Type {
				case "MX":
					value = fmt.Sprintf("%d %s.", *p.Priority, p.Content)
				case "CNAME":
					value += "."
				case "SRV":
					value = fmt.Sprintf("%v %v %v %v.", p.Data["priority"], p.Data["weight"], p.Data["port"], p.Data["target"])
				case "CAA":
					value = fmt.Sprintf("%v %v %q", p.Data["flags"], p.Data["tag"], p.Data["value"])
				case "TLSA":
					value = fmt.Sprintf("%v %v %v %v", p.Data["usage"], p.Data["selector"], p.Data["matching_type"], p.Data["certificate"])
				}
				c.add(ofZone(p.Name), p.Type, value, p.TTL)
			}
			reply(w, 200, anything{"success": true, "result": anything{}})
		default:
			reply(w, 404, anything{"success": false})
		}
	})
}

// desec: sets, all changes in one PATCH, a list with Link headers.
func (c *company) desec() http.Handler {
	return c.door("Token "+c.secret, func(w http.ResponseWriter, r *http.Request) {
		const base = "/api/v1/domains/example.com/rrsets/"
		switch {
		case r.URL.Path != base:
			reply(w, 404, anything{"detail": "Not found."})
		case r.Method == http.MethodGet:
			const size = 2
			start, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
			keys, shown := c.sets(), []anything{}
			for _, k := range keys[min(len(keys), start):min(len(keys), start+size)] {
				shown = append(shown, anything{"domain": "example.com", "subname": strings.TrimPrefix(k[0], "@"), "name": inZone(k[0]) + ".", "type": k[1], "ttl": c.ttl(k[0], k[1]), "records": c.values(k[0], k[1])})
			}
			if start+size < len(keys) {
				w.Header().Set("Link", fmt.Sprintf(`<https://desec.io%[1]s?cursor=>; rel="first", <https://desec.io%[1]s?cursor=%[2]d>; rel="next"`, base, start+size))
			}
			reply(w, 200, shown)
		default:
			for _, s := range read[[]struct {
				Subname, Type string
				TTL           int
				Records       []string
			}](r) {
				if r.Method != http.MethodPatch || s.TTL < 3600 {
					reply(w, 400, []anything{{"ttl": []string{"Ensure this value is greater than or equal to 3600."}}})
					return
				}
				c.set(cmpOr(s.Subname, "@"), s.Type, s.TTL, s.Records)
			}
			reply(w, 200, []any{})
		}
	})
}

func cmpOr(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

// gandi: a set for each name and type.
func (c *company) gandi() http.Handler {
	return c.door("Bearer "+c.secret, func(w http.ResponseWriter, r *http.Request) {
		const base = "/v5/livedns/domains/example.com"
		rest, ok := strings.CutPrefix(r.URL.Path, base)
		words := strings.Split(strings.Trim(rest, "/"), "/")
		switch {
		case !ok:
			reply(w, 404, anything{"object": "HTTPNotFound", "cause": "Not Found", "code": 404, "message": "Can't find the domain"})
		case rest == "":
			reply(w, 200, anything{"fqdn": "example.com", "domain_records_href": "https://api.gandi.net" + base + "/records"})
		case r.Method == http.MethodGet:
			shown := []anything{}
			for _, k := range c.sets() {
				if k[0] == words[1] {
					shown = append(shown, anything{"rrset_name": k[0], "rrset_type": k[1], "rrset_ttl": c.ttl(k[0], k[1]), "rrset_values": c.values(k[0], k[1])})
				}
			}
			if len(shown) == 0 {
				reply(w, 404, anything{"code": 404, "message": "Can't find any record for this name"})
				return
			}
			reply(w, 200, shown)
		case r.Method == http.MethodDelete:
			c.set(words[1], words[2], 0, nil)
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPut:
			s := read[struct {
				TTL    int      `json:"rrset_ttl"`
				Values []string `json:"rrset_values"`
			}](r)
			if s.TTL < 300 || len(s.Values) == 0 {
				reply(w, 400, anything{"code": 400, "message": "rrset_ttl is too small"})
				return
			}
			c.set(words[1], words[2], s.TTL, s.Values)
			reply(w, 201, anything{"message": "DNS Record Created"})
		}
	})
}

// hetzner: sets, pages, and actions that take their time.
func (c *company) hetzner() http.Handler {
	return c.door("Bearer "+c.secret, func(w http.ResponseWriter, r *http.Request) {
		action := func(status int) {
			c.pending = len(c.log) % 2
			reply(w, status, anything{"action": anything{"id": 42, "status": "running", "error": nil}})
		}
		const base = "/v1/zones/example.com/rrsets"
		rest, ok := strings.CutPrefix(r.URL.Path, base)
		words := strings.Split(strings.Trim(rest, "/"), "/")
		type set struct {
			Name, Type string
			TTL        *int
			Records    []struct{ Value string }
		}
		values := func(s set) (all []string) {
			for _, v := range s.Records {
				all = append(all, v.Value)
			}
			return all
		}
		switch {
		case r.URL.Path == "/v1/actions/42":
			status := "success"
			if c.pending--; c.pending >= 0 {
				status = "running"
			}
			reply(w, 200, anything{"action": anything{"id": 42, "status": status, "error": nil}})
		case !ok:
			reply(w, 404, anything{"error": anything{"code": "not_found", "message": "zone not found"}})
		case r.Method == http.MethodGet:
			const size = 2
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			keys, shown := c.sets(), []anything{}
			for _, k := range keys[min(len(keys), (page-1)*size):min(len(keys), page*size)] {
				var records []anything
				for _, v := range c.values(k[0], k[1]) {
					records = append(records, anything{"value": v, "comment": ""})
				}
				shown = append(shown, anything{"id": k[0] + "/" + k[1], "name": k[0], "type": k[1], "ttl": nil, "records": records, "zone": 4711})
			}
			var next any
			if page*size < len(keys) {
				next = page + 1
			}
			reply(w, 200, anything{"rrsets": shown, "meta": anything{"pagination": anything{"page": page, "per_page": size, "next_page": next}}})
		case r.Method == http.MethodPost && rest == "":
			s := read[set](r)
			if len(c.values(s.Name, s.Type)) > 0 {
				reply(w, 409, anything{"error": anything{"code": "uniqueness_error", "message": "RRset exists"}})
				return
			}
			c.set(s.Name, s.Type, *s.TTL, values(s))
			action(201)
		case r.Method == http.MethodPost && len(words) == 4 && words[3] == "set_records":
			c.set(words[0], words[1], 300, values(read[set](r)))
			action(201)
		case r.Method == http.MethodDelete:
			c.set(words[0], words[1], 0, nil)
			action(200)
		default:
			reply(w, 405, anything{})
		}
	})
}

// porkbun: records, keys in the body, success in the body.
func (c *company) porkbun() http.Handler {
	return c.door("", func(w http.ResponseWriter, r *http.Request) {
		q := read[struct {
			APIKey, SecretAPIKey           string
			Name, Type, Content, TTL, Prio string
		}](r)
		words := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/json/v3/dns/"), "/")
		refuse := func(text string) { reply(w, 400, anything{"status": "ERROR", "message": text}) }
		value := q.Content
		switch q.Type {
		case "MX", "SRV":
			value = q.Prio + " " + value + "."
		case "CNAME":
			value += "."
		case "TXT":
			value = finding.TXT("", q.Content).Value
		}
		ttl, _ := strconv.Atoi(q.TTL)
		switch {
		case q.APIKey != "pk1" || q.SecretAPIKey != c.secret:
			reply(w, 403, anything{"status": "ERROR", "message": "Invalid API key. (001)"})
			return
		case words[1] != "example.com":
			refuse("Invalid domain.")
			return
		case words[0] == "retrieve":
			shown := []anything{}
			for _, e := range c.records {
				o := anything{"id": e.id, "name": inZone(e.name), "type": e.kind, "content": strings.TrimSuffix(e.value, "."), "ttl": fmt.Sprint(e.ttl), "prio": nil, "notes": ""}
				switch e.kind {
				case "MX", "SRV":
					prio, rest, _ := strings.Cut(strings.TrimSuffix(e.value, "."), " ")
					o["prio"], o["content"] = prio, rest
				case "TXT":
					text, _ := finding.Record{Value: e.value}.Text()
					o["content"] = text
				}
				shown = append(shown, o)
			}
			reply(w, 200, anything{"status": "SUCCESS", "records": shown})
			return
		case words[0] == "delete":
			if c.remove(func(e entry) bool { return e.id == words[2] }) != 1 {
				refuse("Invalid record ID.")
				return
			}
		case ttl < 600:
			refuse("The TTL is too short.")
			return
		case words[0] == "edit":
			i := slices.IndexFunc(c.records, func(e entry) bool { return e.id == words[2] })
			if i < 0 {
				refuse("Invalid record ID.")
				return
			}
			c.records[i] = entry{words[2], ofZone(q.Name), q.Type, value, ttl}
		case words[0] == "create":
			c.add(cmpOr(q.Name, "@"), q.Type, value, ttl)
		}
		reply(w, 200, anything{"status": "SUCCESS"})
	})
}

// abroad is a world in which every name leads to one web server with a certificate
// for the host.
func abroad(t *testing.T, host string, h http.Handler) *world.World {
	t.Helper()
	authority, err := ca.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Certificate(ca.Good, host)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority.Roots()))
	port := netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
	return &world.World{Resolver: signpost{}, Network: world.Machine(), Roots: roots, Map: world.Map{
		Ports: map[uint16]uint16{443: port}, Public: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}}
}

// signpost leads every name to this machine.
type signpost struct{}

func (signpost) Lookup(_ context.Context, name world.Name, kind uint16) (*world.Answer, error) {
	if kind != dns.TypeA {
		return nil, &world.LookupError{Name: name, Type: kind, Kind: world.ErrNoData}
	}
	rr, _ := dns.NewRR(name.String() + " 60 IN A 127.0.0.1")
	return &world.Answer{Name: name, Type: kind, Records: []dns.RR{rr}}, nil
}

// TestProviders holds all of them to the same: what was planned is there afterwards,
// octet by octet, what was not asked for stays, and all of it can be undone.
func TestProviders(t *testing.T) {
	for _, tt := range []struct {
		name, host string
		speak      func(*company) http.Handler
		open       func(w *world.World, secret string) zone.Provider
	}{
		{"cloudflare", "api.cloudflare.com", (*company).cloudflare, func(w *world.World, s string) zone.Provider { return zone.NewCloudflare(w, s) }},
		{"desec", "desec.io", (*company).desec, func(w *world.World, s string) zone.Provider { return zone.NewDeSEC(w, s) }},
		{"gandi", "api.gandi.net", (*company).gandi, func(w *world.World, s string) zone.Provider { return zone.NewGandi(w, s) }},
		{"hetzner", "api.hetzner.cloud", (*company).hetzner, func(w *world.World, s string) zone.Provider { return zone.NewHetzner(w, s) }},
		{"porkbun", "api.porkbun.com", (*company).porkbun, func(w *world.World, s string) zone.Provider { return zone.NewPorkbun(w, "pk1", s) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &company{secret: "hunter2"}
			for _, e := range [][3]string{
				{"@", "MX", "10 mx.other.example."}, {"@", "TXT", `"v=spf1 include:_spf.other.example ~all"`}, {"@", "TXT", `"proof=1"`},
				{"_dmarc", "TXT", `"v=DMARC1; p=reject"`}, {"mta-sts", "CNAME", "pages.other.example."}, {"www", "A", "192.0.2.1"},
				{"mx", "CAA", `0 iodef "mailto:a@example.com"`},
			} {
				c.add(e[0], e[1], e[2], 3600)
			}
			w := abroad(t, tt.host, tt.speak(c))
			p := tt.open(w, c.secret)
			c.publishes(t, p)
			for _, wrong := range []struct {
				p    zone.Provider
				zone world.Name
				want error
			}{{tt.open(w, "stolen"), apex, zone.ErrRefused}, {p, "example.net.", nil}} {
				_, err := wrong.p.Read(t.Context(), wrong.zone, []world.Name{wrong.zone})
				if err == nil || wrong.want != nil && !errors.Is(err, wrong.want) || strings.Contains(err.Error(), c.secret) {
					t.Errorf("read %s: %v", wrong.zone, err)
				}
			}
		})
	}
}

func (c *company) publishes(t *testing.T, p zone.Provider) {
	ctx, names := t.Context(), zone.Names(wanted())
	c.busy = 1
	before, err := p.Read(ctx, apex, names)
	if err != nil {
		t.Fatal(err)
	}
	plan := zone.NewPlan(apex, wanted(), before, func(_ world.Name, kind string) bool { return kind == "MX" })
	changes := plan.Changes()
	if err := p.Write(ctx, apex, changes); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][3]string{
		{"@", "MX", "10 mx.example.com."},
		{"@", "TXT", `"proof=1"`}, {"@", "TXT", `"v=spf1 include:_spf.other.example ip4:127.20.0.25 ~all"`},
		{"_dmarc", "TXT", `"v=DMARC1; p=reject"`}, {"mta-sts", "CNAME", "pages.other.example."}, {"www", "A", "192.0.2.1"},
		{"ag-r1._domainkey", "TXT", longKey("").Value}, {"_submissions._tcp", "SRV", "0 1 465 mx.example.com."},
		{"mx", "A", "127.20.0.25"}, {"mx", "CAA", `0 issue "letsencrypt.org"`}, {"mx", "CAA", `0 iodef "mailto:a@example.com"`},
		{"_25._tcp.mx", "TLSA", "3 1 1 " + strings.Repeat("ab", 32)},
	} {
		if got := c.values(want[0], want[1]); !slices.Contains(got, want[2]) {
			t.Errorf("%s %s is %q, and not %s", want[0], want[1], got, want[2])
		}
	}
	if got := c.values("@", "TXT"); len(got) != 2 || len(c.values("@", "MX")) != 1 {
		t.Errorf("too much is there: %q", got)
	}
	after, err := p.Read(ctx, apex, names)
	if again := zone.NewPlan(apex, wanted(), after, nil); err != nil || len(again.Changes()) > 0 {
		t.Errorf("planned again: %+v, %v", again.Steps, err)
	}
	if err := p.Write(ctx, apex, changes); !errors.Is(err, zone.ErrChanged) {
		t.Errorf("written again: %v", err)
	}
	if err := p.Write(ctx, apex, zone.Undo(changes)); err != nil {
		t.Fatal(err)
	}
	if len(c.records) != 7 {
		t.Errorf("undone, there are %d records: %v", len(c.records), c.records)
	}
	undone, err := p.Read(ctx, apex, names)
	if again := zone.NewPlan(apex, wanted(), undone, nil); err != nil || len(again.Changes()) != len(changes)-1 {
		t.Errorf("undone: %+v, %v", again.Steps, err)
	}
}
