package world

import (
	"errors"
	"net/netip"
	"testing"
)

func TestMap(t *testing.T) {
	m := Map{Ports: map[uint16]uint16{25: 2525}, Nets: []NetMap{{netip.MustParsePrefix("2001:db8::/96")}}}
	for in, want := range map[string]string{
		"[2001:db8::7f0a:19]:25": "127.10.0.25:2525",
		"[2001:db9::7f0a:19]:25": "[2001:db9::7f0a:19]:2525",
		"127.10.0.25:25":         "127.10.0.25:2525",
		"127.10.0.25:587":        "127.10.0.25:587",
	} {
		if got := m.Socket(netip.MustParseAddrPort(in)); got.String() != want {
			t.Errorf("%s lies at %s, want %s", in, got, want)
		}
		if got := (Map{}).Socket(netip.MustParseAddrPort(in)); got.String() != in {
			t.Errorf("the zero Map moves %s to %s", in, got)
		}
	}
}

func TestIsPublic(t *testing.T) {
	made := &World{Map: Map{Public: []netip.Prefix{netip.MustParsePrefix("127.10.0.0/16"), netip.MustParsePrefix("2001:db8::/96")}}}
	for _, test := range []struct {
		ip         string
		real, made bool
	}{
		{"8.8.8.8", true, true},
		{"2a00:1450::1", true, true},
		{"::ffff:8.8.8.8", true, true},
		{"127.10.0.25", false, true},
		{"127.11.0.25", false, false},
		{"2001:db8::7f0a:19", false, true},
		{"10.0.0.1", false, false},
		{"172.16.0.1", false, false},
		{"192.168.1.1", false, false},
		{"::ffff:10.0.0.1", false, false},
		{"100.64.0.1", false, false},
		{"169.254.0.1", false, false},
		{"192.0.2.1", false, false},
		{"198.18.0.1", false, false},
		{"224.0.0.1", false, false},
		{"255.255.255.255", false, false},
		{"0.0.0.0", false, false},
		{"::1", false, false},
		{"fe80::1", false, false},
		{"fd00::1", false, false},
		{"2002::1", false, false},
		{"ff02::1", false, false},
	} {
		ip := netip.MustParseAddr(test.ip)
		if got := None().IsPublic(ip); got != test.real {
			t.Errorf("%s public: %v", ip, got)
		}
		if got := made.IsPublic(ip); got != test.made {
			t.Errorf("%s public in the made world: %v", ip, got)
		}
	}
	if !(&World{Map: Map{Nets: []NetMap{{netip.MustParsePrefix("2001:db8::/96")}}}}).IsLoopback(netip.MustParseAddr("2001:db8::7f0a:19")) {
		t.Error("what lies on loopback is not said to")
	}
}

func TestNone(t *testing.T) {
	w := None()
	at := netip.MustParseAddrPort("192.0.2.1:25")
	if _, err := w.Lookup(t.Context(), "a.test.", 1); !errors.Is(err, ErrNoWorld) {
		t.Error(err)
	}
	if _, err := w.Exchange(t.Context(), Query{Name: "a.test."}); !errors.Is(err, ErrNoWorld) {
		t.Error(err)
	}
	if _, err := w.Chain(t.Context(), "a.test."); !errors.Is(err, ErrNoWorld) {
		t.Error(err)
	}
	if _, err := w.Dial(t.Context(), at); !errors.Is(err, ErrNoWorld) {
		t.Error(err)
	}
	if _, err := w.Listen(t.Context(), at); !errors.Is(err, ErrNoWorld) {
		t.Error(err)
	}
	if w.Now().IsZero() {
		t.Error("it has no time")
	}
}
