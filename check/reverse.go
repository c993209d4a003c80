package check

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/allgreen-mail/allgreen/world"
)

// IPRev is the reverse DNS of an address and its way back (RFC 8601 section 3).
type IPRev struct {
	Names     []world.Name // of the PTR records, sorted
	Forward   []Forward    // where each name leads
	Confirmed []world.Name // the names that lead back to the address
	Err       error        // why there is no name, or why nobody knows whether one leads back
}

// Forward is where one PTR name leads.
type Forward struct {
	Name world.Name
	IPs  []netip.Addr
	Err  error
}

// String is the step as a line of proof.
func (f Forward) String() string {
	if f.Err != nil {
		return evidenceOf(f.Err)
	}
	return fmt.Sprintf("%s A/AAAA: %s", f.Name, joinAddresses(f.IPs))
}

// maxPTRNames bounds how many names of one address are followed, as RFC 8601
// section 3 asks.
const maxPTRNames = 10

// IPRev is the reverse DNS of an address, confirmed or not.
func (s *Subject) IPRev(ctx context.Context, ip netip.Addr) IPRev {
	return s.iprev.get(ctx, ip, func(ctx context.Context) IPRev {
		names, _, err := world.LookupPTR(ctx, s.World, ip)
		rev := IPRev{Names: names, Err: err}
		for _, name := range names[:min(len(names), maxPTRNames)] {
			rev.follow(ctx, s.World, name, ip)
		}
		if len(rev.Confirmed) > 0 {
			rev.Err = nil
		}
		return rev
	})
}

// follow looks where a name leads. That nobody could say is remembered: then the
// address is neither confirmed nor refuted.
func (r *IPRev) follow(ctx context.Context, w *world.World, name world.Name, ip netip.Addr) {
	ips, err := world.LookupAddresses(ctx, w, name)
	r.Forward = append(r.Forward, Forward{name, ips, err})
	if slices.Contains(ips, ip) {
		r.Confirmed = append(r.Confirmed, name)
	}
	if err != nil && !isAbsence(err) {
		r.Err = err
	}
}
