package check

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/world"
)

// IPRev is the reverse DNS of an address, confirmed or not.
func (s *Subject) IPRev(ctx context.Context, ip netip.Addr) mailauth.IPRev {
	if r := s.Options.Results; r != nil && s.Target.Kind == Message && r.IPRev.Result != "" && r.Envelope.IP == ip {
		return r.IPRev
	}
	return s.iprev.get(ctx, ip, func(ctx context.Context) mailauth.IPRev {
		return mailauth.CheckIPRev(ctx, s.World, ip)
	})
}

// reverseNames are the names of an address as its PTR records give them.
func (s *Subject) reverseNames(ctx context.Context, ip netip.Addr) []world.Name {
	var names []world.Name
	for _, n := range s.IPRev(ctx, ip).Names {
		names = append(names, n.Name)
	}
	return names
}

// confirmedNames are the PTR names of an address that lead back to it and are host
// names.
func (s *Subject) confirmedNames(ctx context.Context, ip netip.Addr) []mail.Domain {
	var names []mail.Domain
	for _, n := range s.IPRev(ctx, ip).Names {
		if d, err := n.Name.Domain(); err == nil && n.Matches {
			names = append(names, d)
		}
	}
	return names
}

// addressesLike are the addresses of a name in the family of the given one; those
// of the other family when there are none. That the other family answers says
// nothing while this one does not.
func (s *Subject) addressesLike(ctx context.Context, d mail.Domain, ip netip.Addr) ([]netip.Addr, error) {
	lookup := world.LookupAAAA
	if ip.Is4() {
		lookup = world.LookupA
	}
	ips, _, err := lookup(ctx, s.World, world.NameOf(d))
	if isAbsence(err) {
		return world.LookupHost(ctx, s.World, d)
	}
	return ips, err
}

// forwardEvidence is where a PTR name leads, as a line of proof.
func forwardEvidence(n mailauth.ReverseName) string {
	if n.Err != nil {
		return evidenceOf(n.Err)
	}
	return fmt.Sprintf("%s A/AAAA: %s", n.Name, joinAddresses(n.Addresses))
}

func joinNames(names []world.Name) string {
	var texts []string
	for _, n := range names {
		texts = append(texts, n.Text())
	}
	return strings.Join(texts, ", ")
}
