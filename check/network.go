package check

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/reputation"
)

// Network is whose network an address is in.
type Network struct {
	reputation.Origin
	Names []string // of its systems, in their order; "" where the name is not known
	Err   error    // world.ErrNotFound: nobody announces the address; else why it is not known
}

// String is the network as reports name it: "AS64500 (EXAMPLE-AS), 192.0.2.0/24".
func (n Network) String() string {
	var systems []string
	for i, asn := range n.ASNs {
		system := fmt.Sprintf("AS%d", asn)
		if i < len(n.Names) && n.Names[i] != "" {
			system += " (" + n.Names[i] + ")"
		}
		systems = append(systems, system)
	}
	return strings.Join(systems, " and ") + ", " + n.Prefix.String()
}

// NetworkOf is who announces an address in the routing tables.
func (s *Subject) NetworkOf(ctx context.Context, ip netip.Addr) Network {
	return s.hosts.networks.get(ctx, s.forRun(), ip, func(ctx context.Context) Network {
		origin, err := reputation.LookupOrigin(ctx, s.World, ip)
		n := Network{Origin: origin, Err: err}
		for _, asn := range origin.ASNs {
			// The number is the fact; without the name it is still one.
			system, _ := reputation.LookupSystem(ctx, s.World, asn)
			n.Names = append(n.Names, system.Name)
		}
		return n
	})
}

// NeighboursOf is what two lists say of a sample of the addresses around one.
func (s *Subject) NeighboursOf(ctx context.Context, ip netip.Addr) reputation.Neighbourhood {
	prefix, err := ip.Prefix(24)
	if err != nil || !ip.Is4() || s.Options.Lists == nil || !s.World.IsPublic(ip) {
		return reputation.Neighbourhood{}
	}
	return s.hosts.neighbours.get(ctx, s.forRun(), prefix, func(ctx context.Context) reputation.Neighbourhood {
		return s.Options.Lists.Neighbours(ctx, s.World, ip)
	})
}
