package check

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

// Subject is one target under judgement, and what has been learned about it. Each
// fact is learned once, by the first check that asks for it.
type Subject struct {
	Target   Target
	World    *world.World
	Options  Options
	hosts    *hosts
	arrivals *arrivals

	exchangers memo[mail.Domain, route.Exchangers]
	spf        memo[mail.Domain, spf.Fetched]
	trees      memo[mail.Domain, *spf.Tree]
	dmarc      memo[mail.Domain, dmarc.Discovery]
	iprev      memo[netip.Addr, mailauth.IPRev]
	selectors  memo[struct{}, Selectors]
	sts        memo[struct{}, route.STS]
	tlsrpt     memo[struct{}, route.TLSRPT]
	tlsa       memo[world.Name, HostTLSA]
	sending    memo[struct{}, []SendingAddress]
	wayOut     memo[struct{}, WayOut]
	servers    memo[struct{}, []Server]
	visits     memo[visitKey, *Visit]
	scans      memo[netip.Addr, *Scan]
	services   memo[Service, *ServiceVisit]
	bimi       bimiFacts

	sample         memo[struct{}, *Sample]
	handover       memo[struct{}, *Handover]
	authentication memo[struct{}, *mailauth.Results]
	zones          memo[world.Name, foundZone]
	delegation     memo[struct{}, *Delegation]
	contacts       memo[struct{}, []Contact]
	label          memo[struct{}, string]
}

func newSubject(ctx context.Context, a *Audit, t Target) *Subject {
	s := &Subject{Target: t, World: a.World, Options: a.Options, hosts: &a.hosts, arrivals: &a.arrivals}
	if t.Kind == 0 {
		s.Target.Kind = s.findKind(ctx)
	}
	return s
}

// findKind decides what a bare name is: a domain when it says how its mail goes or
// is a registered name, a host when it only has addresses.
func (s *Subject) findKind(ctx context.Context) Scope {
	d := s.Target.Domain
	if d == d.Registrable() {
		return Domain
	}
	switch x := s.Exchangers(ctx); {
	case x.Kind == route.Implicit:
		return Host
	default:
		return Domain
	}
}

// String is the target as reports name it.
func (s *Subject) String() string {
	switch s.Target.Kind {
	case Domain, Host:
		return s.Target.Domain.String()
	case Address:
		return s.Target.IP.String()
	case Message:
		return "message"
	}
	return "this machine"
}

// Domain is the audited domain or host; zero for other targets.
func (s *Subject) Domain() mail.Domain { return s.Target.Domain }

// mailDomain is the domain whose recipients may be asked about; zero when the
// target is no mail domain.
func (s *Subject) mailDomain() mail.Domain {
	if s.Target.Kind == Domain {
		return s.Target.Domain
	}
	return mail.Domain{}
}

// Exchangers is who takes mail for the audited domain.
func (s *Subject) Exchangers(ctx context.Context) route.Exchangers {
	return s.ExchangersOf(ctx, s.Target.Domain)
}

// ExchangersOf is who takes mail for any domain: for report addresses, RNAMEs and
// the like.
func (s *Subject) ExchangersOf(ctx context.Context, d mail.Domain) route.Exchangers {
	return s.exchangers.get(ctx, d, func(ctx context.Context) route.Exchangers {
		return route.LookupExchangers(ctx, s.World, d)
	})
}

// SPFOf is what a domain publishes as SPF.
func (s *Subject) SPFOf(ctx context.Context, d mail.Domain) spf.Fetched {
	return s.spf.get(ctx, d, func(ctx context.Context) spf.Fetched {
		return spf.Fetch(ctx, s.World, world.NameOf(d))
	})
}

// SPFTree is the SPF record of a domain with everything it includes.
func (s *Subject) SPFTree(ctx context.Context, d mail.Domain) *spf.Tree {
	return s.trees.get(ctx, d, func(ctx context.Context) *spf.Tree {
		return spf.Expand(ctx, s.World, d, spf.Bounds{})
	})
}

// DMARCOf is the DMARC policy found for a domain, and every step to it.
func (s *Subject) DMARCOf(ctx context.Context, d mail.Domain) dmarc.Discovery {
	return s.dmarc.get(ctx, d, func(ctx context.Context) dmarc.Discovery {
		return dmarc.Discover(ctx, s.World, d)
	})
}

// Server is one address on which a host takes mail.
type Server struct {
	IP         netip.Addr
	Name       mail.Domain // the MX or host name; zero for a bare address
	Preference uint16
}

// String is the server as reports name it: "mx.example.com (192.0.2.1)".
func (v Server) String() string {
	if v.Name.IsZero() {
		return v.IP.String()
	}
	return v.Name.String() + " (" + v.IP.String() + ")"
}

// maxServers bounds how many addresses of a domain are visited: best MX first.
const maxServers = 12

// Servers are the addresses where mail for the target is taken, best first: one of
// each family per MX host, bounded. Private addresses are left out; mx.public
// reports them.
func (s *Subject) Servers(ctx context.Context) []Server {
	return s.servers.get(ctx, struct{}{}, s.findServers)
}

func (s *Subject) findServers(ctx context.Context) []Server {
	switch s.Target.Kind {
	case Address:
		return []Server{{IP: s.Target.IP}}
	case Host:
		return s.hostServers(ctx)
	case Domain:
		return s.mxServers(ctx)
	}
	return nil
}

func (s *Subject) hostServers(ctx context.Context) []Server {
	ips, err := world.LookupHost(ctx, s.World, s.Target.Domain)
	if err != nil {
		return nil
	}
	var servers []Server
	for _, ip := range ips[:min(len(ips), maxServers)] {
		servers = append(servers, Server{IP: ip, Name: s.Target.Domain})
	}
	return servers
}

func (s *Subject) mxServers(ctx context.Context) []Server {
	var servers []Server
	for _, x := range s.Exchangers(ctx).Hosts {
		for _, family := range [][]netip.Addr{x.V4, x.V6} {
			i := slices.IndexFunc(family, s.World.IsPublic)
			if i < 0 || len(servers) == maxServers {
				continue
			}
			servers = append(servers, Server{family[i], x.Host, x.Preference})
		}
	}
	return servers
}

// nameOf is the host name under which an address takes mail, for SNI; "" when it
// has none.
func (s *Subject) nameOf(ctx context.Context, ip netip.Addr) string {
	for _, v := range s.Servers(ctx) {
		if v.IP == ip && !v.Name.IsZero() {
			return v.Name.String()
		}
	}
	return ""
}

// SendingAddress is an address that sends the domain's mail, and how we know.
type SendingAddress struct {
	IP     netip.Addr
	Source string // "--ip", "spf", "mx", "target", "message"
	Detail string // the SPF term or MX host it comes from
}

// maxSending bounds how many sending addresses are judged, and widest how large a
// range of an SPF term may be for its addresses to count as the domain's own.
const (
	maxSending = 16
	widest     = 4
)

// Addresses are the addresses that send the target's mail: the given ones, those
// that the domain's own SPF terms name singly, and those of its MX hosts.
func (s *Subject) Addresses(ctx context.Context) []SendingAddress {
	return s.sending.get(ctx, struct{}{}, s.findAddresses)
}

func (s *Subject) findAddresses(ctx context.Context) []SendingAddress {
	var found []SendingAddress
	add := func(ip netip.Addr, source, detail string) {
		known := slices.ContainsFunc(found, func(a SendingAddress) bool { return a.IP == ip })
		if !known && len(found) < maxSending {
			found = append(found, SendingAddress{ip, source, detail})
		}
	}
	if s.Target.Kind == Message {
		if client := s.Handover(ctx); client.IP.IsValid() {
			add(client.IP, "message", client.Trust())
		}
		return found
	}
	for _, ip := range s.Options.IPs {
		add(ip.Unmap(), "--ip", "")
	}
	switch s.Target.Kind {
	case Address:
		add(s.Target.IP, "target", "")
	case Host:
		for _, v := range s.Servers(ctx) {
			add(v.IP, "target", v.Name.String())
		}
	case Domain:
		s.addFromSPF(ctx, add)
		for _, v := range s.Servers(ctx) {
			add(v.IP, "mx", v.Name.String())
		}
	}
	return found
}

// addressesErr is why addresses may be missing from Addresses: a lookup that failed
// for now. It is nil when all of them are known.
func (s *Subject) addressesErr(ctx context.Context) error {
	for _, u := range s.Unvisited(ctx) {
		if u.isOpen() && u.Err != errBeyond {
			return u.Err
		}
	}
	if s.Target.Kind != Domain {
		return nil
	}
	for _, err := range []error{s.Exchangers(ctx).Err, s.SPFOf(ctx, s.Target.Domain).Err} {
		if err != nil && !isAbsence(err) {
			return err
		}
	}
	return nil
}

// addFromSPF adds the addresses that the domain's own terms name; what it includes
// belongs to others, who answer for themselves.
func (s *Subject) addFromSPF(ctx context.Context, add func(netip.Addr, string, string)) {
	for _, p := range s.SPFTree(ctx, s.Target.Domain).Authorized {
		if len(p.Via) > 0 || p.Prefix.Addr().BitLen()-p.Prefix.Bits() > widest/2 {
			continue
		}
		for ip := p.Prefix.Masked().Addr(); p.Prefix.Contains(ip); ip = ip.Next() {
			if s.World.IsPublic(ip) {
				add(ip, "spf", p.Term)
			}
		}
	}
}

// sendsNothing reports whether the domain says that it has nothing to do with mail:
// by an SPF record that authorises nobody, or, without one, by a null MX. The error
// is why nobody knows.
func (s *Subject) sendsNothing(ctx context.Context) (bool, error) {
	got := s.SPFOf(ctx, s.Target.Domain)
	switch r := got.Record; {
	case r != nil:
		return len(r.Terms) == 1 && r.Terms[0].Kind == spf.All && r.Terms[0].Qualifier.Result() == spf.Fail, nil
	case got.Err != nil && !isAbsence(got.Err):
		return false, got.Err
	}
	x := s.Exchangers(ctx)
	if x.Kind == route.Unknown {
		return false, x.Err
	}
	return x.Kind == route.Null, nil
}

// takesMail tells whether mail can go to a domain: nil, an absence, or why nobody
// knows.
func (s *Subject) takesMail(ctx context.Context, d mail.Domain) error {
	x := s.ExchangersOf(ctx, d)
	switch x.Kind {
	case route.ByMX:
		for i := range x.Hosts {
			if err := x.Hosts[i].Err(); err == nil || !errors.Is(err, world.ErrNotFound) {
				return err
			}
		}
		return errNoExchanger
	case route.Implicit:
		return nil
	case route.Null:
		return errTakesNone
	}
	return x.Err
}

var (
	errNoExchanger = errors.New("none of its MX hosts has an address")
	errTakesNone   = errors.New("it declares with a null MX that it takes no mail")
)
