package spf_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// zone is a resolver that knows what it was told and counts what it was asked.
type zone struct {
	names   map[world.Name]map[uint16][]dns.RR
	broken  map[world.Name]bool // no answer for types that are not there
	queries atomic.Int64
}

func newZone() *zone {
	return &zone{names: map[world.Name]map[uint16][]dns.RR{}, broken: map[world.Name]bool{}}
}

// Lookup answers out of the zone, through CNAMEs.
func (z *zone) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	z.queries.Add(1)
	a := &world.Answer{Name: name, Type: qtype}
	const longestChain = 10
	for range longestChain {
		types, exists := z.names[name]
		if rrs := types[qtype]; len(rrs) > 0 {
			a.Records = rrs
			return a, nil
		}
		if z.broken[name] {
			return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary, Detail: "time-out"}
		}
		alias := types[dns.TypeCNAME]
		if len(alias) == 0 {
			kind := world.ErrNoData
			if !exists {
				kind = world.ErrNoName
			}
			return nil, &world.LookupError{Name: name, Type: qtype, Kind: kind}
		}
		name = world.Name(strings.ToLower(alias[0].(*dns.CNAME).Target))
		a.Aliases = append(a.Aliases, name)
	}
	return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary, Detail: "CNAME loop"}
}

// rawName is the name of labels that may hold any octets; a label too long for
// DNS cannot be in a zone and is an error.
func rawName(s string) (world.Name, error) {
	s = strings.TrimSuffix(s, ".")
	if s == "" {
		return world.Root, nil
	}
	return world.NameFromLabels(strings.Split(s, "."))
}

// add puts a record into the zone.
func (z *zone) add(owner, rtype, value string) error {
	name, err := rawName(owner)
	if err != nil {
		return err
	}
	if z.names[name] == nil {
		z.names[name] = map[uint16][]dns.RR{}
	}
	if rtype == "" {
		return nil // the name exists
	}
	rr, err := newRecord(name, rtype, value)
	if err == nil {
		t := rr.Header().Rrtype
		z.names[name][t] = append(z.names[name][t], rr)
	}
	return err
}

func newRecord(name world.Name, rtype, value string) (dns.RR, error) {
	head := func(t uint16) dns.RR_Header {
		return dns.RR_Header{Name: string(name), Rrtype: t, Class: dns.ClassINET}
	}
	target := func(s string) string {
		n, err := rawName(s)
		if err != nil {
			return "invalid."
		}
		return string(n)
	}
	switch rtype {
	case "A", "AAAA":
		ip, err := netip.ParseAddr(value)
		if err != nil {
			return nil, err
		}
		if rtype == "A" {
			return &dns.A{Hdr: head(dns.TypeA), A: ip.AsSlice()}, nil
		}
		return &dns.AAAA{Hdr: head(dns.TypeAAAA), AAAA: ip.AsSlice()}, nil
	case "TXT":
		return &dns.TXT{Hdr: head(dns.TypeTXT), Txt: []string{escapeTXT(value)}}, nil
	case "PTR":
		return &dns.PTR{Hdr: head(dns.TypePTR), Ptr: target(value)}, nil
	case "CNAME":
		return &dns.CNAME{Hdr: head(dns.TypeCNAME), Target: target(value)}, nil
	case "MX":
		mx := &dns.MX{Hdr: head(dns.TypeMX)}
		pref, host, _ := strings.Cut(value, " ")
		_, err := fmt.Sscan(pref, &mx.Preference)
		mx.Mx = target(host)
		return mx, err
	}
	return nil, fmt.Errorf("no record type %q", rtype)
}

func escapeTXT(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '\\' || c == '"' {
			fmt.Fprintf(&b, "\\%03d", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// zoneOf reads lines "name type value"; type TIMEOUT makes the name unanswered.
func zoneOf(tb testing.TB, lines ...string) *zone {
	tb.Helper()
	z := newZone()
	for _, line := range lines {
		f := strings.SplitN(line, " ", 3)
		if len(f) == 2 && f[1] == "TIMEOUT" {
			z.broken[world.MustParseName(f[0])] = true
			continue
		}
		if err := z.add(f[0], f[1], f[2]); err != nil {
			tb.Fatalf("%s: %v", line, err)
		}
	}
	return z
}
