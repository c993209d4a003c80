package reputation

import (
	"context"
	"net/netip"

	"github.com/allgreen-mail/allgreen/world"
)

// neighbourLists are the two lists asked about neighbours: those that list single
// addresses, and that receivers act on.
var neighbourLists = []string{"spamhaus-zen", "spamcop"}

// neighbours is how many addresses of a /24 are sampled.
const neighbours = 16

// Neighbourhood is a sample of the addresses around one's own. The zero value has
// seen nothing.
type Neighbourhood struct {
	Prefix  netip.Prefix
	Asked   int          // addresses about which at least one list gave an answer
	Listed  []netip.Addr // of those, the ones listed for something bad; policy does not count
	Refused []Answer     // the first answer of each list that did not answer
}

// Share is the listed part of those asked, from 0 to 1.
func (n Neighbourhood) Share() float64 {
	if n.Asked == 0 {
		return 0
	}
	return float64(len(n.Listed)) / float64(n.Asked)
}

// Neighbours asks two lists about sixteen addresses of the own /24, one after the
// other, and stops asking a list that does not answer. IPv6 has no neighbourhood
// worth a sample: the zero value comes back.
func (d *Directory) Neighbours(ctx context.Context, r world.Resolver, ip netip.Addr) Neighbourhood {
	ip = ip.Unmap()
	prefix, err := ip.Prefix(24)
	if err != nil || !ip.Is4() {
		return Neighbourhood{}
	}
	n := Neighbourhood{Prefix: prefix}
	seen := make(map[netip.Addr]bool) // asked -> listed
	sample := sampleOf(ip)
	for _, id := range neighbourLists {
		l := d.List(id)
		if l == nil {
			continue
		}
		for _, other := range sample {
			a := d.ask(ctx, r, question{list: l, labels: world.ReverseLabels(other), subject: other.String(), brief: true})
			if a.Result == Unknown {
				n.Refused = append(n.Refused, a)
				break
			}
			seen[other] = seen[other] || a.Result == Listed && !a.IsPolicy()
		}
	}
	for _, other := range sample {
		listed, asked := seen[other]
		if asked {
			n.Asked++
		}
		if listed {
			n.Listed = append(n.Listed, other)
		}
	}
	return n
}

// sampleOf spreads the sample evenly over the /24, without the address itself and
// without the first and last, which are seldom hosts.
func sampleOf(ip netip.Addr) []netip.Addr {
	own := ip.As4()
	var sample []netip.Addr
	for i := 0; len(sample) < neighbours; i++ {
		other := own
		other[3] = byte(int(own[3]) + 15 + i*15)
		if other[3] != 0 && other[3] != 255 && other != own {
			sample = append(sample, netip.AddrFrom4(other))
		}
	}
	return sample
}
