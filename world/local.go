package world

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// ErrInUse is the error of listening where another program, or another process of
// this one, already listens.
var ErrInUse = errors.New("somebody listens there already")

// ListenOn opens the sockets that one line of a configuration asks for:
// "192.0.2.1:25", "[2001:db8::1]:25", ":25", or "unix:/run/lmtp.sock" with mode 0660.
//
// A line without an address means all addresses of this machine, IPv6 and IPv4 on
// one socket. The hosts of a made world share one machine, so there it means the
// addresses that the caller calls its own. Errors wrap ErrInUse or
// fs.ErrPermission where that is the reason.
func (w *World) ListenOn(ctx context.Context, where string, own []netip.Addr) ([]net.Listener, error) {
	if path, ok := strings.CutPrefix(where, "unix:"); ok {
		l, err := w.ListenUnix(ctx, path, 0o660)
		return []net.Listener{l}, err
	}
	at, err := parseWhere(where)
	if err != nil {
		return nil, err
	}
	sockets := []netip.AddrPort{at}
	if at.Addr().IsUnspecified() && w.IsMade() {
		sockets = nil
		for _, ip := range own {
			sockets = append(sockets, netip.AddrPortFrom(ip, at.Port()))
		}
	}
	return w.listenEach(ctx, sockets)
}

func parseWhere(where string) (netip.AddrPort, error) {
	if strings.HasPrefix(where, ":") {
		where = "0.0.0.0" + where // net takes the wildcard of either family for both
	}
	at, err := netip.ParseAddrPort(where)
	if err != nil {
		return at, fmt.Errorf("%q is no address to listen on: write \":25\", \"192.0.2.1:25\", \"[2001:db8::1]:25\" or \"unix:/path\"", where)
	}
	return at, nil
}

// listenEach opens all of them or none. Two addresses of a made world may lie on
// the same one of this machine; that is opened once.
func (w *World) listenEach(ctx context.Context, sockets []netip.AddrPort) ([]net.Listener, error) {
	var all []net.Listener
	opened := map[netip.AddrPort]bool{}
	for _, at := range sockets {
		if s := w.Map.Socket(at); at.Port() != 0 && opened[s] {
			continue
		}
		opened[w.Map.Socket(at)] = true
		l, err := w.Listen(ctx, at)
		if err != nil {
			for _, l := range all {
				_ = l.Close() // nobody has connected yet
			}
			return nil, whyNot(err)
		}
		all = append(all, l)
	}
	return all, nil
}

func whyNot(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: %w", ErrInUse, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

// ListenUnix opens a stream socket at a path of the file system with these
// permissions. A socket that a dead process left behind is replaced; a living one
// is ErrInUse. Closing the listener removes it.
func (w *World) ListenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if w.Network == nil {
		return nil, unixError("listen", path, ErrNoWorld)
	}
	if conn, err := w.DialUnix(ctx, path); err == nil {
		_ = conn.Close() // it was only to see that somebody is there
		return nil, unixError("listen", path, ErrInUse)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := w.Network.Listen(ctx, "unix", path)
	if err != nil {
		return nil, whyNot(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// DialUnix connects to a stream socket of the file system.
func (w *World) DialUnix(ctx context.Context, path string) (net.Conn, error) {
	return w.dialUnix(ctx, "unix", path)
}

func (w *World) dialUnix(ctx context.Context, network, path string) (net.Conn, error) {
	if w.Network == nil {
		return nil, unixError("dial", path, ErrNoWorld)
	}
	return w.Network.DialContext(ctx, network, path)
}

func unixError(op, path string, err error) error {
	return &net.OpError{Op: op, Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
}
