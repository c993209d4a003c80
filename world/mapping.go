package world

import (
	"net/netip"
	"slices"
)

// Map is how a made world lies on this machine. The zero Map changes nothing.
type Map struct {
	Ports  map[uint16]uint16 `json:"ports,omitempty"`  // 25 -> 2525
	Nets   []NetMap          `json:"nets,omitempty"`   // 2001:db8::/96 -> loopback
	Public []netip.Prefix    `json:"public,omitempty"` // ranges that count as public here
}

// NetMap lays the addresses of one range onto IPv4: the last 32 bits of the
// address are the address on this machine, 2001:db8::7f0a:19 is 127.10.0.25.
type NetMap struct {
	From netip.Prefix `json:"from"`
}

// Probe is where a made world delivers mail for the probe domain, so that a check
// can see whether a message came out. The zero Probe is none.
type Probe struct {
	Domain string     `json:"domain,omitempty"` // its MX is Listen
	Listen netip.Addr `json:"listen,omitzero"`
}

// Address is where an address of this world lies on this machine.
func (m Map) Address(ip netip.Addr) netip.Addr {
	for _, n := range m.Nets {
		if n.From.Contains(ip) {
			b := ip.As16()
			return netip.AddrFrom4([4]byte(b[12:]))
		}
	}
	return ip
}

// Socket is where an address and port of this world lie on this machine.
func (m Map) Socket(to netip.AddrPort) netip.AddrPort {
	port, ok := m.Ports[to.Port()]
	if !ok {
		port = to.Port()
	}
	return netip.AddrPortFrom(m.Address(to.Addr()), port)
}

// holds reports whether a socket belongs to this world: a made one lies on loopback
// alone, and nothing in it may lead outside.
func (m Map) holds(ip netip.Addr) bool {
	made := len(m.Ports)+len(m.Nets) > 0
	return !made || m.Address(ip).Unmap().IsLoopback()
}

// specialUse are the ranges that look global to netip and are not: RFC 6890 and
// the IANA special-purpose registries.
var specialUse = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),           // IPv4-compatible
	netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4-translated
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("fec0::/10"),
}

// throughNAT64 carries an IPv4 address in its last 32 bits (RFC 6052): it is as
// public as that one.
var throughNAT64 = netip.MustParsePrefix("64:ff9b::/96")

func (m Map) isPublic(ip netip.Addr) bool {
	ip = ip.Unmap()
	if throughNAT64.Contains(ip) {
		b := ip.As16()
		return m.isPublic(netip.AddrFrom4([4]byte(b[12:])))
	}
	contains := func(p netip.Prefix) bool { return p.Contains(ip) }
	if slices.ContainsFunc(m.Public, contains) {
		return true
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(specialUse, contains)
}
