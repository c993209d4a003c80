package smtp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxIntroduced is how many connections of proxies say at the same time who is there.
const maxIntroduced = 256

// Behind is a listener for services that are no Server, as for mail programs that read: a
// connection from one of the proxies must begin with a PROXY header, v1 or v2, and comes
// as from the address that it names. One that does not, or that names nobody, as a
// proxy's own look whether we are there, is closed. Connections of all others come as they
// are. A proxy that is slow keeps nobody else waiting. A nil log is none.
func Behind(l net.Listener, proxies []netip.Prefix, log *slog.Logger) net.Listener {
	if len(proxies) == 0 {
		return l
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &behind{Listener: l, proxies: proxies, log: log, came: make(chan arrival), slots: make(chan struct{}, maxIntroduced)}
	b.life, b.end = context.WithCancel(context.Background())
	b.running.Go(b.run)
	return b
}

// behind is what Behind gives.
type behind struct {
	net.Listener
	proxies []netip.Prefix
	log     *slog.Logger
	came    chan arrival
	slots   chan struct{}
	life    context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup
}

// arrival is what Accept gives.
type arrival struct {
	conn net.Conn
	err  error
}

// Accept waits for the next connection of which it is known who is there.
func (b *behind) Accept() (net.Conn, error) {
	select {
	case a := <-b.came:
		return a.conn, a.err
	case <-b.life.Done():
		return nil, net.ErrClosed
	}
}

// Close ends everything that was not given out.
func (b *behind) Close() error {
	b.end()
	err := b.Listener.Close()
	b.running.Wait()
	return err
}

func (b *behind) run() {
	for b.life.Err() == nil {
		conn, err := b.Listener.Accept()
		if err != nil || !b.isProxy(conn) {
			b.give(arrival{conn, err})
			continue
		}
		select {
		case b.slots <- struct{}{}:
			b.running.Go(func() { b.introduce(conn); <-b.slots })
		case <-b.life.Done():
			conn.Close()
		}
	}
}

func (b *behind) give(a arrival) {
	select {
	case b.came <- a:
	case <-b.life.Done():
		if a.conn != nil {
			a.conn.Close()
		}
	}
}

func (b *behind) isProxy(conn net.Conn) bool {
	t, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && slices.ContainsFunc(b.proxies, func(p netip.Prefix) bool { return p.Contains(t.AddrPort().Addr().Unmap()) })
}

// introduce reads the header of a proxy.
func (b *behind) introduce(conn net.Conn) {
	stop := context.AfterFunc(b.life, func() { conn.Close() })
	named, err := readNamed(conn)
	isOpen := stop()
	if err != nil && isOpen {
		b.log.Warn("a proxy without a PROXY header", "remote", conn.RemoteAddr(), "error", err)
	}
	if err != nil || named == nil || !isOpen {
		conn.Close()
		return
	}
	b.give(arrival{conn: named})
}

// readNamed gives the connection as from whom the proxy names; nil when it names nobody.
func readNamed(conn net.Conn) (net.Conn, error) {
	if err := conn.SetReadDeadline(time.Now().Add(proxyTimeout)); err != nil { // deadline
		return nil, err
	}
	in := make([]byte, 0, maxProxyV2)
	for {
		remote, _, n, err := parseProxy(in)
		switch {
		case err != nil:
			return nil, err
		case n > 0 && !remote.IsValid():
			return nil, nil
		case n > 0:
			return &namedConn{Conn: conn, rest: in[n:], remote: net.TCPAddrFromAddrPort(remote)}, conn.SetReadDeadline(time.Time{})
		case len(in) == cap(in):
			return nil, errors.Join(errProxy, errors.New("it is too long"))
		}
		more, err := conn.Read(in[len(in):cap(in)])
		if in = in[:len(in)+more]; more == 0 && err != nil {
			return nil, fmt.Errorf("%w: %w", errProxy, err)
		}
	}
}

// namedConn is a connection of somebody behind a proxy. What came behind the header is
// read first.
type namedConn struct {
	net.Conn
	rest   []byte
	remote net.Addr
}

// RemoteAddr is whom the proxy has named.
func (c *namedConn) RemoteAddr() net.Addr { return c.remote }

// Read reads what the client sent.
func (c *namedConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
