package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Limits of one conversation.
const (
	// maxCommand is the longest command line with its CRLF. RFC 5321 section
	// 4.5.3.1.4 asks for 512; the parameters of the extensions add up to less than
	// this (RFC 1870, 6152, 6531, 3461, 4954).
	maxCommand = 2048
	// maxAuthLine is the longest line of a login (RFC 4954 section 4).
	maxAuthLine = 12288
	// maxSkipped is how much of a longer line is read to find its end.
	maxSkipped = 64 << 10
	// maxIdleTalk is how many commands may pass between two messages before each
	// counts as an error: NOOP, RSET, VRFY, EHLO again and again.
	maxIdleTalk = 100
	// maxUnsent is how many octets of replies wait for a client that pipelines.
	maxUnsent = 4 << 10
)

// What ends a conversation, or a line of it.
var (
	errEndless  = errors.New("a line without an end")
	errStopping = errors.New("the server is stopping")
	errRetired  = errors.New("another server answers here now")
	errBareLine = errors.New("a line ended in a bare LF")
	errTooLong  = errors.New("the line is too long")
)

// conversation is the server's side of one connection. All of it belongs to the
// goroutine of run, but for what mu guards.
type conversation struct {
	server  *Server
	session Session
	peer    Peer
	conn    net.Conn // as the session's octets go: over TLS, after a handshake
	in      input
	out     []byte // replies that wait to be sent
	small   [256]byte

	mu      sync.Mutex
	waiting bool // for a command; guarded by mu
	between bool // waiting, and no transaction is under way; guarded by mu
	raw     net.Conn

	now        time.Time // when it last began to wait
	sentUntil  time.Time // the deadline set for writes
	unheard    error     // why no reply can be sent any more
	ends       time.Time // when the session has taken long enough
	transcript *Transcript
	over       bool // nothing more is read
	saidQuit   bool

	nameless      bool // behind a proxy that does not say who it is
	greeted       bool
	authenticated bool
	transaction   transaction
	errors        int
	idleTalk      int
	serverCert    []byte // the certificate shown to the client, for SCRAM
}

func newConversation(s *Server, conn net.Conn) *conversation {
	c := &conversation{server: s, conn: conn, raw: conn}
	c.in.conn = conn
	c.out = c.small[:0]
	c.peer = Peer{Remote: addressOf(conn.RemoteAddr()), Local: addressOf(conn.LocalAddr()), lmtp: s.options.LMTP}
	if s.options.Transcript != nil {
		c.transcript = newTranscript()
	}
	return c
}

// addressOf is the zero value for what has no IP address, as a unix socket.
func addressOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// Run is the whole conversation. A panic in it is our bug; it ends this conversation
// and no other.
func (c *conversation) Run(ctx context.Context) {
	c.ends = c.tick().Add(c.server.options.SessionTimeout)
	defer c.end()
	if !c.begin(ctx) {
		return
	}
	for !c.over {
		line, err := c.command()
		switch {
		case err == nil:
			c.obey(ctx, line)
			if len(c.out) > maxUnsent && c.flush() != nil {
				return
			}
		case errors.Is(err, errTooLong):
			c.fault("500 5.5.2 line too long")
		default:
			c.farewell(err)
		}
	}
}

// end closes everything, whatever happened.
func (c *conversation) end() {
	if bug := recover(); bug != nil {
		c.server.stats.panics.Add(1)
		c.server.options.Log.Error("panic in an SMTP session", "remote", c.peer.Remote, "panic", bug, "stack", string(debug.Stack()))
		c.say("421 4.3.0 internal error, try again later")
	}
	c.closeSession()
	c.hangUp()
	c.in.drop()
	if c.transcript != nil {
		c.server.options.Transcript(c.peer, c.transcript)
	}
}

// closeSession tells the session. Its panic must not keep the connection open.
func (c *conversation) closeSession() {
	defer func() {
		if bug := recover(); bug != nil {
			c.server.stats.panics.Add(1)
			c.server.options.Log.Error("panic in an SMTP session", "remote", c.peer.Remote, "panic", bug, "stack", string(debug.Stack()))
		}
	}()
	if c.session != nil {
		c.session.Close()
	}
}

// begin is everything up to the banner. It reports whether to go on.
func (c *conversation) begin(ctx context.Context) bool {
	if err := c.readProxy(); err != nil {
		c.server.options.Log.Warn("a proxy without a PROXY header", "remote", c.peer.Remote, "error", err)
		return false
	}
	if c.server.options.ImplicitTLS {
		if err := c.handshake(ctx); err != nil {
			return false
		}
	}
	session, reply := c.server.options.Open(ctx, c.peer)
	c.session = session
	switch {
	case reply.IsTransient() || reply.IsPermanent():
		c.send(reply)
		c.refuseAll()
		return false
	case session == nil:
		panic("smtp: Open gave neither a session nor a refusal")
	}
	c.say(c.server.banner)
	return true
}

// refuseAll waits for QUIT after a banner of 554, which a server must (RFC 5321 section
// 3.1), but neither for long nor through many commands.
func (c *conversation) refuseAll() {
	const patience, most = 10 * time.Second, 5
	until := time.Now().Add(patience) // deadline
	for range most {
		if c.over {
			return
		}
		line, err := c.lineUntil(maxCommand, until)
		if err != nil {
			return
		}
		c.heard(line)
		if strings.EqualFold(line, "QUIT") {
			c.goodbye("")
			return
		}
		c.say("503 5.5.1 no service, as was said")
	}
}

// command waits for the next command line.
func (c *conversation) command() (string, error) {
	c.in.shrink()
	line, err := c.line(maxCommand)
	if err == nil {
		c.heard(line)
	}
	return line, err
}

// line takes one line, without its CRLF. Only CRLF ends it: who takes LF for it as
// well can be made to obey what another server passed through as part of an
// argument. A line that is too long is read to its end, so that no part of it is
// taken for a command.
func (c *conversation) line(limit int) (string, error) {
	return c.lineUntil(limit, time.Time{})
}

// lineUntil is line with a deadline, zero: the usual time from the first wait on.
func (c *conversation) lineUntil(limit int, until time.Time) (string, error) {
	seen, skipped := 0, 0
	for {
		waiting := c.in.unused()
		if i := bytes.IndexByte(waiting[seen:], '\n'); i >= 0 {
			i += seen
			if i == 0 || waiting[i-1] != '\r' {
				return "", errBareLine
			}
			text := waiting[:i-1]
			if skipped > 0 || i >= limit {
				c.in.use(i + 1)
				return "", errTooLong
			}
			line := string(text)
			c.in.use(i + 1)
			return line, nil
		}
		seen = len(waiting)
		if seen >= limit {
			skipped += seen - 1
			if skipped > maxSkipped {
				return "", errEndless
			}
			c.in.use(seen - 1) // the CR of its end may have come
			seen = 1
		}
		if until.IsZero() {
			until = c.tick().Add(c.server.options.CommandTimeout)
		}
		if err := c.await(until, !c.transaction.taking); err != nil {
			return "", err
		}
	}
}

// await sends what waits to be sent and reads more. Deadlines are set here and when
// writing, once for each system call and not oftener. Only who waits for a command is
// woken when the server stops.
func (c *conversation) await(until time.Time, forCommand bool) error {
	if err := c.flush(); err != nil {
		return err
	}
	between := forCommand && !c.transaction.begun
	c.mu.Lock()
	c.waiting, c.between = forCommand, between
	if r := c.server.retired.Load(); r != nil && between {
		until = earlier(until, c.tick().Add(r.idle))
	}
	c.conn.SetReadDeadline(until)
	c.mu.Unlock()
	if forCommand && c.server.sessions.IsStopping() {
		return errStopping
	}
	err := c.in.more()
	c.mu.Lock()
	c.waiting, c.between = false, false
	c.mu.Unlock()
	switch {
	case err == nil || !forCommand:
	case c.server.sessions.IsStopping():
		return errStopping
	case between && c.server.retired.Load() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return errRetired
	}
	return err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// tick asks for the time. It is remembered where a little age does no harm.
func (c *conversation) tick() time.Time {
	c.now = time.Now() // deadline
	return c.now
}

// hurry shortens the wait for a command outside of a transaction.
func (c *conversation) hurry(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.between {
		c.raw.SetReadDeadline(until)
	}
}

// Wake ends the wait for a command.
func (c *conversation) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		c.raw.SetReadDeadline(past)
	}
}

// Cut ends whatever is being read or written.
func (c *conversation) Cut() { c.raw.Close() }

// farewell ends the conversation and says why, to who can still hear it.
func (c *conversation) farewell(err error) {
	name := c.server.options.Name.String()
	switch {
	case errors.Is(err, errStopping):
		c.say("421 4.3.2 " + name + " is shutting down")
	case errors.Is(err, errRetired):
		c.say("421 4.3.2 " + name + " was set up anew, please connect again")
	case errors.Is(err, errBareLine):
		c.say("421 4.5.2 lines end in CR LF, and this one does not")
	case errors.Is(err, errEndless):
		c.say("421 4.5.2 line far too long")
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.say("421 4.4.2 " + name + " waited too long for a command")
	}
	c.over = true
}

// say queues one line of reply.
func (c *conversation) say(line string) {
	c.out = append(append(c.out, line...), "\r\n"...)
	if c.transcript != nil {
		c.transcript.add(FromServer, c.peer.TLS != nil, line)
	}
}

// send queues a reply of the session's.
func (c *conversation) send(r mail.Reply) {
	from := len(c.out)
	c.out = appendReply(c.out, r)
	if c.transcript != nil {
		for line := range strings.SplitSeq(strings.TrimSuffix(string(c.out[from:]), "\r\n"), "\r\n") {
			c.transcript.add(FromServer, c.peer.TLS != nil, line)
		}
	}
	if r.Code == 421 {
		c.over = true
	}
}

// answer says what the session replied, ok for the ordinary answer, and reports
// whether it was positive.
func (c *conversation) answer(r mail.Reply, ok string) bool {
	switch {
	case r.IsZero():
		c.say(ok)
		return true
	case !isAnswer(r):
		c.server.options.Log.Error("a session gave what is no answer", "reply", r)
		c.say("451 4.3.0 internal error, try again later")
		return false
	}
	c.send(r)
	return r.IsPositive()
}

// fault refuses what breaks the rules of the protocol.
func (c *conversation) fault(line string) {
	c.server.stats.faults.Add(1)
	if c.mayErr() {
		c.say(line)
	}
}

// mayErr counts an error and ends the conversation with who makes too many: 421 may be
// said at any time (RFC 5321 section 4.2.4).
func (c *conversation) mayErr() bool {
	if c.errors++; c.errors <= c.server.options.MaxErrors {
		return true
	}
	c.say("421 4.7.0 too many errors")
	c.over = true
	return false
}

// heard writes a command into the transcript.
func (c *conversation) heard(line string) {
	if c.transcript != nil {
		c.transcript.add(FromClient, c.peer.TLS != nil, string(Command(line).shown()))
	}
}

// flush sends the replies that wait, all in one write.
func (c *conversation) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	limit := c.server.options.CommandTimeout
	if c.sentUntil.Sub(c.tick()) < limit/2 {
		c.sentUntil = c.now.Add(limit)
		c.conn.SetWriteDeadline(c.sentUntil)
	}
	if c.unheard == nil { // who took nothing for so long is not given as long for the last words
		_, c.unheard = c.conn.Write(c.out)
	}
	c.out = c.small[:0] // an idle conversation holds no more than this
	return c.unheard
}

// hangUp sends the last words and closes. Where the client has sent what was not
// read, closing at once would reset the connection and could take the words with it,
// so the rest is waited for, briefly.
func (c *conversation) hangUp() {
	const patience, most = time.Second, 256 << 10
	said := len(c.out) > 0
	err := c.flush()
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok && said && err == nil && !c.quit() {
		if t, ok := c.conn.(*tls.Conn); ok {
			t.CloseWrite()
		}
		half.CloseWrite()
		c.raw.SetReadDeadline(time.Now().Add(patience)) // deadline
		io.CopyN(io.Discard, c.raw, most)
	}
	c.conn.Close()
}

// quit reports a client that said QUIT and nothing behind it.
func (c *conversation) quit() bool { return c.saidQuit && len(c.in.unused()) == 0 }

// sequence is the fault of a command that came too early or too late.
func (c *conversation) sequence(why string) { c.fault("503 5.5.1 " + why) }

// syntax is the fault of arguments that nobody can read.
func (c *conversation) syntax(form string) { c.fault(fmt.Sprintf("501 5.5.4 syntax: %s", form)) }
