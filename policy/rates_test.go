package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	a, b, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.1")
	r := newRates(Limits{Connections: 2, NetworkConnections: 3, PerMinute: 60, Refusals: 2})
	enter := func(ip netip.Addr, want bool) {
		t.Helper()
		if against := r.enter(ip, now); (against == "") != want {
			t.Errorf("enter(%s) = %q, want %v", ip, against, want)
		}
	}
	enter(a, true)
	enter(a, true)
	enter(a, false) // of one address
	enter(b, true)
	enter(b, false) // of the network
	enter(far, true)
	r.leave(a)
	enter(b, true)
	for range 10 {
		r.turn() // open connections are never forgotten
	}
	enter(b, false)

	for range 2 {
		r.blame(far, now)
	}
	if !r.blamed(far, now) || r.blamed(far, now.Add(time.Hour)) || r.blamed(a, now) {
		t.Error("two refusals an hour are the limit")
	}
}

// TestRatesOfIPv6: who takes another address of its /64 for every connection is the same
// client, and counts once in each of its counts.
func TestRatesOfIPv6(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := newRates(Limits{Connections: 2, NetworkConnections: 3, Refusals: 2})
	for i, want := range []bool{true, true, false} {
		if against := r.enter(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), now); (against == "") != want {
			t.Errorf("connection %d: %q", i, against)
		}
	}
	next, third := netip.MustParseAddr("2001:db8:0:1::1"), netip.MustParseAddr("2001:db8:0:2::1")
	if r.enter(next, now) != "" || r.enter(third, now) == "" {
		t.Error("a /48 has three connections")
	}
	r.leave(next)
	if r.enter(third, now) != "" {
		t.Error("who has left still counts")
	}
	for i := range 2 {
		r.blame(netip.MustParseAddr(fmt.Sprintf("2001:db8::a%x", i)), now)
	}
	if !r.blamed(netip.MustParseAddr("2001:db8::b"), now) || r.blamed(next, now) {
		t.Error("refusals count for the /64")
	}
}

// TestCrowd: other listeners limit connections alike, and nobody on this machine.
func TestCrowd(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	c := NewCrowd(Limits{Connections: 1})
	a, mapped := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1")
	if c.Enter(a, now) != "" || c.Enter(mapped, now) == "" {
		t.Error("one connection is the limit")
	}
	c.Leave(mapped)
	if c.Enter(a, now) != "" {
		t.Error("who has left still counts")
	}
	for range 1000 {
		if c.Enter(netip.MustParseAddr("127.0.0.1"), now) != "" {
			t.Fatal("this machine is limited")
		}
	}
	if d := NewCrowd(Limits{}).rates.limits; d.Connections <= 0 || d.NetworkConnections <= 0 || d.PerMinute <= 0 {
		t.Errorf("no limits by default: %+v", d)
	}
}

func TestNotesAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := newRates(Limits{})
	kept := 0
	for range 100_000 {
		if r.mayNote(netip.MustParseAddr("192.0.2.1"), now) {
			kept++
		}
	}
	if kept != maxNotes || !r.mayNote(netip.MustParseAddr("192.0.2.2"), now) || !r.mayNote(netip.Addr{}, now) {
		t.Errorf("%d rows of one client", kept)
	}
	if !r.mayNote(netip.MustParseAddr("192.0.2.1"), now.Add(time.Minute)) {
		t.Error("never again")
	}
}

func TestRatesDrain(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ip := netip.MustParseAddr("2001:db8::1")
	r := newRates(Limits{PerMinute: 6})
	visit := func() bool {
		ok := r.enter(ip, now) == ""
		if ok {
			r.leave(ip)
		}
		return ok
	}
	for range 6 {
		if !visit() {
			t.Fatal("refused within the limit")
		}
	}
	if visit() {
		t.Error("the seventh in a minute is let in")
	}
	now = now.Add(11 * time.Second)
	if !visit() || visit() {
		t.Error("one drains in ten seconds")
	}
	now = now.Add(-time.Hour)
	if visit() {
		t.Error("a clock that jumps back opens the door")
	}
}

func TestRatesAreBounded(t *testing.T) {
	r := newRates(Limits{Connections: 10})
	now := time.Now()
	for i := range 4 * maxCounts {
		ip := netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff))
		if r.enter(ip, now) != "" {
			t.Fatal("refused")
		}
		r.leave(ip)
	}
	if n := len(r.young) + len(r.old); n > 2*maxCounts {
		t.Errorf("%d counts", n)
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.77": "192.0.2.0/24", "2001:db8:1:2:3::4": "2001:db8:1:2::/64"} {
		if got := network(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("network(%s) = %s, want %s", in, got, want)
		}
	}
}
