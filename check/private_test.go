package check

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// tripwire is a network that nobody may touch.
type tripwire struct{ t *testing.T }

func (n tripwire) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	n.t.Errorf("%s was dialed", address)
	return nil, errors.New("dialed")
}

func (n tripwire) Listen(_ context.Context, _, address string) (net.Listener, error) {
	n.t.Errorf("%s was listened on", address)
	return nil, errors.New("listened")
}

// No zone may use an audit to look around in the network of whoever runs it.
func TestPrivateAddressesAreNotDialed(t *testing.T) {
	w := &world.World{Network: tripwire{t}}
	for _, ip := range []string{"127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "::1", "fe80::1", "fd00::1",
		"::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a00:1", "0.0.0.0"} {
		a := &Audit{World: w}
		s := newSubject(t.Context(), a, Target{Kind: Host, Domain: mail.MustParseDomain("mx.example.com")})
		if _, err := s.Dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(ip), 25)); !errors.Is(err, errPrivate) {
			t.Errorf("dialing %s gave %v", ip, err)
		}
		if s.Proof(t.Context(), netip.MustParseAddr(ip)).Granted {
			t.Errorf("%s counts as controlled because a zone names it", ip)
		}
	}
}

// Who types an address, or says that the hosts are theirs, may have it audited.
func TestPrivateAddressesMayBeTyped(t *testing.T) {
	ip := netip.MustParseAddr("10.0.0.1")
	typed := newSubject(t.Context(), &Audit{World: world.None()}, Target{Kind: Address, IP: ip})
	allowed := newSubject(t.Context(), &Audit{World: world.None(), Options: Options{Allowed: true}}, Target{Kind: Host, Domain: mail.MustParseDomain("mx.example.com")})
	if !typed.mayDial(ip) || !allowed.mayDial(ip) || typed.mayDial(netip.MustParseAddr("10.0.0.2")) {
		t.Error("a private address that was typed or allowed is not dialed, or another one is")
	}
}
