package policy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// zone is a DNS for tests: records as master files have them, a line each, and
// "name SERVFAIL". What has no line does not exist.
type zone struct {
	records map[world.Name][]dns.RR
	broken  map[world.Name]bool
	down    bool // nothing answers
}

func newZone(t testing.TB, text string) *zone {
	t.Helper()
	z := &zone{records: map[world.Name][]dns.RR{}, broken: map[world.Name]bool{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutSuffix(line, " SERVFAIL"); ok {
			z.broken[world.MustParseName(name)] = true
			continue
		}
		if line == "" {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		name := world.MustParseName(rr.Header().Name)
		z.records[name] = append(z.records[name], rr)
	}
	return z
}

// Lookup answers from the lines.
func (z *zone) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	a := &world.Answer{Name: name, Type: qtype}
	if z.down || z.broken[name] {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary}
	}
	for _, rr := range z.records[name] {
		if rr.Header().Rrtype == qtype {
			a.Records = append(a.Records, rr)
		}
	}
	switch {
	case len(a.Records) > 0:
		return a, nil
	case len(z.records[name]) > 0:
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoData}
	}
	return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoName}
}
