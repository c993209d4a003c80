package smtp

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"
)

// handshakeTimeout is how long a client may take for TLS.
const handshakeTimeout = time.Minute

// startTLS is STARTTLS. A client must wait for the 220; what stands behind the command
// in the clear is somebody else's, who wants it obeyed inside TLS (RFC 3207 section 6,
// CVE-2011-0411), so the conversation ends.
func (c *conversation) startTLS(ctx context.Context, args string) {
	switch {
	case c.server.options.TLS == nil || c.peer.TLS != nil:
		c.fault("502 5.5.1 TLS is not to be had") // not announced
	case args != "":
		c.fault("501 5.5.4 syntax: STARTTLS") // RFC 3207 section 4
	case c.transaction.begun:
		c.sequence("a transaction is under way")
	case len(c.in.unused()) > 0:
		c.injection("STARTTLS")
	default:
		c.say("220 2.0.0 go ahead")
		if c.flush() != nil || c.handshake(ctx) != nil {
			c.over = true
			return
		}
		c.greeted, c.authenticated = false, false
		c.peer.HELO, c.peer.EHLO, c.peer.Protocol = "", false, ""
		c.reset()
	}
}

// injection ends the conversation with a client that did not wait for the answer.
func (c *conversation) injection(command string) {
	c.server.stats.faults.Add(1)
	c.say("554 5.5.1 input behind " + command)
	c.over = true
	c.in.drop()
}

// handshake makes the channel a TLS one. Nothing that came before outlives it.
func (c *conversation) handshake(ctx context.Context) error {
	under := c.conn
	if rest := c.in.unused(); len(rest) > 0 { // behind a PROXY header
		under = &readAhead{Conn: under, rest: append([]byte(nil), rest...)}
		c.in.drop()
	}
	channel := tls.Server(under, c.tlsConfig())
	c.raw.SetDeadline(time.Now().Add(min(handshakeTimeout, c.server.options.CommandTimeout))) // deadline
	if err := channel.HandshakeContext(ctx); err != nil {
		c.server.stats.failedTLS.Add(1)
		level := slog.LevelInfo
		if is := c.server.options.IsSelf; is != nil && is(c.peer.Remote.Addr().Unmap()) {
			level = slog.LevelDebug
		}
		c.server.options.Log.Log(ctx, level, "TLS handshake failed", "remote", c.peer.Remote, "error", err)
		return err
	}
	c.raw.SetDeadline(time.Time{})
	c.sentUntil = time.Time{}
	c.server.stats.handshakes.Add(1)
	state := channel.ConnectionState()
	c.conn, c.in.conn, c.peer.TLS = channel, channel, &state
	if c.transcript != nil {
		c.transcript.add(Event, true, tls.VersionName(state.Version)+", "+tls.CipherSuiteName(state.CipherSuite))
	}
	return nil
}
