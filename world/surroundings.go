package world

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// Surroundings are the addresses of this machine's interfaces and the gateways of
// its routes. Behind each of them strangers may seem to be neighbours. A made world
// has none: its hosts share a machine. Where the system does not tell its routes,
// there are no gateways.
func (w *World) Surroundings() (own, gateways []netip.Addr, err error) {
	if w.Network == nil || w.IsMade() {
		return nil, nil, nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, nil, err
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap())
		}
	}
	for _, table := range []struct {
		path string
		read func(fields []string) (netip.Addr, bool)
	}{{"/proc/net/route", gateway4}, {"/proc/net/ipv6_route", gateway6}} {
		found, err := readRoutes(table.path, table.read)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return own, gateways, err
		}
		gateways = append(gateways, found...)
	}
	return own, gateways, nil
}

// IsElsewhere reports whether this machine has not the address itself: behind a
// translator others see it, and nothing here can be bound to it.
func (w *World) IsElsewhere(ctx context.Context, ip netip.Addr) bool {
	l, err := w.Listen(ctx, netip.AddrPortFrom(ip, 0))
	if err == nil {
		l.Close()
	}
	return errors.Is(err, syscall.EADDRNOTAVAIL)
}

func readRoutes(path string, read func([]string) (netip.Addr, bool)) ([]netip.Addr, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseRoutes(f, read)
}

func parseRoutes(r io.Reader, read func([]string) (netip.Addr, bool)) (found []netip.Addr, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if ip, ok := read(strings.Fields(lines.Text())); ok && !ip.IsUnspecified() {
			found = append(found, ip)
		}
	}
	return found, lines.Err()
}

// gateway4 reads the third column of /proc/net/route, in the byte order of the
// machine.
func gateway4(fields []string) (netip.Addr, bool) {
	if len(fields) < 3 {
		return netip.Addr{}, false
	}
	raw, err := hex.DecodeString(fields[2])
	if err != nil || len(raw) != 4 {
		return netip.Addr{}, false // the line of titles
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], binary.BigEndian.Uint32(raw))
	return netip.AddrFrom4(b), true
}

// gateway6 reads the fifth column of /proc/net/ipv6_route.
func gateway6(fields []string) (netip.Addr, bool) {
	if len(fields) < 5 {
		return netip.Addr{}, false
	}
	raw, err := hex.DecodeString(fields[4])
	if err != nil || len(raw) != 16 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(raw)), true
}
