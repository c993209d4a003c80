package smtp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/allgreen-mail/allgreen/mail"
)

// blockSize is how much of a message is sent against one deadline, and chunkSize the
// size of a chunk of BDAT.
const (
	blockSize = 32 << 10
	chunkSize = 256 << 10
)

// blocks are what messages pass through on their way out.
type blocks struct {
	in  [blockSize]byte
	out [blockSize + blockSize/8]byte // more, should a message consist of dots
}

var spareBlocks = sync.Pool{New: func() any { return new(blocks) }}

// Data sends a message: DATA, and after 354 the body with its dots doubled (RFC 5321
// section 4.5.2) and the end of data. Lines must end in CRLF; a missing last one is
// added. A bare CR or LF (ErrBody) or an error of the reader ends the connection, so
// that the server discards what it had. The reply is the refusal of DATA, or the
// answer to the end of data, or what the server said when it hung up in between.
func (c *Client) Data(ctx context.Context, body io.Reader) (mail.Reply, error) {
	if c.options.LMTP {
		return mail.Reply{}, fmt.Errorf("%w: LMTP answers for each recipient, use LMTPData", ErrCommand)
	}
	reply, sent, err := c.sendMessage(ctx, body)
	if !sent {
		return reply, err
	}
	return c.await(ctx, "the end of data", c.options.DataTimeout)
}

// LMTPData is Data over LMTP: a reply for each accepted recipient, in the order of
// their RCPT (RFC 2033 section 4.2). A refusal of DATA itself is the only reply then.
// With an error come the replies that were read before it.
func (c *Client) LMTPData(ctx context.Context, body io.Reader) ([]mail.Reply, error) {
	n := c.recipients
	reply, sent, err := c.sendMessage(ctx, body)
	if err != nil {
		return nil, err
	}
	if !sent {
		return []mail.Reply{reply}, nil
	}
	var replies []mail.Reply
	for range n {
		reply, err := c.await(ctx, "the end of data", c.options.DataTimeout)
		if err != nil {
			return replies, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

// sendMessage ends before the answer to the end of data. When the message was not
// sent, the reply says why.
func (c *Client) sendMessage(ctx context.Context, body io.Reader) (reply mail.Reply, sent bool, err error) {
	reply, err = c.Do(ctx, "DATA")
	if err == nil && reply.IsPositive() {
		// 2yz would read as "delivered" to the caller, and nothing was sent.
		err = c.end(&DialogueError{During: "DATA", Kind: ErrProtocol, Read: printable(reply.String(), 200)})
	}
	if err != nil || !reply.IsIntermediate() {
		return reply, false, err
	}
	c.recipients = 0
	reply, err = c.sendBody(ctx, body)
	return reply, err == nil && reply.IsZero(), err
}

// sendBody sends a message up to its end. A reply is the last word of a server that hung
// up before.
func (c *Client) sendBody(ctx context.Context, body io.Reader) (mail.Reply, error) {
	s := &bodySender{client: c}
	if err := s.send(ctx, body); err != nil {
		c.transcript.add(FromClient, c.tls != nil, fmt.Sprintf("[%d octets of message, not ended]", s.octets))
		reply, err := c.lastWord(ctx, "the message", err)
		c.conn.Close()
		return reply, err
	}
	c.transcript.add(FromClient, c.tls != nil, fmt.Sprintf("[%d octets of message]", s.octets))
	c.transcript.add(FromClient, c.tls != nil, ".")
	c.begun = false
	return mail.Reply{}, nil
}

// bodySender writes one message block by block.
type bodySender struct {
	client *Client
	octets int64 // of the message, before stuffing
	dots   stuffer
}

// send fills a block before it writes it, so that a small message leaves with its end in
// one piece.
func (s *bodySender) send(ctx context.Context, body io.Reader) error {
	spare := spareBlocks.Get().(*blocks)
	defer spareBlocks.Put(spare)
	for {
		n, last, rerr := readBlock(body, spare.in[:])
		s.octets += int64(n)
		out, serr := s.dots.stuff(spare.out[:0], spare.in[:n])
		if serr == nil && last {
			out, serr = s.dots.finish(out)
		}
		if serr != nil {
			return &DialogueError{During: "the message", Kind: ErrBody}
		}
		if err := s.write(ctx, out); err != nil || last {
			return err
		}
		if rerr != nil {
			return fmt.Errorf("reading the message: %w", rerr)
		}
	}
}

// readBlock fills a block; last is the end of the message. Only a bare io.EOF is: io.ReadFull
// would say the same of a reader that broke off in the middle, and half a message would go
// out as a whole one.
func readBlock(r io.Reader, block []byte) (n int, last bool, err error) {
	for n < len(block) {
		m, err := r.Read(block[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

func (s *bodySender) write(ctx context.Context, block []byte) error {
	if len(block) == 0 {
		return nil
	}
	return s.client.within(ctx, "the message", s.client.options.BlockTimeout, func() error { return s.client.write(block) })
}

// stuffer doubles the dots at the beginnings of lines and insists on CRLF. The zero
// value stands at the beginning of a message.
type stuffer struct {
	midLine bool
	cr      bool // the last octet was CR
}

// stuff appends src to dst as it goes over the wire, line by line.
func (s *stuffer) stuff(dst, src []byte) ([]byte, error) {
	for len(src) > 0 {
		line, whole := src, false
		if i := bytes.IndexByte(src, '\n'); i >= 0 {
			line, whole = src[:i+1], true
		}
		if s.cr && len(line) > 1 || s.cr && !whole {
			return dst, ErrBody // something else than LF behind CR
		}
		if !s.midLine && line[0] == '.' {
			dst = append(dst, '.')
		}
		cr := s.cr
		if i := bytes.IndexByte(line, '\r'); i >= 0 {
			if whole && i < len(line)-2 || !whole && i < len(line)-1 {
				return dst, ErrBody
			}
			cr = true
		}
		if whole && !cr {
			return dst, ErrBody
		}
		dst = append(dst, line...)
		s.midLine, s.cr = !whole, cr && !whole
		src = src[len(line):]
	}
	return dst, nil
}

// finish appends the end of data.
func (s *stuffer) finish(dst []byte) ([]byte, error) {
	if s.cr {
		return dst, ErrBody
	}
	if s.midLine {
		dst = append(dst, "\r\n"...)
	}
	return append(dst, ".\r\n"...), nil
}

// Bdat sends one chunk as it is, no dot doubled, no line looked at (RFC 3030). The
// last may be empty.
func (c *Client) Bdat(ctx context.Context, chunk []byte, last bool) (mail.Reply, error) {
	if c.options.LMTP {
		return mail.Reply{}, fmt.Errorf("%w: LMTP answers for each recipient, use LMTPData", ErrCommand)
	}
	reply, err := c.sendChunk(ctx, chunk, last)
	if err != nil || !reply.IsZero() {
		return reply, err
	}
	return c.await(ctx, "BDAT", c.options.DataTimeout)
}

// sendChunk sends one chunk. A reply is the last word of a server that hung up before.
func (c *Client) sendChunk(ctx context.Context, chunk []byte, last bool) (mail.Reply, error) {
	cmd := fmt.Sprintf("BDAT %d", len(chunk))
	if last {
		cmd += " LAST"
	}
	c.transcript.add(FromClient, c.tls != nil, cmd)
	c.transcript.add(FromClient, c.tls != nil, fmt.Sprintf("[%d octets of message]", len(chunk)))
	err := c.within(ctx, "BDAT", c.options.BlockTimeout, func() error {
		octets := net.Buffers{[]byte(cmd + "\r\n"), chunk}
		if len(chunk) == 0 {
			octets = octets[:1]
		}
		_, err := octets.WriteTo(c.conn)
		return err
	})
	if err != nil {
		return c.lastWord(ctx, "BDAT", err)
	}
	return mail.Reply{}, nil
}
