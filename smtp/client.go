package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// ClientOptions are the choices of one dialogue. The zero value says "localhost",
// waits as long as RFC 5321 section 4.5.3.2 asks a sender to, and never sends a
// password in the clear.
type ClientOptions struct {
	Name         string        // for EHLO and HELO: a host name or an address literal
	NameTLS      string        // the same after STARTTLS; empty: Name
	LMTP         bool          // LHLO, and a reply for each recipient (RFC 2033)
	Timeout      time.Duration // for each command; zero: 5 minutes
	DialTimeout  time.Duration // for the connection; zero: Timeout
	GreetTimeout time.Duration // for the greeting; zero: Timeout
	BlockTimeout time.Duration // for each block of a message to leave; zero: Timeout
	DataTimeout  time.Duration // for the answer to the end of the data; zero: 10 minutes
	From         netip.Addr    // for Dial: one of our addresses; zero: the system's choice
	ClearAuth    bool          // lets AUTH run without TLS
}

func (o ClientOptions) withDefaults() ClientOptions {
	o.Name = cmp.Or(o.Name, "localhost")
	o.NameTLS = cmp.Or(o.NameTLS, o.Name)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Minute)
	o.DialTimeout = cmp.Or(o.DialTimeout, o.Timeout)
	o.GreetTimeout = cmp.Or(o.GreetTimeout, o.Timeout)
	o.BlockTimeout = cmp.Or(o.BlockTimeout, o.Timeout)
	o.DataTimeout = cmp.Or(o.DataTimeout, 10*time.Minute)
	return o
}

// Client is our side of one dialogue. It is for one goroutine at a time.
type Client struct {
	conn       net.Conn
	replies    *replyReader
	options    ClientOptions
	transcript *Transcript
	extensions Extensions
	tls        *tls.Conn // nil before TLS
	recipients int       // accepted in this transaction, for LMTP
	begun      bool      // a transaction is open
	over       error     // why the dialogue ended
}

// NewClient takes over a connection that somebody else opened. Nothing is read yet.
func NewClient(conn net.Conn, o ClientOptions) *Client {
	return newClient(conn, o, newTranscript())
}

func newClient(conn net.Conn, o ClientOptions, t *Transcript) *Client {
	c := &Client{options: o.withDefaults(), transcript: t}
	c.use(conn)
	return c
}

// use makes conn the one to speak over. Nothing that came over an earlier one, in
// buffers or in knowledge, outlives it (RFC 3207 section 4.2).
func (c *Client) use(conn net.Conn) {
	var faults map[Fault]bool
	if c.replies != nil {
		faults = c.replies.faults
	}
	c.conn, c.extensions, c.recipients, c.begun = conn, nil, 0, false
	c.replies = newReplyReader(conn, func(line string) {
		c.transcript.add(FromServer, c.tls != nil, line)
	})
	maps.Copy(c.replies.faults, faults)
}

// Dial opens a connection to an address of the world and waits for nothing else:
// the greeting is Greet's. The transcript begins before the connection does, so its
// first line tells how long connecting took.
func Dial(ctx context.Context, w *world.World, to netip.AddrPort, o ClientOptions) (*Client, error) {
	t := newTranscript()
	ctx, cancel := context.WithTimeout(ctx, o.withDefaults().DialTimeout)
	defer cancel()
	conn, err := w.DialFrom(ctx, o.From, to)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", to, err)
	}
	t.add(Event, false, "connected to "+to.String())
	return newClient(conn, o, t), nil
}

// Greet waits for the greeting: 220, or 554 or 421 from a server that does not want
// to speak.
func (c *Client) Greet(ctx context.Context) (mail.Reply, error) {
	return c.await(ctx, "the greeting", c.options.GreetTimeout)
}

// Hello says EHLO, and HELO where EHLO is refused for good (RFC 5321 section 3.2);
// LHLO in LMTP. The name is the one for the channel: before or after STARTTLS.
func (c *Client) Hello(ctx context.Context) (mail.Reply, error) {
	name := c.options.Name
	if c.tls != nil {
		name = c.options.NameTLS
	}
	if c.options.LMTP {
		return c.Do(ctx, Command("LHLO "+name))
	}
	reply, err := c.Do(ctx, Command("EHLO "+name))
	if err != nil || !reply.IsPermanent() {
		return reply, err
	}
	return c.Do(ctx, Command("HELO "+name))
}

// Mail begins a transaction. The zero address is the null reverse-path.
func (c *Client) Mail(ctx context.Context, from mail.Address, o MailOptions) (mail.Reply, error) {
	return c.Do(ctx, MailCommand(from, o))
}

// Rcpt names a recipient.
func (c *Client) Rcpt(ctx context.Context, to mail.Address, o RcptOptions) (mail.Reply, error) {
	return c.Do(ctx, RcptCommand(to, o))
}

// Rset gives the transaction up.
func (c *Client) Rset(ctx context.Context) (mail.Reply, error) { return c.Do(ctx, "RSET") }

// Noop asks for nothing.
func (c *Client) Noop(ctx context.Context) (mail.Reply, error) { return c.Do(ctx, "NOOP") }

// Vrfy asks whether a user exists; what is one string by RFC 5321 section 3.5.
func (c *Client) Vrfy(ctx context.Context, what string) (mail.Reply, error) {
	return c.Do(ctx, Command("VRFY "+what))
}

// Expn asks for the members of a list.
func (c *Client) Expn(ctx context.Context, list string) (mail.Reply, error) {
	return c.Do(ctx, Command("EXPN "+list))
}

// Help asks for help, with a command or without.
func (c *Client) Help(ctx context.Context, about string) (mail.Reply, error) {
	if about == "" {
		return c.Do(ctx, "HELP")
	}
	return c.Do(ctx, Command("HELP "+about))
}

// Quit says goodbye and closes the connection, whatever the answer.
func (c *Client) Quit(ctx context.Context) (mail.Reply, error) {
	reply, err := c.Do(ctx, "QUIT")
	closing := c.Close()
	if err == nil && c.tls == nil {
		err = closing // a TLS peer that is gone already makes closing fail; that harms nobody
	}
	return reply, err
}

// Close hangs up without a word. The transcript stays readable.
func (c *Client) Close() error { return c.conn.Close() }

// Extensions are what the last EHLO brought; none before it and after STARTTLS.
func (c *Client) Extensions() Extensions { return c.extensions }

// Transcript is everything said so far.
func (c *Client) Transcript() *Transcript { return c.transcript }

// Faults are what the server did against the rules and could still be understood,
// sorted.
func (c *Client) Faults() []Fault { return slices.Sorted(maps.Keys(c.replies.faults)) }

// TLS is the state of the channel, false before a handshake.
func (c *Client) TLS() (tls.ConnectionState, bool) {
	if c.tls == nil {
		return tls.ConnectionState{}, false
	}
	return c.tls.ConnectionState(), true
}
