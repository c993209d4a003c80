package smtp

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// data is DATA: 354, the message to CRLF.CRLF, and the answer.
func (c *conversation) data(ctx context.Context, args string) {
	if args != "" {
		c.syntax("DATA")
		return
	}
	if !c.mayTakeData() {
		return
	}
	c.say("354 send the message, end it with CRLF.CRLF")
	c.take(ctx, newIncoming(c))
}

// bdat is BDAT size [LAST]: a chunk of a message, and all chunks that follow it (RFC
// 3030 section 2). Nobody can tell where a chunk of unknown size ends, so that ends the
// conversation.
func (c *conversation) bdat(ctx context.Context, args string) {
	size, last, ok := parseChunk(args)
	if !ok {
		c.endless()
		return
	}
	in := newIncoming(c)
	in.chunked, in.left, in.last = true, size, last
	if c.transaction.accepted == 0 {
		// A failed transaction may have chunks in the pipeline still: they are discarded.
		if in.drain(); in.lost != nil {
			c.endless()
			return
		}
		c.say("503 5.5.1 no transaction takes this chunk")
		return
	}
	c.transaction.taking = true
	c.take(ctx, in)
	if in.pending != "" && !c.over {
		c.obey(ctx, in.pending)
	}
}

// parseChunk reads the arguments of BDAT.
func parseChunk(args string) (size int64, last, ok bool) {
	digits, rest, more := strings.Cut(args, " ")
	if more {
		if last = strings.EqualFold(strings.TrimSpace(rest), "LAST"); !last {
			return 0, false, false
		}
	}
	if digits == "" || len(digits) > 18 || strings.Trim(digits, "0123456789") != "" {
		return 0, false, false
	}
	size, err := strconv.ParseInt(digits, 10, 64)
	return size, last, err == nil
}

func (c *conversation) endless() {
	c.server.stats.faults.Add(1)
	c.say("421 4.5.4 cannot tell where the chunk ends")
	c.over = true
}

// nextChunk answers a chunk that was taken and goes on to the next. Any command that
// ends the transaction is left in pending.
func (c *conversation) nextChunk(in *incoming) error {
	c.say("250 2.0.0 " + strconv.FormatInt(in.taken, 10) + " octets received")
	for !c.over {
		line, err := c.lineUntil(maxCommand, in.patience())
		switch {
		case errors.Is(err, errTooLong):
			c.fault("500 5.5.2 line too long")
			continue
		case err != nil:
			c.farewell(err)
			return in.lose(err)
		}
		c.heard(line)
		verb, args := cutVerb(line)
		switch verb {
		case "BDAT":
			if in.left, in.last, err = c.chunk(args); err != nil {
				return in.lose(err)
			}
			if in.left > 0 || in.last || c.talk() {
				return nil
			}
		case "RSET", "QUIT", "EHLO", "HELO", "LHLO":
			in.pending = line
			return ErrGivenUp
		case "MAIL", "RCPT", "DATA", "AUTH", "STARTTLS":
			c.sequence("a message is under way")
		default:
			c.betweenChunks(verb, line, args)
		}
	}
	return in.lose(ErrGivenUp)
}

func (c *conversation) chunk(args string) (size int64, last bool, err error) {
	size, last, ok := parseChunk(args)
	if !ok {
		c.endless()
		return 0, false, errEndless
	}
	return size, last, nil
}

// betweenChunks answers what harms no transaction: NOOP and the like.
func (c *conversation) betweenChunks(verb, line, args string) {
	switch {
	case hasControl(line):
		c.unreadable(verb)
	case c.mayGoOn(verb):
		c.aside(verb, args)
	}
}

// take lets the session have a message and answers for it.
func (c *conversation) take(ctx context.Context, in *incoming) {
	replies := c.session.Data(ctx, in)
	if hasPositive(replies) {
		// Whoever accepts without reading to the end accepts what may yet prove faulty.
		for in.err == nil {
			in.next()
		}
	}
	in.drain()
	c.heardMessage(in)
	switch {
	case in.lost != nil:
		c.lostMessage(in)
	case errors.Is(in.err, ErrGivenUp):
		// What was pending gets the answer.
	case in.err != nil && in.err != io.EOF:
		c.conclude(in, []mail.Reply{c.refusal(in.err)})
	default:
		c.conclude(in, replies)
	}
	c.idleTalk = 0
	c.reset()
}

func hasPositive(replies []mail.Reply) bool {
	for _, r := range replies {
		if r.IsZero() || r.IsPositive() {
			return true
		}
	}
	return len(replies) == 0
}

// lostMessage ends the conversation whose message never came to its end.
func (c *conversation) lostMessage(in *incoming) {
	c.server.stats.refused.Add(1)
	switch {
	case c.over: // said already
	case errors.Is(in.lost, ErrSlow):
		c.say("421 4.4.2 the message comes too slowly")
	case errors.Is(in.lost, ErrClosed):
	default:
		c.say("421 4.3.0 the refused message does not end")
	}
	c.over = true
}

// refusal is the answer to a message with a fault.
func (c *conversation) refusal(fault error) mail.Reply {
	content := mail.EnhancedCode{Class: 5, Subject: 6, Detail: 0}
	switch {
	case errors.Is(fault, ErrTooLarge):
		return mail.NewReply(552, mail.EnhancedCode{Class: 5, Subject: 3, Detail: 4}, "message too big")
	case errors.Is(fault, ErrNUL):
		return mail.NewReply(554, content, "the message has a NUL")
	case errors.Is(fault, ErrLongLine):
		return mail.NewReply(554, content, "a line of the message is too long")
	}
	return mail.NewReply(554, content, "the message has a bare CR or LF: lines end in CR LF (RFC 5321 section 2.3.8)")
}

// conclude answers a message that has come to its end, or a chunk after which no more
// are wanted. In LMTP the end is answered for each recipient (RFC 2033 section 4.2).
func (c *conversation) conclude(in *incoming, replies []mail.Reply) {
	n := 1
	if c.server.options.LMTP && in.ended {
		n = c.transaction.accepted
	}
	positive := false
	for i := range n {
		var r mail.Reply
		switch {
		case i < len(replies):
			r = replies[i]
		case len(replies) == 1:
			r = replies[0]
		case len(replies) > 1:
			c.server.options.Log.Error("a session gave too few replies", "replies", len(replies), "recipients", n)
			r = mail.NewReply(451, mail.EnhancedCode{Class: 4, Subject: 3, Detail: 0}, "internal error, try again later")
		}
		if c.answer(r, "250 2.0.0 message accepted") {
			positive = true
		}
	}
	if positive {
		c.errors = 0
		c.server.stats.messages.Add(1)
		c.server.stats.octets.Add(in.size)
		return
	}
	c.server.stats.refused.Add(1)
}

// heardMessage writes the message's size into the transcript.
func (c *conversation) heardMessage(in *incoming) {
	if c.transcript == nil {
		return
	}
	text := "[" + strconv.FormatInt(in.size, 10) + " octets of message"
	if !in.ended {
		text += ", not ended"
	}
	c.transcript.add(FromClient, c.peer.TLS != nil, text+"]")
}
