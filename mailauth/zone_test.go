package mailauth_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// zone is a DNS for tests: lines of "name TXT text", "name CNAME target", "name PTR target",
// "name A address", "name AAAA address", "name SERVFAIL" and "name BOGUS". What has no line and nothing
// below it does not exist.
type zone struct {
	records map[world.Name][]dns.RR
	broken  map[world.Name]error
	exists  map[world.Name]bool

	mu    sync.Mutex
	asked []string
}

func newZone(t testing.TB, text string) *zone {
	t.Helper()
	z := &zone{records: map[world.Name][]dns.RR{}, broken: map[world.Name]error{}, exists: map[world.Name]bool{world.Root: true}}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		name := world.MustParseName(fields[0])
		for n := name; n != world.Root; n = n.Parent() {
			z.exists[n] = true
		}
		rest := strings.TrimSpace(line[strings.Index(line, fields[1])+len(fields[1]):])
		h := dns.RR_Header{Name: name.String(), Class: dns.ClassINET, Ttl: 60}
		switch fields[1] {
		case "TXT":
			z.records[name] = append(z.records[name], &dns.TXT{Hdr: header(h, dns.TypeTXT), Txt: chunks(rest)})
		case "CNAME":
			z.records[name] = append(z.records[name], &dns.CNAME{Hdr: header(h, dns.TypeCNAME), Target: dns.Fqdn(rest)})
		case "A", "AAAA", "PTR":
			rr, err := dns.NewRR(name.String() + " " + fields[1] + " " + rest)
			if err != nil {
				t.Fatal(err)
			}
			z.records[name] = append(z.records[name], rr)
		case "SERVFAIL":
			z.broken[name] = world.ErrTemporary
		case "BOGUS":
			z.broken[name] = world.ErrBogus
		default:
			t.Fatalf("no such line: %s", line)
		}
	}
	return z
}

func header(h dns.RR_Header, rrtype uint16) dns.RR_Header {
	h.Rrtype = rrtype
	return h
}

// chunks cuts a text into character-strings and escapes it as the library wants.
func chunks(s string) []string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	var out []string
	for len(s) > 200 {
		out, s = append(out, s[:200]), s[200:]
	}
	return append(out, s)
}

func (z *zone) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	z.mu.Lock()
	z.asked = append(z.asked, name.Text()+" "+world.TypeName(qtype))
	z.mu.Unlock()
	a := &world.Answer{Name: name, Type: qtype}
	fail := func(kind error) (*world.Answer, error) {
		return nil, &world.LookupError{Name: a.Name, Type: qtype, Kind: kind, Aliases: a.Aliases}
	}
	for range 8 {
		if err := z.broken[name]; err != nil {
			return fail(err)
		}
		var alias world.Name
		for _, rr := range z.records[name] {
			if rr.Header().Rrtype == qtype {
				a.Records = append(a.Records, rr)
			}
			if c, ok := rr.(*dns.CNAME); ok {
				alias = world.Name(c.Target)
			}
		}
		switch {
		case len(a.Records) > 0:
			return a, nil
		case alias != "":
			a.Aliases = append(a.Aliases, alias)
			name = alias
		case z.exists[name]:
			return fail(world.ErrNoData)
		default:
			return fail(world.ErrNoName)
		}
	}
	return fail(world.ErrTemporary)
}
