package authority

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"
)

// zone is one zone: its nodes by name, and its key when it is signed.
type zone struct {
	origin string
	nodes  map[string]node // an empty node is an empty non-terminal
	signer *signer         // nil: unsigned
	denial denial          // proves absence; nil: unsigned
	sorted func() []string // the owner names, in DNSSEC order
	behind netip.AddrPort  // the name server outside that has the records; not valid: they are here
}

// node is what stands at one name, by type.
type node map[uint16][]dns.RR

func newZone(origin string) *zone {
	z := &zone{origin: origin, nodes: map[string]node{origin: {}}}
	z.sorted = sync.OnceValue(z.sortOwners)
	return z
}

// add puts a record into the zone, once.
func (z *zone) add(rr dns.RR) {
	h := rr.Header()
	n := z.nodes[h.Name]
	if n == nil {
		n = node{}
		z.nodes[h.Name] = n
	}
	same := func(other dns.RR) bool { return dns.IsDuplicate(rr, other) }
	if len(n[h.Rrtype]) > 100 || !slices.ContainsFunc(n[h.Rrtype], same) {
		n[h.Rrtype] = append(n[h.Rrtype], rr)
	}
}

// fillGaps makes the empty non-terminals exist (RFC 4592 section 2.2.2).
func (z *zone) fillGaps() {
	var gaps []string
	for name := range z.nodes {
		for up := parentOf(name); len(up) > len(z.origin); up = parentOf(up) {
			gaps = append(gaps, up)
		}
	}
	for _, name := range gaps {
		if z.nodes[name] == nil {
			z.nodes[name] = node{}
		}
	}
}

// sortOwners lists the names that own records, in DNSSEC order.
func (z *zone) sortOwners() []string {
	type keyed struct{ key, name string }
	var all []keyed
	for name, n := range z.nodes {
		if len(n) > 0 {
			all = append(all, keyed{sortKey(name), name})
		}
	}
	slices.SortFunc(all, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = k.name
	}
	return names
}

// soa is the zone's SOA record.
func (z *zone) soa() []dns.RR { return z.nodes[z.origin][dns.TypeSOA] }

// minimum is how long a denial may be believed (RFC 2308 section 5).
func (z *zone) minimum() uint32 {
	soa := z.soa()[0].(*dns.SOA)
	return min(soa.Minttl, soa.Hdr.Ttl)
}

// isCut reports whether a name is delegated away from this zone.
func (z *zone) isCut(name string) bool {
	return name != z.origin && len(z.nodes[name][dns.TypeNS]) > 0
}

// cutAbove is the delegation at or above a name, "" when the zone itself speaks
// for it. A question for the DS of a delegation is the parent's to answer.
func (z *zone) cutAbove(name string, qtype uint16) string {
	cut := ""
	for n := name; len(n) > len(z.origin); n = parentOf(n) {
		if z.isCut(n) && (n != name || qtype != dns.TypeDS) {
			cut = n
		}
	}
	return cut
}

// encloser is the deepest existing name at or above a name that does not exist,
// and the name one label below it on the way down: the closest encloser and the
// next closer name of RFC 5155 section 1.3.
func (z *zone) encloser(name string) (encloser, next string) {
	next = name
	for encloser = parentOf(name); z.nodes[encloser] == nil; encloser = parentOf(encloser) {
		next = encloser
	}
	return encloser, next
}

func wildcardOf(name string) string {
	if name == "." {
		return "*."
	}
	return "*." + name
}
