package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/sasl"
)

// What ends a session between its commands.
var (
	errStopping = errors.New("the server is stopping")
	errLate     = errors.New("the client took too long")
)

// past is a deadline that has gone by: it ends reads at once.
var past = time.Unix(1, 0)

// link is the connection of one session, and what is layered on it. It belongs to the
// goroutine of the session, but for out, which the watch of an IDLE borrows, and what mu
// guards.
type link struct {
	server *Server
	remote netip.Addr // zero for what has no IP address, as a unix socket
	conn   net.Conn   // raw, or TLS over it
	tls    *tls.ConnectionState
	shown  []byte // the certificate that the client saw
	packed bool   // compressed
	in     input
	out    *syntax.Writer

	lent  bool      // out is with the watch of an IDLE
	begun bool      // a command has begun to come
	ends  time.Time // when a client that has not logged in must go; zero: it has
	lost  error     // why the connection gives nothing more

	mu      sync.Mutex
	waiting bool // for a command; guarded by mu
	raw     net.Conn
}

func newLink(s *Server, conn net.Conn) *link {
	l := &link{server: s, conn: conn, raw: conn, ends: time.Now().Add(s.options.LoginTimeout)} // deadline
	if t, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		l.remote = t.AddrPort().Addr().Unmap()
	}
	l.in.from, l.in.wait = conn, l.await
	l.out = syntax.NewWriter((*outward)(l))
	return l
}

// outward writes to the connection, each piece against the clock.
type outward link

// Write sends octets.
func (o *outward) Write(octets []byte) (int, error) {
	o.conn.SetWriteDeadline(time.Now().Add(o.server.options.DataTimeout)) // deadline
	return o.conn.Write(octets)
}

// await goes before every read: what waits is sent, and the clock is set. Only who waits
// for a command is woken when the server stops.
func (l *link) await() error {
	if !l.lent {
		if err := l.out.Flush(); err != nil {
			return err
		}
	}
	until := l.until()
	l.mu.Lock()
	l.waiting = !l.begun
	l.conn.SetReadDeadline(until)
	l.mu.Unlock()
	if !l.begun && l.server.sessions.IsStopping() {
		return errStopping
	}
	return nil
}

// until is when the next octets must be here.
func (l *link) until() time.Time {
	now := time.Now() // deadline
	switch {
	case l.begun && l.ends.IsZero():
		return now.Add(l.server.options.DataTimeout)
	case l.ends.IsZero():
		return now.Add(l.server.options.IdleTimeout)
	}
	return l.ends
}

// cause is why a read failed, in our words.
func (l *link) cause(err error) error {
	l.mu.Lock()
	l.waiting = false
	l.mu.Unlock()
	var late net.Error
	switch {
	case errors.Is(err, errTooLong):
		return err
	case !l.begun && l.server.sessions.IsStopping():
		err = errStopping
	case errors.As(err, &late) && late.Timeout():
		err = errLate
	}
	l.lost = err
	return err
}

// line adds a line to text.
func (l *link) line(text []byte, limit int) ([]byte, error) {
	text, err := l.in.line(text, limit)
	if err != nil {
		err = l.cause(err)
	}
	return text, err
}

// settle lets a client that has logged in take its time.
func (l *link) settle() { l.ends = time.Time{} }

// Wake ends the wait for a command.
func (l *link) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting {
		l.raw.SetReadDeadline(past)
	}
}

// Cut ends whatever is being read or written.
func (l *link) Cut() { l.raw.Close() }

// handshake makes the connection a TLS one.
func (l *link) handshake(ctx context.Context) error {
	config := sasl.Remember(l.server.options.TLS, func(der []byte) { l.shown = der })
	channel := tls.Server(l.raw, config)
	l.raw.SetDeadline(l.ends)
	ctx, cancel := context.WithDeadline(ctx, l.ends)
	defer cancel()
	if err := channel.HandshakeContext(ctx); err != nil {
		l.server.stats.failedTLS.Add(1)
		l.server.options.Log.Debug("TLS handshake failed", "client", l.remote, "error", err)
		return err
	}
	l.server.stats.handshakes.Add(1)
	l.raw.SetDeadline(time.Time{})
	state := channel.ConnectionState()
	l.conn, l.in.from, l.tls = channel, channel, &state
	return nil
}

// hangUp sends the last words and closes.
func (l *link) hangUp() {
	const patience = 5 * time.Second
	l.conn.SetWriteDeadline(time.Now().Add(patience)) // deadline
	l.out.Flush()
	l.conn.Close()
	l.in.drop()
}
