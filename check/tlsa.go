package check

import (
	"context"
	"crypto/x509"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

// HostTLSA is the TLSA records of one host that takes mail, and what must hold before
// they bind a sender.
type HostTLSA struct {
	Host      route.Exchanger
	Set       route.TLSASet
	Names     []mail.Domain // what a certificate under a DANE-TA record may be for
	Addresses world.Security
	MX        world.Security // of the answer that named the host; Secure where none was needed
}

// Binds reports whether senders that do DANE go by the records (RFC 7672 section 2.2).
func (t *HostTLSA) Binds() bool {
	return t.Set.Binding() && t.Addresses == world.Secure && t.MX == world.Secure
}

// TLSA is the TLSA records of each host that takes mail for the target.
func (s *Subject) TLSA(ctx context.Context) []HostTLSA {
	var all []HostTLSA
	x := s.Exchangers(ctx)
	if s.Target.Kind == Host {
		x = hostAlone(ctx, s)
	}
	for i := range x.Hosts {
		h := &x.Hosts[i]
		if h.Host.IsZero() || h.Err() != nil {
			continue // mx.target and mx.address say so
		}
		all = append(all, s.tlsa.get(ctx, h.Name, func(ctx context.Context) HostTLSA {
			t := HostTLSA{Host: *h, Addresses: h.Security, MX: x.Security}
			t.Set, t.Names = route.LookupHostTLSA(ctx, s.World, h)
			t.Names = append(t.Names, x.Domain) // RFC 7672 section 3.2.2: the next-hop domain too
			return t
		}))
	}
	return all
}

// hostAlone is a host that was named by a person, as if an MX record named it.
func hostAlone(ctx context.Context, s *Subject) route.Exchangers {
	x := route.Exchangers{Domain: s.Target.Domain, Kind: route.Implicit, Security: world.Secure}
	x.Hosts = []route.Exchanger{route.LookupExchanger(ctx, s.World, s.Target.Domain)}
	return x
}

// tlsaOf is the TLSA records of one of the target's hosts.
func (s *Subject) tlsaOf(ctx context.Context, host mail.Domain) (HostTLSA, bool) {
	if s.Target.Kind != Domain && s.Target.Kind != Host {
		return HostTLSA{}, false
	}
	for _, t := range s.TLSA(ctx) {
		if t.Host.Host == host {
			return t, true
		}
	}
	return HostTLSA{}, false
}

// isVouchedFor reports whether a DANE-EE record vouches for the certificate: names,
// dates and issuers do not matter then (RFC 7672 section 3.1.1).
func (s *Subject) isVouchedFor(ctx context.Context, v Server, chain []*x509.Certificate) bool {
	t, ok := s.tlsaOf(ctx, v.Name)
	if !ok || !t.Binds() {
		return false
	}
	match, err := t.Set.Match(chain, t.Names, s.World.Now())
	return err == nil && match.Record.Usage == route.DANEEE
}
