package world

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Resolver answers questions about names. World is one; tests hand in others.
// The errors are those of this package; an Answer holds at least one record.
type Resolver interface {
	Lookup(ctx context.Context, name Name, qtype uint16) (*Answer, error)
}

// Exchanger asks one name server one question and returns its message as it
// came: for checks that judge the servers themselves. It is never cached.
type Exchanger interface {
	Exchange(ctx context.Context, q Query) (*dns.Msg, error)
}

// Network opens connections. World maps ports and addresses before it calls one.
type Network interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Listen(ctx context.Context, network, address string) (net.Listener, error)
}

// World is names, connections and time. Copy it freely; what it points to is
// safe for concurrent use.
type World struct {
	Resolver  Resolver         // nil: every lookup fails with ErrNoWorld
	Exchanger Exchanger        // nil: every exchange fails with ErrNoWorld
	Network   Network          // nil: every dial and listen fails with ErrNoWorld
	Clock     func() time.Time // nil: the machine's clock
	Roots     *x509.CertPool   // nil: the machine's trust store
	Map       Map              // ports, addresses and public ranges of a made world
	Probe     Probe            // where a made world lets probe mail arrive
	Greeters  []string         // domains of a made world whose MX hosts greet everybody
	Mirrors   []string         // STUN servers of a made world, "host" or "host:port"
}

// None is a world that reaches nothing: what a test gets unless it asks for more.
func None() *World { return &World{} }

// Now is the time of this world.
func (w *World) Now() time.Time {
	if w.Clock == nil {
		return time.Now()
	}
	return w.Clock()
}

// Lookup asks for the records of one type at one name, through CNAMEs.
func (w *World) Lookup(ctx context.Context, name Name, qtype uint16) (*Answer, error) {
	if w.Resolver == nil {
		return nil, &LookupError{Name: name, Type: qtype, Kind: ErrNoWorld}
	}
	return w.Resolver.Lookup(ctx, name, qtype)
}

// Exchange asks one server one question.
func (w *World) Exchange(ctx context.Context, q Query) (*dns.Msg, error) {
	if w.Exchanger == nil {
		return nil, &LookupError{Name: q.Name, Type: q.Type, Kind: ErrNoWorld}
	}
	return w.Exchanger.Exchange(ctx, q)
}

// Dial opens a TCP connection to an address of this world.
func (w *World) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return w.DialFrom(ctx, netip.Addr{}, to)
}

// DialFrom is Dial from one of this machine's own addresses; the zero address
// leaves the choice to the system.
func (w *World) DialFrom(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	return w.dial(ctx, "tcp", from, to)
}

// DialUDP binds a UDP socket to one peer, so that only its datagrams are read; from is
// as with DialFrom. Nothing is sent yet, and nothing tells whether anybody is there.
func (w *World) DialUDP(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	return w.dial(ctx, "udp", from, to)
}

func (w *World) dial(ctx context.Context, network string, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	if w.Network == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: socketAddress(network, to), Err: ErrNoWorld}
	}
	if !w.Map.holds(to.Addr()) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: socketAddress(network, to), Err: ErrOutside}
	}
	if from.IsValid() {
		ctx = context.WithValue(ctx, sourceKey{}, w.Map.Address(from))
	}
	return w.Network.DialContext(ctx, network, w.Map.Socket(to).String())
}

// Listen opens a TCP listener on an address of this world.
func (w *World) Listen(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	if w.Network == nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: ErrNoWorld}
	}
	return w.Network.Listen(ctx, "tcp", w.Map.Socket(at).String())
}

// IsPublic reports whether mail can be exchanged with this address over the
// Internet of this world: global unicast, not reserved for private or special use
// (RFC 6890), or in a range that the world's file declares public.
func (w *World) IsPublic(ip netip.Addr) bool { return w.Map.isPublic(ip) }

// IsSame reports whether two addresses are one on this machine, after the mapping of
// this world: who answers on a mapped address sees the other.
func (w *World) IsSame(a, b netip.Addr) bool {
	return w.Map.Address(a).Unmap() == w.Map.Address(b).Unmap()
}

// IsMade reports whether this world lies on another by a map, as a lab does.
func (w *World) IsMade() bool { return len(w.Map.Ports)+len(w.Map.Nets) > 0 }

// IsLoopback reports whether traffic to this address stays on this machine,
// after the mapping of this world.
func (w *World) IsLoopback(ip netip.Addr) bool { return w.Map.Address(ip).IsLoopback() }
