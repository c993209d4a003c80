package policy

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Limits are how much one client may do. Zero fields mean the defaults of
// weights.json, which nobody honest meets; negative ones no limit.
type Limits struct {
	Connections        int `json:"connections"`         // at the same time, from one address; of IPv6 a /64 is one
	NetworkConnections int `json:"network_connections"` // from one network: IPv4 /24, IPv6 /48
	PerMinute          int `json:"per_minute"`          // new connections from one address
	Refusals           int `json:"refusals"`            // refused recipients and messages in an hour, from one address
}

// orDefaults fills in what is not set.
func (l Limits) orDefaults(d Limits) Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.Connections, d.Connections)
	set(&l.NetworkConnections, d.NetworkConnections)
	set(&l.PerMinute, d.PerMinute)
	set(&l.Refusals, d.Refusals)
	return l
}

// rates counts what clients do. Its memory is bounded: two generations of counts,
// of which the old one is dropped when the young one is full; open connections are
// carried over.
type rates struct {
	limits Limits

	mu         sync.Mutex
	young, old map[netip.Prefix]*count
}

// maxCounts bounds one generation.
const maxCounts = 1 << 15

// count is one address or network.
type count struct {
	open     int
	began    bucket
	refusals bucket
	notes    bucket
}

// bucket is a leaky bucket: what flowed in drains at an even rate.
type bucket struct {
	level float64
	at    time.Time
}

// add pours one in and reports the level before; rate is how many drain in per.
func (b *bucket) add(now time.Time, n float64, rate int, per time.Duration) float64 {
	if past := now.Sub(b.at); past > 0 { // a clock that jumps back drains nothing
		b.level = max(0, b.level-float64(rate)*past.Seconds()/per.Seconds())
		b.at = now
	}
	before := b.level
	b.level += n
	return before
}

func newRates(l Limits) *rates {
	return &rates{limits: l, young: map[netip.Prefix]*count{}, old: map[netip.Prefix]*count{}}
}

// of is the count of a prefix; the mutex is held.
func (r *rates) of(p netip.Prefix) *count {
	if c := r.young[p]; c != nil {
		return c
	}
	c := r.old[p]
	if c == nil {
		c = &count{}
	}
	if len(r.young) >= maxCounts {
		r.turn()
	}
	r.young[p] = c
	return c
}

// turn makes the young generation the old one. Counts with open connections stay,
// or they would be forgotten while they last.
func (r *rates) turn() {
	next := map[netip.Prefix]*count{}
	for _, generation := range []map[netip.Prefix]*count{r.old, r.young} {
		for p, c := range generation {
			if c.open > 0 {
				next[p] = c
			}
		}
	}
	r.old, r.young = r.young, next
}

// network is the network of an address, for those who remember it by that.
func network(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	p, _ := ip.Prefix(bits) // valid for every address of that family
	return p
}

// single is what one client has for sure: an IPv4 address, and of IPv6 the /64 that every
// customer gets and may take a new address from for every connection.
func single(ip netip.Addr) netip.Prefix {
	if ip.Is4() {
		return netip.PrefixFrom(ip, ip.BitLen())
	}
	return network(ip)
}

// around is what one client may have.
func around(ip netip.Addr) netip.Prefix {
	if ip.Is4() {
		return network(ip)
	}
	p, _ := ip.Prefix(48) // valid for every address of that family
	return p
}

// enter counts a connection, or says what speaks against it.
func (r *rates) enter(ip netip.Addr, now time.Time) (against string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, all := r.of(single(ip)), r.of(around(ip))
	switch l := r.limits; {
	case l.Connections > 0 && one.open >= l.Connections:
		return fmt.Sprintf("%d connections from %s", one.open, ip)
	case l.NetworkConnections > 0 && all.open >= l.NetworkConnections:
		return fmt.Sprintf("%d connections from %s", all.open, around(ip))
	case l.PerMinute > 0 && one.began.add(now, 0, l.PerMinute, time.Minute) > float64(l.PerMinute-1):
		return fmt.Sprintf("more than %d new connections a minute from %s", l.PerMinute, ip)
	}
	one.began.add(now, 1, r.limits.PerMinute, time.Minute)
	one.open++
	all.open++
	return ""
}

// leave is the end of a connection that entered.
func (r *rates) leave(ip netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(single(ip)).open--
	r.of(around(ip)).open--
}

// blame counts a refusal.
func (r *rates) blame(ip netip.Addr, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(single(ip)).refusals.add(now, 1, r.limits.Refusals, time.Hour)
}

// blamed reports too many refusals.
func (r *rates) blamed(ip netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := r.limits.Refusals
	return limit > 0 && r.of(single(ip)).refusals.add(now, 0, limit, time.Hour) > float64(limit-1)
}

// maxNotes is how many refusals of one client in an hour are worth a row each in the
// journal: who knocks a thousand times a minute must not fill the disk.
const maxNotes = 600

// mayNote counts a row.
func (r *rates) mayNote(ip netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	notes := &r.of(single(ip)).notes
	if notes.add(now, 0, maxNotes, time.Hour) > maxNotes-1 {
		return false
	}
	notes.add(now, 1, maxNotes, time.Hour)
	return true
}

// Crowd limits the connections of clients for listeners that ask no chain, such as those
// for logins. It is safe for concurrent use.
type Crowd struct{ rates *rates }

// NewCrowd makes one with these limits; refusals do not count here. Zero limits mean the
// defaults of weights.json.
func NewCrowd(l Limits) *Crowd { return &Crowd{newRates(l.orDefaults(loadWeights().Limits))} }

// Enter counts a connection, or says what speaks against it. Clients on this machine are
// not counted. Who has entered must Leave.
func (c *Crowd) Enter(ip netip.Addr, now time.Time) (against string) {
	if ip = plain(ip); isNear(ip) {
		return ""
	}
	return c.rates.enter(ip, now)
}

// Leave is the end of a connection that entered.
func (c *Crowd) Leave(ip netip.Addr) {
	if ip = plain(ip); !isNear(ip) {
		c.rates.leave(ip)
	}
}

// MayNote reports whether another refusal of this client in this hour is worth a row in
// the journal.
func (c *Crowd) MayNote(ip netip.Addr, now time.Time) bool { return c.rates.mayNote(plain(ip), now) }

// plain is an address as it is counted: an IPv4 address as such, and nothing of this
// machine's interfaces.
func plain(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// crowd limits connections. It is the one stage that answers at connect: there is
// no room to hear whose mail it would be.
type crowd struct{ rates *rates }

// Name is "crowd".
func (*crowd) Name() string { return "crowd" }

// Decide counts the connection.
func (c *crowd) Decide(_ context.Context, s *Session) Verdict {
	if s.counted || isNear(s.IP) {
		return Verdict{}
	}
	if against := c.rates.enter(s.IP, s.Now); against != "" {
		return postpone(421, laterPolicy, "rate.connections", "too many connections from your address").with(against)
	}
	s.counted = true
	return Verdict{}
}

// isNear finds clients on this machine. Behind a proxy everybody seems to come
// from here, and one limit for all would be a way to shut everybody out.
func isNear(ip netip.Addr) bool { return !ip.IsValid() || ip.IsLoopback() }

// patience ends where an address was refused too often: who guesses mailboxes gets
// no answers.
type patience struct{ rates *rates }

// Name is "patience".
func (*patience) Name() string { return "patience" }

// Decide looks at the refusals of the last hour.
func (p *patience) Decide(_ context.Context, s *Session) Verdict {
	if isNear(s.IP) || !p.rates.blamed(s.IP, s.Now) {
		return Verdict{}
	}
	return postpone(450, mail.EnhancedCode{Class: 4, Subject: 7, Detail: 1}, "rate.refusals", "too many refusals; come back later")
}
