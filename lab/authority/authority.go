package authority

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Authority is all zones of one lab. It is made by Load and does not change, but
// for the signatures it makes and the questions it counts.
type Authority struct {
	zones   map[string]*zone
	faults  []fault
	quirks  []quirk
	parents map[string][]string // servers named by a parent that knows better
	served  map[netip.Addr][]station
	census  census
}

// station is one zone at one name server.
type station struct {
	zone *zone
	host string // the name by which the zone knows the server
}

// Load makes zones of texts. Signatures run from an hour before now for three
// weeks.
func Load(now time.Time, texts ...string) (*Authority, error) {
	a := &Authority{zones: map[string]*zone{}, parents: map[string][]string{}}
	b := builder{now: now, authority: a, signings: map[string]signing{}, behind: map[string]netip.AddrPort{}}
	for _, text := range texts {
		if err := b.read(text); err != nil {
			return nil, err
		}
	}
	return a, b.build()
}

// builder gathers what the texts say until the zones can be made.
type builder struct {
	now       time.Time
	authority *Authority
	records   []dns.RR
	signings  map[string]signing
	behind    map[string]netip.AddrPort // name servers outside, by the zones they have
}

func (b *builder) read(text string) error {
	rrs, directives, err := parse(text)
	if err != nil {
		return err
	}
	for _, d := range directives {
		if err := b.obey(d); err != nil {
			return err
		}
	}
	b.records = append(b.records, rrs...)
	return nil
}

func (b *builder) obey(d directive) error {
	first, rest := canonical(d.words[0]), d.words[1:]
	switch d.verb {
	case "sign":
		how, err := parseSigning(rest)
		b.signings[first] = how
		return err
	case "delegate":
		b.authority.parents[first] = rest
		return nil
	case "forward":
		at, err := parseForward(rest)
		b.behind[first] = at
		return err
	case "fault":
		f, err := parseFault(first, rest)
		b.authority.faults = append(b.authority.faults, f)
		return err
	case "server":
		q, err := parseQuirk(first, rest)
		b.authority.quirks = append(b.authority.quirks, q)
		return err
	case "without":
		return b.remove(first, rest)
	}
	return fmt.Errorf("%w: the lab does not know %q", ErrText, d.verb)
}

func (b *builder) remove(name string, types []string) error {
	for _, mnemonic := range types {
		t, ok := dns.StringToType[mnemonic]
		if !ok {
			return fmt.Errorf("%w: %q is no record type", ErrText, mnemonic)
		}
		before := len(b.records)
		b.records = slices.DeleteFunc(b.records, func(rr dns.RR) bool {
			h := rr.Header()
			return matchName(name, h.Name) && (t == dns.TypeANY || h.Rrtype == t)
		})
		if len(b.records) == before {
			return fmt.Errorf("%w: there is no %s %s to take away", ErrText, name, mnemonic)
		}
	}
	return nil
}

func (b *builder) build() error {
	a := b.authority
	for _, rr := range b.records {
		if rr.Header().Rrtype == dns.TypeSOA && a.zones[rr.Header().Name] == nil {
			a.zones[rr.Header().Name] = newZone(rr.Header().Name)
		}
	}
	if a.zones["."] == nil {
		return fmt.Errorf("%w: there is no root zone", ErrText)
	}
	b.inventTopLevels()
	for _, rr := range b.records {
		a.zoneOf(rr.Header().Name).add(rr)
	}
	return b.connect()
}

// inventTopLevels makes unsigned zones, with the servers of the root, for the
// top-level domains that have zones below them and none of their own.
func (b *builder) inventTopLevels() {
	a := b.authority
	var missing []string
	for origin := range a.zones {
		labels := dns.SplitDomainName(origin)
		if len(labels) == 0 {
			continue
		}
		if top := labels[len(labels)-1] + "."; a.zones[top] == nil && !slices.Contains(missing, top) {
			missing = append(missing, top)
		}
	}
	for _, top := range missing {
		a.zones[top] = newZone(top)
		for _, rr := range b.records {
			h := rr.Header()
			if h.Name == "." && (h.Rrtype == dns.TypeNS || h.Rrtype == dns.TypeSOA) {
				own := dns.Copy(rr)
				own.Header().Name = top
				a.zones[top].add(own)
			}
		}
	}
}

// connect delegates each zone from its parent, and signs what shall be signed.
func (b *builder) connect() error {
	a := b.authority
	for origin, z := range a.zones {
		if len(z.nodes[origin][dns.TypeNS]) == 0 {
			return fmt.Errorf("%w: zone %s has no NS record", ErrText, origin)
		}
		z.denial, z.behind = silence{}, b.behind[origin]
		if how, ok := b.signings[origin]; ok {
			if err := z.sign(how, b.now); err != nil {
				return err
			}
			delete(b.signings, origin)
		}
	}
	for origin := range b.signings {
		return fmt.Errorf("%w: there is no zone %s to sign", ErrText, origin)
	}
	for origin, z := range a.zones {
		if origin != "." {
			if err := a.delegate(z); err != nil {
				return err
			}
		}
	}
	for _, z := range a.zones {
		z.fillGaps()
	}
	a.place()
	return nil
}

func (z *zone) sign(how signing, now time.Time) error {
	s, err := newSigner(z.origin, how, now)
	if err != nil {
		return err
	}
	z.signer = s
	z.add(s.key)
	z.denial = &nsec{zone: z}
	if how.nsec3 {
		z.denial = newNSEC3(z)
		z.add(&dns.NSEC3PARAM{
			Hdr:  dns.RR_Header{Name: z.origin, Rrtype: dns.TypeNSEC3PARAM, Class: dns.ClassINET},
			Hash: dns.SHA1,
		})
	}
	return nil
}

func (a *Authority) delegate(z *zone) error {
	parent := a.zoneOf(parentOf(z.origin))
	for _, rr := range a.serversAtParent(z) {
		parent.add(rr)
	}
	if z.signer == nil {
		return nil
	}
	ds, err := z.signer.ds()
	if err == nil && ds != nil {
		parent.add(ds)
	}
	return err
}

func (a *Authority) serversAtParent(z *zone) []dns.RR {
	named, ok := a.parents[z.origin]
	if !ok {
		return z.nodes[z.origin][dns.TypeNS]
	}
	var rrs []dns.RR
	for _, host := range named {
		rrs = append(rrs, &dns.NS{
			Hdr: dns.RR_Header{Name: z.origin, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: defaultTTL},
			Ns:  canonical(host),
		})
	}
	return rrs
}

// zoneOf is the deepest zone that contains a name.
func (a *Authority) zoneOf(name string) *zone {
	for ; name != "."; name = parentOf(name) {
		if z := a.zones[name]; z != nil {
			return z
		}
	}
	return a.zones["."]
}

// Anchor is the DS record of the root: what validators are told to trust. It is
// empty when the root is not signed.
func (a *Authority) Anchor() string {
	root := a.zones["."]
	if root.signer == nil {
		return ""
	}
	return strings.Join(strings.Fields(root.signer.key.ToDS(dns.SHA256).String()), " ")
}

// Addresses are the IPv4 addresses of a name as the zones have them, without any
// fault in the way.
func (a *Authority) Addresses(name string) []netip.Addr {
	var ips []netip.Addr
	for _, rr := range a.Records(name, dns.TypeA) {
		if ip, ok := netip.AddrFromSlice(rr.(*dns.A).A.To4()); ok {
			ips = append(ips, ip)
		}
	}
	return ips
}

// Records are the records of one type at a name, at the end of any aliases, as
// the zones have them, without any fault in the way.
func (a *Authority) Records(name string, qtype uint16) []dns.RR {
	name = canonical(name)
	for range maxAliases {
		f := a.zoneFor(name, qtype).lookup(name, qtype)
		if f.alias == "" {
			if len(f.answer) == 0 {
				return nil
			}
			return f.answer[0].rrs
		}
		name = f.alias
	}
	return nil
}

// place finds the addresses at which each zone is served.
func (a *Authority) place() {
	a.served = map[netip.Addr][]station{}
	known := map[string][]netip.Addr{}
	for _, z := range a.zones {
		for _, host := range a.hostsOf(z) {
			ips, ok := known[host]
			if !ok {
				ips = a.Addresses(host)
				known[host] = ips
			}
			for _, ip := range ips {
				a.served[ip] = append(a.served[ip], station{z, host})
			}
		}
	}
}

// NameServers are the addresses at which zones are served; Server gives what
// answers there.
func (a *Authority) NameServers() []netip.Addr {
	return slices.SortedFunc(maps.Keys(a.served), netip.Addr.Compare)
}

// hostsOf are the names of a zone's servers, as the zone and as its parent says.
func (a *Authority) hostsOf(z *zone) []string {
	var hosts []string
	for _, rr := range append(slices.Clone(z.nodes[z.origin][dns.TypeNS]), a.serversAtParent(z)...) {
		if host := canonical(rr.(*dns.NS).Ns); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
