package mailauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/allgreen-mail/allgreen/world"
)

// maxReverseNames bounds the names of one address that are followed forward (RFC
// 7208 section 4.6.4 has the same number for ptr).
const maxReverseNames = 10

// IPRevResult is the outcome of iprev in the words of RFC 8601 section 2.7.3. The
// zero value means that there was no address to ask about.
type IPRevResult string

// The results.
const (
	IPRevPass      IPRevResult = "pass"      // a name of the address leads back to it
	IPRevFail      IPRevResult = "fail"      // the address has names, and none leads back
	IPRevTempError IPRevResult = "temperror" // a lookup failed that the answer depends on
	IPRevPermError IPRevResult = "permerror" // the address has no name
)

// ReverseName is one name of an address, followed forward.
type ReverseName struct {
	Name      world.Name
	Addresses []netip.Addr // of the family of the address asked about
	Matches   bool         // the address is among them
	Err       error        // of the forward lookup; an absence is one, too
}

// IPRev is what the reverse and forward DNS say about an address (RFC 8601
// section 3): forward-confirmed reverse DNS.
type IPRev struct {
	Result IPRevResult
	IP     netip.Addr
	Name   world.Name    // the first name, in their order, that leads back; "" without one
	Names  []ReverseName // in the order of their names; at most ten
	More   int           // names beyond those, not followed
	Reason string        // why, one sentence
	Err    error         // the failure behind a temperror, the absence behind a permerror
}

// CheckIPRev asks for the names of an address and whether one leads back to it. The
// forward lookups run side by side.
func CheckIPRev(ctx context.Context, r world.Resolver, ip netip.Addr) IPRev {
	v := IPRev{IP: ip.Unmap().WithZone("")}
	if !ip.IsValid() {
		v.Reason = "there is no client address"
		return v
	}
	names, _, err := world.LookupPTR(ctx, r, v.IP)
	switch {
	case errors.Is(err, world.ErrNotFound):
		v.Result, v.Err, v.Reason = IPRevPermError, err, fmt.Sprintf("%s has no PTR record", v.IP)
		return v
	case err != nil:
		v.Result, v.Err, v.Reason = IPRevTempError, err, err.Error()
		return v
	}
	names = slices.Compact(names)
	v.More = max(0, len(names)-maxReverseNames)
	v.follow(ctx, r, names[:len(names)-v.More])
	v.conclude()
	return v
}

// follow asks for the addresses of each name.
func (v *IPRev) follow(ctx context.Context, r world.Resolver, names []world.Name) {
	v.Names = make([]ReverseName, len(names))
	lookup := world.LookupAAAA
	if v.IP.Is4() {
		lookup = world.LookupA
	}
	var all sync.WaitGroup
	for i, name := range names {
		n := &v.Names[i]
		n.Name = name
		forward := func() {
			n.Addresses, _, n.Err = lookup(ctx, r, name)
			n.Matches = slices.Contains(n.Addresses, v.IP)
		}
		if i == len(names)-1 {
			forward() // the last or only one needs no goroutine
		} else {
			all.Go(forward)
		}
	}
	all.Wait()
}

func (v *IPRev) conclude() {
	for _, n := range v.Names {
		switch {
		case n.Matches && v.Name == "":
			v.Name = n.Name
		case n.Err != nil && !errors.Is(n.Err, world.ErrNotFound) && v.Err == nil:
			v.Err = n.Err
		}
	}
	switch {
	case v.Name != "":
		v.Result, v.Err = IPRevPass, nil
		v.Reason = fmt.Sprintf("%s is %s, and that is %s", v.IP, v.Name.Text(), v.IP)
	case v.Err != nil:
		v.Result, v.Reason = IPRevTempError, v.Err.Error()
	default:
		v.Result = IPRevFail
		v.Reason = fmt.Sprintf("%s is %s, but that is not %s", v.IP, v.Names[0].Name.Text(), v.IP)
		if len(v.Names) > 1 {
			v.Reason = fmt.Sprintf("none of the %d names of %s leads back to it", len(v.Names)+v.More, v.IP)
		}
	}
}
