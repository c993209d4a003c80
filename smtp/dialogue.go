package smtp

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// past is a deadline that has gone by: it ends reads and writes at once.
var past = time.Unix(1, 0)

// within runs one step of the dialogue against the clock and the context. The step
// is ended through the connection's deadline, so no goroutine stays behind.
func (c *Client) within(ctx context.Context, during string, limit time.Duration, step func() error) error {
	if c.over != nil {
		return c.over
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, ended := c.conn, make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(past)
		close(ended)
	})
	err := step()
	if !stop() {
		<-ended
		conn.SetDeadline(time.Time{})
	}
	if err == nil {
		return nil
	}
	return failure(ctx, during, err)
}

// end remembers that the dialogue is over and writes it into the transcript.
func (c *Client) end(err error) error {
	if c.over == nil {
		c.over = err
		c.transcript.add(Event, c.tls != nil, err.Error())
	}
	return err
}

// Do sends one command and reads its reply. It is how every plain command is said,
// and how a probe says what no method does: "RCPT TO:<a@b@c>", "XCLIENT".
func (c *Client) Do(ctx context.Context, cmd Command) (mail.Reply, error) {
	return c.do(ctx, cmd, cmd.shown())
}

// do is Do with another text for the transcript, because of passwords.
func (c *Client) do(ctx context.Context, cmd, shown Command) (mail.Reply, error) {
	if err := cmd.check(); err != nil {
		return mail.Reply{}, err
	}
	err := c.within(ctx, shown.verb(), c.options.Timeout, func() error {
		c.transcript.add(FromClient, c.tls != nil, string(shown))
		return c.write([]byte(cmd + "\r\n"))
	})
	if err != nil {
		return c.lastWord(ctx, shown.verb(), err)
	}
	reply, err := c.await(ctx, shown.verb(), c.options.Timeout)
	if err == nil {
		c.settle(cmd, reply)
	}
	return reply, err
}

func (c *Client) write(octets []byte) error {
	_, err := c.conn.Write(octets)
	return err
}

// lastWord looks whether a server that hung up on us said why: "421 too many
// connections" waits in the buffer while our own write fails.
func (c *Client) lastWord(ctx context.Context, during string, broken error) (mail.Reply, error) {
	if c.over != nil || !errors.Is(broken, ErrClosed) {
		return mail.Reply{}, c.end(broken)
	}
	var reply mail.Reply
	err := c.within(ctx, during, min(c.options.Timeout, time.Second), func() (err error) {
		reply, _, err = c.replies.read()
		return err
	})
	c.end(broken)
	if err != nil || reply.Code < 400 {
		return mail.Reply{}, broken
	}
	return reply, nil
}

// await reads the reply to something already said.
func (c *Client) await(ctx context.Context, during string, limit time.Duration) (mail.Reply, error) {
	var reply mail.Reply
	var read string
	err := c.within(ctx, during, limit, func() (err error) {
		reply, read, err = c.replies.read()
		return err
	})
	if err == nil {
		return reply, nil
	}
	var e *DialogueError
	if errors.As(err, &e) && e.Read == "" && c.over == nil {
		e.Read = read
	}
	return mail.Reply{}, c.end(err)
}

// settle draws the conclusions that the dialogue itself needs from an answer.
func (c *Client) settle(cmd Command, reply mail.Reply) {
	switch cmd.verb() {
	case "EHLO", "LHLO":
		c.extensions, c.recipients, c.begun = ParseExtensions(reply), 0, false
	case "HELO":
		c.extensions, c.recipients, c.begun = nil, 0, false
	case "RSET":
		c.recipients, c.begun = 0, c.begun && !reply.IsPositive()
	case "MAIL":
		c.recipients, c.begun = 0, true // also when refused: a RSET more harms nobody
	case "RCPT":
		if reply.IsPositive() {
			c.recipients++
		}
	}
}

// Pipeline sends all commands at once and reads a reply for each (RFC 2920). It
// returns the replies that came before an error. Whether the server announced
// PIPELINING, and what may stand in one batch, is the caller's business.
func (c *Client) Pipeline(ctx context.Context, batch []Command) ([]mail.Reply, error) {
	var octets []byte
	for _, cmd := range batch {
		if err := cmd.check(); err != nil {
			return nil, err
		}
		octets = append(octets, cmd+"\r\n"...)
	}
	for _, cmd := range batch {
		c.transcript.add(FromClient, c.tls != nil, string(cmd.shown()))
	}
	var replies []mail.Reply
	limit := c.options.Timeout * time.Duration(max(1, len(batch)))
	err := c.within(ctx, "pipelined commands", limit, func() (err error) {
		replies, err = c.writeAndRead(ctx, octets, batch)
		return err
	})
	if err != nil {
		return replies, c.end(err)
	}
	return replies, nil
}

// writeAndRead writes beside the reading: a server may wait for us to take its
// replies before it reads on.
func (c *Client) writeAndRead(ctx context.Context, octets []byte, batch []Command) (replies []mail.Reply, err error) {
	written := make(chan error, 1)
	go func() { written <- c.write(octets) }()
	for _, cmd := range batch {
		reply, read, err := c.replies.read()
		if err != nil {
			c.conn.SetDeadline(past) // frees the writer; the dialogue is over anyway
			<-written
			e := failure(ctx, cmd.verb(), err)
			e.Read = read
			return replies, e
		}
		c.settle(cmd, reply)
		replies = append(replies, reply)
	}
	return replies, <-written
}

// Raw sends exactly these octets and waits for no answer: for probes that no
// command can express. The transcript shows them quoted.
func (c *Client) Raw(ctx context.Context, octets []byte) error {
	err := c.within(ctx, "raw octets", c.options.Timeout, func() error {
		c.transcript.add(FromClient, c.tls != nil, strconv.Quote(string(octets)))
		return c.write(octets)
	})
	if err != nil {
		return c.end(err)
	}
	return nil
}

// ReadReply waits for a reply that no command here asked for, after Raw or out of
// curiosity. When nothing at all came in the time of the context, the error is an
// ErrTimeout and the dialogue can go on.
func (c *Client) ReadReply(ctx context.Context) (mail.Reply, error) {
	var reply mail.Reply
	var read string
	err := c.within(ctx, "an unasked reply", c.options.Timeout, func() (err error) {
		reply, read, err = c.replies.read()
		return err
	})
	if err == nil || errors.Is(err, ErrTimeout) && read == "" {
		return reply, err
	}
	return mail.Reply{}, c.end(err)
}

// Unread counts the octets that came and were not asked for yet.
func (c *Client) Unread() int { return c.replies.r.Buffered() }
