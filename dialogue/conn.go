package dialogue

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/sasl"
)

// What a read may end in, beside the errors of the network.
var (
	ErrStopping = errors.New("the server is stopping")
	ErrLate     = errors.New("the client took too long")
	ErrTooLong  = errors.New("the line is too long")
	ErrBareLine = errors.New("a line ended in a bare LF")
	ErrAhead    = errors.New("the client sent octets ahead of the handshake")
)

// past is a deadline that has gone by: it ends reads at once.
var past = time.Unix(1, 0)

// Conn is the connection of one client. It belongs to the goroutine of its Talk.
type Conn struct {
	server  *Server
	remote  netip.Addr // zero for what has no IP address
	conn    net.Conn   // raw, or TLS over it
	tls     *tls.ConnectionState
	shown   []byte // the certificate that the client saw
	in      *bufio.Reader
	out     *bufio.Writer
	errors  int
	who     account.Principal // Nobody before a login
	goodbye func()            // to the account; nil: nobody logged in
	ends    time.Time         // when a client that has not logged in must go; zero: it has

	mu      sync.Mutex
	waiting bool // for a command; guarded by mu
	raw     net.Conn
}

// Sizes of the buffers of a connection.
const (
	inputSize  = 1 << 10
	outputSize = 4 << 10
)

func newConn(s *Server, conn net.Conn) *Conn {
	c := &Conn{server: s, conn: conn, raw: conn, ends: time.Now().Add(s.options.LoginTimeout)} // deadline
	if t, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = t.AddrPort().Addr().Unmap()
	}
	c.in, c.out = bufio.NewReaderSize(reading{c}, inputSize), bufio.NewWriterSize(writing{c}, outputSize)
	return c
}

// Run is the dialogue from its beginning to its end. A panic is our own bug, and ends
// only this one.
func (c *Conn) Run(ctx context.Context) {
	log := c.server.options.Log.With("service", c.server.options.Service, "client", c.remote)
	defer func() {
		if p := recover(); p != nil {
			c.server.stats.panics.Add(1)
			log.Error("a dialogue broke", "panic", p, "stack", string(debug.Stack()))
		}
		c.hangUp()
	}()
	if c.server.options.ImplicitTLS {
		if err := c.handshake(ctx); err != nil {
			log.Debug("TLS handshake failed", "error", err)
			return
		}
	}
	if err := c.server.options.Talk(ctx, c); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, ErrStopping) {
		log.Debug("a dialogue ended", "error", err)
	}
}

// hangUp sends the last words and closes.
func (c *Conn) hangUp() {
	const patience = 5 * time.Second
	c.conn.SetWriteDeadline(time.Now().Add(patience)) // deadline
	_ = c.out.Flush()                                 // who is gone is gone
	c.conn.Close()
	if c.goodbye != nil {
		c.goodbye()
	}
}

// Remote is the address of the client; zero for what has none.
func (c *Conn) Remote() netip.Addr { return c.remote }

// IsPrivate reports whether there is TLS between us.
func (c *Conn) IsPrivate() bool { return c.tls != nil }

// CanStartTLS reports whether there could be, and is not.
func (c *Conn) CanStartTLS() bool { return c.tls == nil && c.server.options.TLS != nil }

// Who is the account that logged in; its Kind is Nobody before.
func (c *Conn) Who() account.Principal { return c.who }

// writing sends to the connection, each piece against the clock.
type writing struct{ c *Conn }

// Write sends octets.
func (w writing) Write(octets []byte) (int, error) {
	w.c.conn.SetWriteDeadline(time.Now().Add(w.c.server.options.DataTimeout)) // deadline
	return w.c.conn.Write(octets)
}

// reading takes from the connection, after all that was said was sent.
type reading struct{ c *Conn }

// Read takes octets.
func (r reading) Read(octets []byte) (int, error) {
	c := r.c
	if err := c.out.Flush(); err != nil {
		return 0, err
	}
	until := c.ends
	if until.IsZero() {
		until = time.Now().Add(c.server.options.IdleTimeout) // deadline
	}
	c.mu.Lock()
	c.waiting = true
	c.conn.SetReadDeadline(until)
	c.mu.Unlock()
	if c.server.open.IsStopping() {
		return 0, ErrStopping
	}
	n, err := c.conn.Read(octets)
	c.mu.Lock()
	c.waiting = false
	c.mu.Unlock()
	var late net.Error
	switch {
	case err != nil && c.server.open.IsStopping():
		err = ErrStopping
	case errors.As(err, &late) && late.Timeout():
		err = ErrLate
	}
	return n, err
}

// Wake ends the wait for a command.
func (c *Conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		c.raw.SetReadDeadline(past)
	}
}

// Cut ends whatever is being read or written.
func (c *Conn) Cut() { c.raw.Close() }

// Print adds to what is sent before the next wait for the client.
func (c *Conn) Print(text string) { _, _ = c.out.WriteString(text) } // Flush has the error

// Printf is Print with a format.
func (c *Conn) Printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// Write adds octets to what is sent; an error is that of the connection.
func (c *Conn) Write(octets []byte) (int, error) { return c.out.Write(octets) }

// maxSkipped is how much of a line that is too long is read to find its end.
const maxSkipped = 1 << 20

// ReadLine is the next line, up to limit octets of it without its CRLF, after what was
// printed has been sent. A longer one is read to its end and is ErrTooLong, and the next
// can be read; so is ErrBareLine. Every other error ends the dialogue.
func (c *Conn) ReadLine(limit int) (string, error) {
	var line []byte
	skipped := 0
	for {
		piece, err := c.in.ReadSlice('\n')
		if len(line)+len(piece) > limit+2 {
			skipped += len(piece)
		} else {
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && skipped <= maxSkipped:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return "", io.ErrUnexpectedEOF // a line without an end
		case err != nil:
			return "", err
		case skipped > 0:
			return "", ErrTooLong
		}
		text, whole := strings.CutSuffix(string(line), "\r\n")
		if !whole {
			return "", ErrBareLine
		}
		return text, nil
	}
}

// ReadOctets takes exactly n octets, which the caller has bounded.
func (c *Conn) ReadOctets(n int) ([]byte, error) {
	octets := make([]byte, 0, min(n, 64<<10))
	for len(octets) < n {
		piece := make([]byte, min(n-len(octets), 64<<10))
		got, err := io.ReadFull(c.in, piece)
		octets = append(octets, piece[:got]...)
		if err != nil {
			return nil, err
		}
	}
	return octets, nil
}

// Skip takes n octets and forgets them.
func (c *Conn) Skip(n int64) error {
	_, err := io.CopyN(io.Discard, c.in, n)
	return err
}

// StartTLS says the word and shakes hands. Octets that the client sent ahead would be
// taken for octets sent within TLS: they are ErrAhead, and nothing is said.
func (c *Conn) StartTLS(ctx context.Context, word string) error {
	if c.in.Buffered() > 0 {
		return ErrAhead
	}
	c.Print(word)
	if err := c.out.Flush(); err != nil {
		return err
	}
	return c.handshake(ctx)
}

func (c *Conn) handshake(ctx context.Context) error {
	config := sasl.Remember(c.server.options.TLS, func(der []byte) { c.shown = der })
	channel := tls.Server(c.raw, config)
	c.raw.SetDeadline(c.ends)
	ctx, cancel := context.WithDeadline(ctx, c.ends)
	defer cancel()
	if err := channel.HandshakeContext(ctx); err != nil {
		c.server.stats.failedTLS.Add(1)
		return err
	}
	c.raw.SetDeadline(time.Time{})
	state := channel.ConnectionState()
	c.conn, c.tls = channel, &state
	c.in.Reset(reading{c})
	return nil
}

// MayErr counts a line that was no command, and reports whether the client may try more.
func (c *Conn) MayErr() bool {
	c.server.stats.faults.Add(1)
	c.errors++
	return c.errors < c.server.options.MaxErrors
}
