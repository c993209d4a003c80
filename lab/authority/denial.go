package authority

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// denial proves that something is not there. Each method gives the records that
// belong into the authority section, each at most once.
type denial interface {
	proveNoName(name string) []dns.RR
	proveNoData(name string) []dns.RR
	proveExpansion(name string) []dns.RR // of a wildcard: no closer name exists
	proveWildcardNoData(name string) []dns.RR
}

// silence is the denial of an unsigned zone.
type silence struct{}

func (silence) proveNoName(string) []dns.RR         { return nil }
func (silence) proveNoData(string) []dns.RR         { return nil }
func (silence) proveExpansion(string) []dns.RR      { return nil }
func (silence) proveWildcardNoData(string) []dns.RR { return nil }

// nsec is the denial of RFC 4035 section 3.1.3.
type nsec struct {
	zone *zone
	keep keep
}

func (d *nsec) proveNoName(name string) []dns.RR {
	encloser, _ := d.zone.encloser(name)
	return distinct(d.covering(name), d.covering(wildcardOf(encloser)))
}

// An empty non-terminal owns no NSEC; the one before it covers it.
func (d *nsec) proveNoData(name string) []dns.RR { return distinct(d.covering(name)) }

func (d *nsec) proveExpansion(name string) []dns.RR { return distinct(d.covering(name)) }

func (d *nsec) proveWildcardNoData(name string) []dns.RR {
	encloser, _ := d.zone.encloser(name)
	return distinct(d.covering(name), d.covering(wildcardOf(encloser)))
}

// covering is the NSEC record at a name, or the one that spans it.
func (d *nsec) covering(name string) dns.RR {
	owners := d.zone.sorted()
	key := sortKey(name)
	after := sort.Search(len(owners), func(i int) bool { return sortKey(owners[i]) > key })
	owner := owners[max(after-1, 0)]
	return d.keep.once(owner, func() dns.RR {
		return &dns.NSEC{
			Hdr:        dns.RR_Header{Name: owner, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: d.zone.minimum()},
			NextDomain: owners[after%len(owners)],
			TypeBitMap: typesOf(d.zone.nodes[owner], dns.TypeNSEC, dns.TypeRRSIG),
		}
	})
}

// nsec3 is the denial of RFC 5155, without salt and extra rounds, as RFC 9276
// section 3.1 wants it.
type nsec3 struct {
	zone   *zone
	keep   keep
	hashes func() []hashed
}

type hashed struct{ hash, name string }

func newNSEC3(z *zone) *nsec3 {
	d := &nsec3{zone: z}
	d.hashes = sync.OnceValue(func() []hashed {
		all := make([]hashed, 0, len(z.nodes))
		for name := range z.nodes {
			all = append(all, hashed{hashName(name), name})
		}
		slices.SortFunc(all, func(a, b hashed) int { return cmp.Compare(a.hash, b.hash) })
		return all
	})
	return d
}

func hashName(name string) string { return dns.HashName(name, dns.SHA1, 0, "") }

func (d *nsec3) proveNoName(name string) []dns.RR {
	encloser, next := d.zone.encloser(name)
	return distinct(d.at(encloser), d.at(next), d.at(wildcardOf(encloser)))
}

func (d *nsec3) proveNoData(name string) []dns.RR { return distinct(d.at(name)) }

func (d *nsec3) proveExpansion(name string) []dns.RR {
	_, next := d.zone.encloser(name)
	return distinct(d.at(next))
}

func (d *nsec3) proveWildcardNoData(name string) []dns.RR {
	encloser, next := d.zone.encloser(name)
	return distinct(d.at(encloser), d.at(next), d.at(wildcardOf(encloser)))
}

// at is the NSEC3 record that matches a name, or the one that covers it.
func (d *nsec3) at(name string) dns.RR {
	all, hash := d.hashes(), hashName(name)
	after := sort.Search(len(all), func(i int) bool { return all[i].hash > hash })
	own := all[(after-1+len(all))%len(all)]
	next := all[after%len(all)]
	return d.keep.once(own.hash, func() dns.RR {
		types := typesOf(d.zone.nodes[own.name])
		if len(types) > 0 && (!d.zone.isCut(own.name) || slices.Contains(types, dns.TypeDS)) {
			types = typesOf(d.zone.nodes[own.name], dns.TypeRRSIG)
		}
		return &dns.NSEC3{
			Hdr: dns.RR_Header{
				Name: strings.ToLower(own.hash) + "." + strings.TrimPrefix(d.zone.origin, "."), Rrtype: dns.TypeNSEC3,
				Class: dns.ClassINET, Ttl: d.zone.minimum(),
			},
			Hash: dns.SHA1, HashLength: 20, NextDomain: next.hash,
			TypeBitMap: types,
		}
	})
}

func typesOf(n node, more ...uint16) []uint16 {
	for t := range n {
		more = append(more, t)
	}
	slices.Sort(more)
	return more
}

func distinct(rrs ...dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range rrs {
		if !slices.Contains(out, rr) {
			out = append(out, rr)
		}
	}
	return out
}

// keep holds made records, so that each is made and signed once.
type keep struct {
	mu   sync.Mutex
	made map[string]dns.RR
}

func (k *keep) once(name string, build func() dns.RR) dns.RR {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.made == nil {
		k.made = map[string]dns.RR{}
	}
	rr, ok := k.made[name]
	if !ok {
		rr = build()
		k.made[name] = rr
	}
	return rr
}
