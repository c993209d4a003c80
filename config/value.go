package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Size is a number of octets, written as "50MB" or "512KiB".
type Size int64

// The units of sizes. Those of 1000 are what mail servers announce, those of 1024
// what memory is counted in.
const (
	KB  Size = 1000
	MB  Size = 1000 * KB
	GB  Size = 1000 * MB
	TB  Size = 1000 * GB
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

// units are read and written in this order: the largest that divides first.
var units = []struct {
	name string
	size Size
}{
	{"TiB", TiB}, {"TB", TB}, {"GiB", GiB}, {"GB", GB}, {"MiB", MiB}, {"MB", MB}, {"KiB", KiB}, {"KB", KB}, {"B", 1},
}

// ParseSize reads a whole number and its unit.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimRight(s, "BKMGTikmgtb")
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf(`%.40q is no size; write it as "50MB" or "512KiB"`, s)
	}
	for _, u := range units {
		if !strings.EqualFold(u.name, s[len(digits):]) {
			continue
		}
		if n > math.MaxInt64/int64(u.size) {
			return 0, fmt.Errorf("%.40q is too much", s)
		}
		return Size(n) * u.size, nil
	}
	return 0, fmt.Errorf(`%.40q has no unit; write it as "50MB" or "512KiB"`, s)
}

// String is the size as ParseSize reads it.
func (s Size) String() string {
	for _, u := range units {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return "0B"
}

// Secret is what nobody should read in a log: it prints as "(secret)". Convert it to
// a string where it is used.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Socket is where to listen or connect: an address and a port, or the path of a unix
// socket. The zero value is nowhere.
type Socket struct {
	IP   netip.Addr // not valid: every address of this machine
	Port uint16
	Path string
}

// ParseSocket reads ":25", "203.0.113.7:25", "[2001:db8::7]:25" or "unix:/run/x.sock".
func ParseSocket(s string) (Socket, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !filepath.IsAbs(path) || len(path) > 100 || strings.ContainsRune(path, 0) {
			return Socket{}, fmt.Errorf("%.120q names no socket; write an absolute path of at most 100 octets behind the word unix", s)
		}
		return Socket{Path: path}, nil
	}
	at, err := parseAddrPort(s)
	if err != nil || at.Port() == 0 {
		return Socket{}, fmt.Errorf(`%.120q is no socket; write ":25", "203.0.113.7:25", "[2001:db8::7]:25" or "unix:/path"`, s)
	}
	return Socket{IP: at.Addr(), Port: at.Port()}, nil
}

// parseAddrPort reads an address and port; without an address it is not valid.
func parseAddrPort(s string) (netip.AddrPort, error) {
	port, ok := strings.CutPrefix(s, ":")
	if !ok {
		at, err := netip.ParseAddrPort(s)
		if err == nil && at.Addr().Zone() != "" {
			err = errors.New("an address with a zone")
		}
		return at, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(netip.Addr{}, uint16(n)), err
}

// IsZero reports whether the socket is nowhere.
func (s Socket) IsZero() bool { return s == Socket{} }

// Address is the socket for World.Listen: the unspecified IPv6 address, which takes
// both families, where the file names none. It means nothing for a unix socket.
func (s Socket) Address() netip.AddrPort {
	if !s.IP.IsValid() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), s.Port)
	}
	return netip.AddrPortFrom(s.IP, s.Port)
}

// IsPrivate reports whether only this machine or a private network can reach the
// socket.
func (s Socket) IsPrivate() bool {
	return s.Path != "" || s.IP.IsLoopback() || s.IP.IsPrivate() || s.IP.IsLinkLocalUnicast()
}

// String is the socket as ParseSocket reads it.
func (s Socket) String() string {
	switch {
	case s.Path != "":
		return "unix:" + s.Path
	case s.IsZero():
		return ""
	case !s.IP.IsValid():
		return ":" + strconv.Itoa(int(s.Port))
	}
	return netip.AddrPortFrom(s.IP, s.Port).String()
}
