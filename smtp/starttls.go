package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"

	"github.com/allgreen-mail/allgreen/mail"
)

// StartTLS says STARTTLS and, after 220, shakes hands. The reply tells whether the
// server was willing, the error what went wrong then. Say Hello again afterwards:
// what was known before does not count any more (RFC 3207 section 4.2).
func (c *Client) StartTLS(ctx context.Context, config *tls.Config) (mail.Reply, error) {
	reply, err := c.BeginTLS(ctx)
	if err != nil || !reply.IsPositive() {
		return reply, err
	}
	return reply, c.Handshake(ctx, config)
}

// BeginTLS says STARTTLS and stops there: after 220 the next octet belongs to a TLS
// client, this one (Handshake) or another (Hijack). When the server has already sent
// something behind its 220 in plaintext, which a client less careful would take for
// a reply inside TLS, the error is ErrInjection and its Read are those octets.
func (c *Client) BeginTLS(ctx context.Context) (mail.Reply, error) {
	reply, err := c.Do(ctx, "STARTTLS")
	if err != nil || !reply.IsPositive() {
		return reply, err
	}
	return reply, c.refusePlaintext()
}

// refusePlaintext ends the dialogue when octets that came before the handshake would
// be read after it.
func (c *Client) refusePlaintext() error {
	n := c.Unread()
	if n == 0 || c.over != nil {
		return c.over
	}
	ahead, _ := c.replies.r.Peek(n)
	c.transcript.add(FromServer, false, string(ahead))
	return c.end(&DialogueError{During: "STARTTLS", Kind: ErrInjection, Read: printable(string(ahead), 200)})
}

// Handshake makes the connection a TLS one, after BeginTLS, or before Greet where
// TLS comes first (port 465). Plaintext that waits unread is ErrInjection here too.
func (c *Client) Handshake(ctx context.Context, config *tls.Config) error {
	if err := c.refusePlaintext(); err != nil {
		return err
	}
	channel := tls.Client(c.conn, config)
	err := c.within(ctx, "the TLS handshake", c.options.Timeout, func() error { return channel.HandshakeContext(ctx) })
	if err != nil {
		if e := failure(ctx, "", err); e.Kind == ErrClosed {
			e.Kind, e.Cause = ErrTLS, cmp.Or(e.Cause, ErrClosed)
		}
		return c.end(err)
	}
	c.use(channel)
	c.tls = channel
	state := channel.ConnectionState()
	c.transcript.add(Event, true, tls.VersionName(state.Version)+", "+tls.CipherSuiteName(state.CipherSuite))
	return nil
}

// Hijack hands the connection to somebody else. The client is of no use afterwards,
// but for its transcript.
func (c *Client) Hijack() net.Conn {
	c.over = &DialogueError{During: "hijack", Kind: ErrClosed}
	return c.conn
}
