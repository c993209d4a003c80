package account

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrNetwork is wrapped by every complaint of CheckNetworks.
var ErrNetwork = errors.New("not a network to trust")

// The widest public networks that can be one's own.
const (
	widestPublic4 = 24
	widestPublic6 = 64
)

// private is space that no stranger on the Internet has: RFC 1918, RFC 4193, loopback,
// link-local. 100.64.0.0/10 (RFC 6598) is not in it: a provider's other customers are
// there.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::1/128"),
}

// CheckNetworks says what makes networks unfit to be trusted without a login, with the
// cure: nil when nothing does. Own are this machine's addresses on its interfaces;
// gateways are its routers, bridges and whatever passes connections on in its own name:
// behind them every stranger looks local.
func CheckNetworks(networks []netip.Prefix, own, gateways []netip.Addr) error {
	var problems []error
	for _, n := range networks {
		if err := checkNetwork(n, own, gateways); err != nil {
			problems = append(problems, fmt.Errorf("%w: %s %w", ErrNetwork, n, err))
		}
	}
	return errors.Join(problems...)
}

func checkNetwork(n netip.Prefix, own, gateways []netip.Addr) error {
	if !n.IsValid() {
		return errors.New("is not a network: write it as 192.168.1.20/32")
	}
	if n.Addr().Is4In6() {
		return errors.New("is an IPv4 network in IPv6 form: write it as an IPv4 network")
	}
	widest := widestPublic4
	if n.Addr().Is6() {
		widest = widestPublic6
	}
	if !isPrivate(n) && n.Bits() < widest {
		return fmt.Errorf("is public and wider than /%d: list the addresses of the devices themselves, or let them log in", widest)
	}
	for _, ip := range gateways {
		if n.Contains(ip.Unmap().WithZone("")) {
			return fmt.Errorf("contains %s, which passes on the connections of others (a router, a container bridge, a proxy): "+
				"every stranger behind it would be trusted. List the addresses of the devices themselves, "+
				"or give the listener the real addresses (listen.proxy_from, host networking)", ip)
		}
	}
	for _, ip := range own {
		if ip = ip.Unmap().WithZone(""); n.Contains(ip) && !ip.IsLoopback() {
			return fmt.Errorf("contains %s, an address of this machine: what a proxy or NAT on it passes on would be trusted. "+
				"List the addresses of the devices themselves; programs on this machine reach the listener by way of 127.0.0.1 or ::1", ip)
		}
	}
	return nil
}

func isPrivate(n netip.Prefix) bool {
	for _, p := range private {
		if p.Contains(n.Addr()) && n.Bits() >= p.Bits() {
			return true
		}
	}
	return false
}
