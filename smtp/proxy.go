package smtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// The PROXY protocol of HAProxy, versions 1 and 2 (proxy-protocol.txt, revision of
// 2020/03/05): who stands behind the proxy that connects to us.

// errProxy is wrapped by every error of a PROXY header.
var errProxy = errors.New("no PROXY header")

const (
	proxyTimeout = 10 * time.Second
	maxProxyLine = 107      // octets of version 1, with CRLF
	maxProxyV2   = 16 + 512 // octets of version 2 that we read: addresses, and what else it tells
)

// proxySignature begins version 2.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// A proxy that speaks for itself, to see whether we are well, or that cannot say who is
// there, is greeted like anybody, and brings neither mail nor logins: what strangers send
// must not be judged by the address of a machine of ours.

// readProxy reads the header that a named address must send. From anybody else it would
// be a claim that anybody can make, so there it is no more than an unknown command.
func (c *conversation) readProxy() error {
	named := false
	for _, prefix := range c.server.options.ProxyFrom {
		named = named || prefix.Contains(c.peer.Remote.Addr())
	}
	if !named {
		return nil
	}
	until := time.Now().Add(proxyTimeout) // deadline
	for {
		remote, local, n, err := parseProxy(c.in.unused())
		if err != nil {
			return err
		}
		if n > 0 {
			c.in.use(n)
			c.peer.Proxied = true
			c.nameless = !remote.IsValid()
			if remote.IsValid() {
				c.peer.Remote, c.peer.Local = remote, local
			}
			return nil
		}
		if err := c.await(until, true); err != nil {
			return fmt.Errorf("%w: %w", errProxy, err)
		}
	}
}

// parseProxy reads a header off the front of what came. Until all of it is there, n is
// zero. Addresses are not valid when the proxy speaks for itself or cannot say.
func parseProxy(b []byte) (remote, local netip.AddrPort, n int, err error) {
	const v1 = "PROXY "
	switch {
	case begins(b, proxySignature):
		return parseProxyV2(b)
	case begins(b, v1):
		return parseProxyV1(b)
	}
	return remote, local, 0, errProxy
}

// begins reports whether b begins with s, as far as it goes.
func begins(b []byte, s string) bool {
	return string(b[:min(len(b), len(s))]) == s[:min(len(b), len(s))]
}

// parseProxyV1 reads "PROXY TCP4 192.0.2.1 192.0.2.25 40000 25" and CRLF.
func parseProxyV1(b []byte) (remote, local netip.AddrPort, n int, err error) {
	end := bytes.Index(b, crlf)
	if end < 0 && len(b) < maxProxyLine {
		return remote, local, 0, nil
	}
	if end < 0 || end+len(crlf) > maxProxyLine {
		return remote, local, 0, fmt.Errorf("%w: the line is too long", errProxy)
	}
	n = end + len(crlf)
	f := strings.Split(string(b[:end]), " ")
	if len(f) >= 2 && f[1] == "UNKNOWN" {
		return remote, local, n, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return remote, local, 0, fmt.Errorf("%w: %.60q", errProxy, b[:end])
	}
	remote, err = proxySocket(f[1], f[2], f[4])
	if err == nil {
		local, err = proxySocket(f[1], f[3], f[5])
	}
	if err != nil {
		return netip.AddrPort{}, netip.AddrPort{}, 0, err
	}
	return remote, local, n, nil
}

func proxySocket(family, address, port string) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" || ip.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, fmt.Errorf("%w: address %.60q", errProxy, address)
	}
	n, ok := parseSize(port)
	if !ok || n > 65535 || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("%w: port %.60q", errProxy, port)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

// parseProxyV2 reads the binary form: signature, version and command, family, length,
// addresses, and more that we do not ask for.
func parseProxyV2(b []byte) (remote, local netip.AddrPort, n int, err error) {
	const head = len(proxySignature) + 4
	const byLocal, byProxy = 0x20, 0x21
	const tcp4, tcp6 = 0x11, 0x21
	if len(b) < head {
		return remote, local, 0, nil
	}
	command, family := b[12], b[13]
	n = head + int(binary.BigEndian.Uint16(b[14:16]))
	if n > maxProxyV2 || command != byLocal && command != byProxy {
		return remote, local, 0, fmt.Errorf("%w: version and command %#x, %d octets", errProxy, command, n)
	}
	if len(b) < n {
		return remote, local, 0, nil
	}
	size := 0
	switch {
	case command == byLocal: // a health check of the proxy's own
		return remote, local, n, nil
	case family == tcp4:
		size = 4
	case family == tcp6:
		size = 16
	default: // a unix socket, or something that it cannot say
		return remote, local, n, nil
	}
	body := b[head:n]
	if len(body) < 2*size+4 {
		return remote, local, 0, fmt.Errorf("%w: %d octets of addresses", errProxy, len(body))
	}
	from, _ := netip.AddrFromSlice(body[:size])
	to, _ := netip.AddrFromSlice(body[size : 2*size])
	ports := body[2*size:]
	remote = netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(ports))
	local = netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(ports[2:]))
	return remote, local, n, nil
}
