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
