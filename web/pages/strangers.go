package pages

import (
	"net/netip"
	"sync"
	"time"
)

// What strangers may have: so many at first, and then one each pause, for each network.
const (
	strangerBurst = 5
	strangerPause = 2 * time.Minute
	maxStrangers  = 10_000 // networks that are remembered
)

// strangers bounds what each network may ask for. The zero value is ready.
type strangers struct {
	mu   sync.Mutex
	seen map[netip.Prefix]allowance
}

// allowance is how much a network has left, and since when.
type allowance struct {
	left float64
	at   time.Time
}

// take reports whether this address may have one more, and counts it.
func (s *strangers) take(from netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	network := networkOf(from)
	a, known := s.seen[network]
	if !known {
		a = allowance{left: strangerBurst}
		s.makeRoom(now)
	}
	if known {
		a.left = min(strangerBurst, a.left+float64(now.Sub(a.at))/float64(strangerPause))
	}
	a.at = now
	ok := a.left >= 1
	if ok {
		a.left--
	}
	s.seen[network] = a
	return ok
}

// makeRoom forgets those who have their full allowance again, and when that is not
// enough everybody: then a flood costs the server no memory.
func (s *strangers) makeRoom(now time.Time) {
	if s.seen != nil && len(s.seen) < maxStrangers {
		return
	}
	for network, a := range s.seen {
		if now.Sub(a.at) > strangerBurst*strangerPause {
			delete(s.seen, network)
		}
	}
	if s.seen == nil || len(s.seen) >= maxStrangers {
		s.seen = map[netip.Prefix]allowance{}
	}
}

// networkOf is who is counted as one: a /24 of IPv4, a /56 of IPv6, as customers get them.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 56
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // nobody's: all of them share one
	}
	return p
}
