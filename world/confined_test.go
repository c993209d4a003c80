package world

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

// never is a network that must not be called.
type never struct{ t *testing.T }

func (n never) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	n.t.Errorf("%s was dialed", address)
	return nil, errors.New("dialed")
}

func (n never) Listen(context.Context, string, string) (net.Listener, error) { return nil, nil }

// A made world lies on loopback: no address in it leads to a real host.
func TestMadeWorldIsConfined(t *testing.T) {
	w := &World{Network: never{t}, Map: Map{Ports: map[uint16]uint16{25: 2525}}}
	for _, ip := range []string{"10.0.0.1", "192.0.2.1", "8.8.8.8", "2001:db8::1"} {
		_, err := w.Dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(ip), 25))
		if !errors.Is(err, ErrOutside) {
			t.Errorf("dialing %s gave %v", ip, err)
		}
	}
}

// DialUDP goes by the same map, and no further than Dial.
func TestUDPIsConfined(t *testing.T) {
	w := &World{Network: never{t}, Map: Map{Ports: map[uint16]uint16{3478: 13478}}}
	if _, err := w.DialUDP(t.Context(), netip.Addr{}, netip.MustParseAddrPort("192.0.2.1:3478")); !errors.Is(err, ErrOutside) {
		t.Errorf("dialing outside gave %v", err)
	}
	if _, err := None().DialUDP(t.Context(), netip.Addr{}, netip.MustParseAddrPort("127.0.0.1:3478")); !errors.Is(err, ErrNoWorld) {
		t.Errorf("dialing from nowhere gave %v", err)
	}
	server, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w.Network = Machine()
	w.Map.Ports[3478] = netip.MustParseAddrPort(server.LocalAddr().String()).Port()
	conn, err := w.DialUDP(t.Context(), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddrPort("127.0.0.2:3478"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	n, from, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "x" || netip.MustParseAddrPort(from.String()).Addr().String() != "127.0.0.3" {
		t.Errorf("got %q from %v, %v", buf[:n], from, err)
	}
}
