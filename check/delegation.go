package check

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Delegation is how the zone of the target hangs in the tree: who speaks for it by
// the word of its parent and by its own, and what each of them says.
type Delegation struct {
	Zone     world.Name // the apex of the zone that holds the target
	Parent   world.Name
	Asked    []netip.Addr // the parent's servers that answered
	AtParent []world.Name // the name servers as the parent names them
	AtZone   []world.Name // and as the zone does
	// Shared says that the parent's servers speak for the zone too and answer from
	// it: there is no second set that could differ.
	Shared bool
	// Intercepted says that somebody else answers in place of the servers asked.
	Intercepted bool
	Servers     []*NameServer // one for each address, and one for each name without
	Dropped     int           // names beyond the bound
	Err         error         // why the zone is not known, or could not be resolved

	glue map[world.Name][]netip.Addr
}

// Bounds: a zone has two to eight servers; more are of no interest, and a parent
// needs to be asked at a few of its own only.
const (
	maxNameServers   = 8
	maxParentServers = 4
	maxZoneSteps     = 12
)

// Speakers are the servers that answer for the zone with authority.
func (d *Delegation) Speakers() []*NameServer {
	var speakers []*NameServer
	for _, n := range d.Servers {
		if n.Speaks() {
			speakers = append(speakers, n)
		}
	}
	return speakers
}

// Names are the name servers by either word, in the order in which they were found.
func (d *Delegation) Names() []world.Name {
	return union(d.AtParent, d.AtZone)
}

func union(a, b []world.Name) []world.Name {
	all := slices.Clone(a)
	for _, n := range b {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// Delegation is learned by asking the servers themselves, not the resolver: a
// resolver hides what it could work around.
func (s *Subject) Delegation(ctx context.Context) *Delegation {
	return s.delegation.get(ctx, struct{}{}, s.findDelegation)
}

func (s *Subject) findDelegation(ctx context.Context) *Delegation {
	name := world.NameOf(s.Target.Domain)
	d := &Delegation{glue: map[world.Name][]netip.Addr{}}
	d.Zone, d.Err = s.zoneOf(ctx, name)
	if d.Err == nil && !s.isDelegated(ctx, d.Zone) {
		_, d.Err = s.World.Lookup(ctx, name, dns.TypeSOA)
	}
	switch {
	case d.Err == nil:
		s.askParent(ctx, d)
	case isAbsence(d.Err):
		return d
	default:
		s.findDead(ctx, d, name, world.NameOf(s.Target.Domain.Registrable()))
	}
	if d.Err == nil || len(d.AtParent) > 0 {
		s.askServers(ctx, d)
	}
	return d
}

// isDelegated reports that the zone found is the domain's and not the registry's
// above a domain that does not exist.
func (s *Subject) isDelegated(ctx context.Context, zone world.Name) bool {
	if zone.IsWithin(world.NameOf(s.Target.Domain.Registrable())) {
		return true
	}
	_, err := s.World.Lookup(ctx, world.NameOf(s.Target.Domain), dns.TypeSOA)
	return !errors.Is(err, world.ErrNoName)
}

// findDead finds the delegation of a zone that does not resolve: its parent still
// knows who should speak for it.
func (s *Subject) findDead(ctx context.Context, d *Delegation, names ...world.Name) {
	for _, name := range names {
		d.Zone = name
		if s.askParent(ctx, d); len(d.AtParent) > 0 {
			return
		}
	}
}

// zoneOf is the apex of the zone that holds a name.
func (s *Subject) zoneOf(ctx context.Context, name world.Name) (world.Name, error) {
	found := s.zones.get(ctx, name, func(ctx context.Context) foundZone {
		apex, err := s.findZone(ctx, name)
		return foundZone{apex, err}
	})
	return found.apex, found.err
}

// foundZone is where the search for the zone of a name ended.
type foundZone struct {
	apex world.Name
	err  error
}

func (s *Subject) findZone(ctx context.Context, name world.Name) (world.Name, error) {
	var err error
	for range maxZoneSteps {
		var a *world.Answer
		a, err = s.World.Lookup(ctx, name, dns.TypeSOA)
		switch {
		case err == nil && (len(a.Aliases) == 0 || isRegistrable(name)):
			return name, nil
		case errors.Is(err, world.ErrBogus):
			return s.bogusZone(ctx, name, err)
		case err != nil && !isAbsence(err):
			return "", err
		case name == world.Root:
			return "", err
		}
		name = name.Parent()
	}
	return "", err
}

// bogusZone is the zone of a name whose answers do not validate: the last link of
// its chain of trust.
func (s *Subject) bogusZone(ctx context.Context, name world.Name, err error) (world.Name, error) {
	chain, _ := s.World.Chain(ctx, name)
	if len(chain) == 0 {
		return "", err
	}
	return chain[len(chain)-1].Name, nil
}

func isRegistrable(name world.Name) bool {
	d, err := name.Domain()
	return err == nil && d == d.Registrable() && d.Labels() > 1
}

// askParent asks the servers of the zone above whom they delegate to.
func (s *Subject) askParent(ctx context.Context, d *Delegation) {
	var err error
	if d.Parent, err = s.zoneOf(ctx, d.Zone.Parent()); err != nil {
		return
	}
	names, err := s.lookupNS(ctx, d.Parent)
	if err != nil {
		return
	}
	names = names[:min(len(names), maxParentServers)]
	answers := make([]*dns.Msg, len(names))
	servers := make([]netip.Addr, len(names))
	var running sync.WaitGroup
	for i, name := range names {
		running.Go(func() {
			if servers[i] = s.addressToAsk(ctx, name); servers[i].IsValid() {
				q := world.Query{Server: servers[i], Name: d.Zone, Type: dns.TypeNS}
				answers[i], _ = s.exchange(ctx, nsPatience, q)
			}
		})
	}
	running.Wait()
	for i, m := range answers {
		if m != nil {
			d.Asked = append(d.Asked, servers[i])
			d.hear(m)
		}
	}
	if len(d.AtParent) == 0 && d.Shared {
		d.AtParent, d.AtZone = d.AtZone, nil
	}
}

// hear takes in what one server of the parent says. A referral is the parent's own
// word; an answer with authority comes from the zone itself.
func (d *Delegation) hear(m *dns.Msg) {
	switch {
	case m.Authoritative && len(m.Answer) > 0:
		d.Shared = len(d.AtParent) == 0
		d.AtZone = union(d.AtZone, serversNamed(m.Answer, d.Zone))
	case !m.Authoritative && m.RecursionAvailable && len(m.Answer) > 0:
		d.Intercepted = true
	default:
		if names := serversNamed(m.Ns, d.Zone); len(names) > 0 {
			d.AtParent, d.Shared = union(d.AtParent, names), false
			d.takeGlue(m.Extra)
		}
	}
}

func (d *Delegation) takeGlue(extra []dns.RR) {
	for _, rr := range extra {
		name, err := world.ParseName(rr.Header().Name)
		ip, ok := glueAddress(rr)
		if err == nil && ok && !slices.Contains(d.glue[name], ip) && len(d.glue) < 4*maxNameServers {
			d.glue[name] = append(d.glue[name], ip)
		}
	}
}

func glueAddress(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		return netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA.To16())
	}
	return netip.Addr{}, false
}

// serversNamed are the targets of the NS records of a zone, sorted.
func serversNamed(rrs []dns.RR, zone world.Name) []world.Name {
	var names []world.Name
	for _, rr := range rrs {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		owner, err := world.ParseName(ns.Hdr.Name)
		target, bad := world.ParseName(ns.Ns)
		if err == nil && bad == nil && owner == zone && !slices.Contains(names, target) {
			names = append(names, target)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Subject) lookupNS(ctx context.Context, zone world.Name) ([]world.Name, error) {
	a, err := s.World.Lookup(ctx, zone, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	return serversNamed(a.Records, a.Owner()), nil
}

// addressToAsk is one public address of a name server, IPv4 where there is one: not
// every machine that audits has IPv6.
func (s *Subject) addressToAsk(ctx context.Context, name world.Name) netip.Addr {
	ips, _ := world.LookupAddresses(ctx, s.World, name)
	if i := slices.IndexFunc(ips, s.World.IsPublic); i >= 0 {
		return ips[i]
	}
	return netip.Addr{}
}

// askServers asks every server of the zone: first those that the parent names, then
// those that only the zone itself does.
func (s *Subject) askServers(ctx context.Context, d *Delegation) {
	if len(d.AtParent) == 0 {
		d.AtZone, _ = s.lookupNS(ctx, d.Zone)
	}
	asked := map[world.Name]bool{}
	for range 2 {
		var names []world.Name
		for _, n := range d.Names() {
			if !asked[n] && len(asked) < maxNameServers {
				asked[n] = true
				names = append(names, n)
			}
		}
		d.Servers = append(d.Servers, s.askAll(ctx, d, names)...)
		for _, n := range d.Speakers() {
			d.AtZone = union(d.AtZone, n.NS)
		}
	}
	d.Dropped = len(d.Names()) - len(asked)
}

func (s *Subject) askAll(ctx context.Context, d *Delegation, names []world.Name) []*NameServer {
	found := make([][]*NameServer, len(names))
	var running sync.WaitGroup
	for i, name := range names {
		running.Go(func() { found[i] = s.askName(ctx, d, name) })
	}
	running.Wait()
	return slices.Concat(found...)
}

// askName asks one name server at one address of each family, at each one question
// at a time.
func (s *Subject) askName(ctx context.Context, d *Delegation, name world.Name) []*NameServer {
	v4, _, err := world.LookupA(ctx, s.World, name)
	v6, _, err6 := world.LookupAAAA(ctx, s.World, name)
	ips := append(v4, v6...)
	if len(ips) == 0 {
		ips = d.glue[name]
	}
	if len(ips) == 0 {
		if isAbsence(err) {
			err = cmp.Or(err6, err)
		}
		return []*NameServer{{Name: name, Err: err}}
	}
	var servers []*NameServer
	for _, is := range []func(netip.Addr) bool{netip.Addr.Is4, netip.Addr.Is6} {
		if i := slices.IndexFunc(ips, is); i >= 0 {
			servers = append(servers, &NameServer{Name: name, IP: ips[i], Unseen: failure(err6)})
		}
	}
	var running sync.WaitGroup
	for _, n := range servers {
		running.Go(func() { s.interview(ctx, n, d.Zone, s.Target.Domain) })
	}
	running.Wait()
	return servers
}

// failure is an error that leaves the answer open, nil for an absence.
func failure(err error) error {
	if err != nil && isAbsence(err) {
		return nil
	}
	return err
}

// interview asks one server everything that the checks want to know of it.
func (s *Subject) interview(ctx context.Context, n *NameServer, zone world.Name, d mail.Domain) {
	if !s.World.IsPublic(n.IP) {
		n.Err = errPrivateServer
		return
	}
	if s.askSOA(ctx, n, zone); n.Silent != nil {
		return
	}
	s.askForeign(ctx, n)
	if !n.Speaks() {
		return
	}
	_, n.TCP = s.exchange(ctx, nsPatience, world.Query{Server: n.IP, Name: zone, Type: dns.TypeSOA, TCP: true})
	if m, err := s.exchange(ctx, nsPatience, world.Query{Server: n.IP, Name: zone, Type: dns.TypeNS}); err == nil {
		n.NS = serversNamed(m.Answer, zone)
	}
	s.askMX(ctx, n, world.NameOf(d))
}
