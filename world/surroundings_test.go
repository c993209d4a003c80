package world

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseRoutes(t *testing.T) {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], binary.BigEndian.Uint32([]byte{192, 168, 1, 1}))
	route4 := "Iface\tDestination\tGateway \tFlags\neth0\t00000000\t" + fmt.Sprintf("%X", b[:]) + "\t0003\neth0\t0001A8C0\t00000000\t0001\n"
	route6 := "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n" +
		"fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\nrubbish\n"
	for _, tt := range []struct {
		text string
		read func([]string) (netip.Addr, bool)
		want string
	}{{route4, gateway4, "192.168.1.1"}, {route6, gateway6, "fe80::1"}} {
		got, err := parseRoutes(strings.NewReader(tt.text), tt.read)
		if err != nil || !slices.Equal(got, []netip.Addr{netip.MustParseAddr(tt.want)}) {
			t.Errorf("gateways %v, %v; want %s", got, err, tt.want)
		}
	}
}

func TestSurroundings(t *testing.T) {
	own, _, err := (&World{Network: Machine()}).Surroundings()
	if err != nil || !slices.Contains(own, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("own addresses %v, %v", own, err)
	}
	made := &World{Network: Machine(), Map: Map{Ports: map[uint16]uint16{25: 2525}}}
	if own, gateways, err := made.Surroundings(); err != nil || len(own)+len(gateways) > 0 {
		t.Errorf("a made world has %v, %v, %v", own, gateways, err)
	}
}

func TestIsElsewhere(t *testing.T) {
	w := &World{Network: Machine()}
	for ip, want := range map[string]bool{"127.0.0.1": false, "192.0.2.7": true} {
		if got := w.IsElsewhere(t.Context(), netip.MustParseAddr(ip)); got != want {
			t.Errorf("IsElsewhere(%s) = %t", ip, got)
		}
	}
	if None().IsElsewhere(t.Context(), netip.MustParseAddr("192.0.2.7")) {
		t.Error("what could not be seen is taken for an absence")
	}
}

func TestIsSame(t *testing.T) {
	w := &World{Map: Map{Nets: []NetMap{{From: netip.MustParsePrefix("2001:db8::/96")}}}}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"2001:db8::7f0b:a", "127.11.0.10", true},
		{"127.11.0.10", "::ffff:127.11.0.10", true},
		{"2001:db8::7f0b:a", "127.11.0.11", false},
		{"2001:db8:1::7f0b:a", "127.11.0.10", false},
	} {
		if got := w.IsSame(netip.MustParseAddr(tt.a), netip.MustParseAddr(tt.b)); got != tt.want {
			t.Errorf("IsSame(%s, %s) = %t", tt.a, tt.b, got)
		}
	}
}
