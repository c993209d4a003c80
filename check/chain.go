package check

import (
	"context"
	"errors"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

// errOtherName is why a certificate could not be judged: which one a server shows may
// depend on the name it is asked for.
var errOtherName = errors.New("this run asked the host for the certificate of another name")

// wasAskedFor reports whether the visit asked for the certificate of this server's
// name. Visits are shared by all targets of a run, and so by all names of a host.
func (v *Visit) wasAskedFor(server Server) bool { return v.StartTLS.ServerName == server.Name.String() }

// chainOf is the chain that the server showed on the visit, judged.
func (s *Subject) chainOf(v Server, visit *Visit) tlsprobe.Chain {
	return tlsprobe.Judge(visit.StartTLS.State.PeerCertificates, tlsprobe.Options{
		ServerName: v.Name, Roots: s.World.Roots, Now: s.World.Now(),
	})
}

// aliasEnd is the host of which an MX target is an alias; zero for a host of its own.
func aliasEnd(h *route.Exchanger) mail.Domain {
	if len(h.Aliases) == 0 {
		return mail.Domain{}
	}
	end, _ := h.Aliases[len(h.Aliases)-1].Domain()
	return end
}

// isForAlias reports that the certificate is wrong for the MX name and right for the
// host of which that is an alias. mx.target, which is red then, mends both.
func (s *Subject) isForAlias(ctx context.Context, v Server, visit *Visit) bool {
	if s.Target.Kind != Domain || visit.StartTLS.State == nil {
		return false
	}
	hosts := s.Exchangers(ctx).Hosts
	i := slices.IndexFunc(hosts, func(h route.Exchanger) bool { return h.Host == v.Name && h.Has("alias") })
	if i < 0 || s.chainOf(v, visit).NameMatches.Is != tlsprobe.No {
		return false
	}
	real := Server{IP: v.IP, Name: aliasEnd(&hosts[i])}
	chain := s.chainOf(real, visit)
	return chain.Trusted.Is == tlsprobe.Yes && chain.NameMatches.Is == tlsprobe.Yes
}

// eachChain judges the chain of each server that got as far as TLS.
func eachChain(ctx context.Context, s *Subject, judge func(Server, *Visit, tlsprobe.Chain) finding.Finding) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		switch {
		case visit.StartTLS.State == nil || len(visit.StartTLS.State.PeerCertificates) == 0:
			return finding.Finding{}
		case !visit.wasAskedFor(v):
			return finding.Finding{Code: "asked-already", Summary: v.String() + ": " + errOtherName.Error()}
		}
		return judge(v, visit, s.chainOf(v, visit))
	})
}
