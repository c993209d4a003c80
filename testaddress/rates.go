package testaddress

import (
	"net/netip"
	"sync"
	"time"
)

// How many addresses strangers may make in an hour: those of one network, and all.
const (
	perNetwork = 10
	perHour    = 300
)

// rates counts addresses within an hour, then begins anew: its memory is bounded by the
// number for all.
type rates struct {
	mu       sync.Mutex
	since    time.Time
	all      int
	networks map[netip.Prefix]int
}

func newRates() *rates { return &rates{networks: map[netip.Prefix]int{}} }

// take counts one and reports whether it is allowed.
func (r *rates) take(client netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.since); age < 0 || age >= time.Hour {
		r.since, r.all = now, 0
		clear(r.networks)
	}
	network := networkOf(client)
	if r.all >= perHour || r.networks[network] >= perNetwork {
		return false
	}
	r.all++
	r.networks[network]++
	return true
}

// networkOf is what one customer has: an IPv4 address, or an IPv6 /56.
func networkOf(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	if client.Is4() {
		return netip.PrefixFrom(client, client.BitLen())
	}
	p, _ := client.Prefix(56) // valid for every address of that family
	return p
}
