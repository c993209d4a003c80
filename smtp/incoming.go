package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Why a message that a Session reads is not whole. The server answers by itself then.
var (
	ErrTooLarge = errors.New("the message is larger than the server takes")
	ErrBareLine = errors.New("a line of the message has a bare CR or LF")
	ErrNUL      = errors.New("the message has a NUL")
	ErrLongLine = errors.New("a line of the message is too long")
	ErrSlow     = errors.New("the client sends too slowly")
	ErrGivenUp  = errors.New("the client gave the message up")
)

const (
	// maxTextLine is the longest line of a message. RFC 5321 section 4.5.3.1.6 allows
	// 1000 octets, but pages of HTML come in one line, and whoever refuses those loses
	// wanted mail. No line is ever held in memory.
	maxTextLine = 1 << 20
	// slowest is the rate in octets a second below which a client is cut off, once it
	// has used up the time-out of one block beside. A modem of 1985 is faster.
	slowest = 128
	// leastDrained is how much of a refused message is read at the least, so that the
	// client comes to read the refusal. Above that it is twice the largest message.
	leastDrained = 16 << 20
)

// incoming is a message on its way in. It finds the one true end and nothing else:
// CRLF.CRLF (RFC 5321 section 4.1.1.4), or the last octet of the last chunk (RFC 3030).
// A fault of the message does not end it; what follows the fault is not given out.
type incoming struct {
	c *conversation

	chunked bool   // BDAT: no dots, and left counts
	left    int64  // octets of this chunk still to come
	last    bool   // no chunk follows
	pending string // the command that came instead of a chunk

	began  time.Time
	size   int64  // octets of the message given out
	taken  int64  // octets used off the wire
	line   int    // octets of the line so far
	atLine bool   // CRLF came last, or nothing yet
	cr     bool   // a chunk ended in CR, which was not given out yet
	soft   bool   // with Normalize: a bare line end came last
	run    []byte // what Read could not give out at once

	err   error // why nothing more is given out; io.EOF for a whole message
	ended bool  // the true end was read
	lost  error // why the connection gives nothing more
}

func newIncoming(c *conversation) *incoming {
	return &incoming{c: c, atLine: true, began: time.Now()} // elapsed
}

// Read gives the octets of the message.
func (in *incoming) Read(p []byte) (int, error) {
	for len(in.run) == 0 {
		run, err := in.next()
		if err != nil {
			return 0, err
		}
		in.run = run
	}
	n := copy(p, in.run)
	in.run = in.run[n:]
	return n, nil
}

// WriteTo gives the octets of the message as they lie in the buffer.
func (in *incoming) WriteTo(w io.Writer) (int64, error) {
	var total int64
	run := in.run
	in.run = nil
	for {
		if len(run) > 0 {
			n, err := w.Write(run)
			total += int64(n)
			if err != nil {
				return total, err
			}
		}
		var err error
		switch run, err = in.next(); {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// next gives the next octets of the message, valid until the next call.
func (in *incoming) next() ([]byte, error) {
	for in.err == nil {
		run, err := in.step()
		in.size += int64(len(run))
		switch {
		case err != nil:
			in.err = err
		case in.size > in.c.server.options.MaxSize:
			in.err = ErrTooLarge
		case bytes.IndexByte(run, 0) >= 0:
			in.err = ErrNUL
		case in.line > maxTextLine:
			in.err = ErrLongLine
		case len(run) > 0:
			return run, nil
		}
	}
	return nil, in.err
}

// crlf stands for a line end that does not lie in the buffer in one piece.
var crlf = []byte("\r\n")

// step uses octets of the input and gives what of them belongs to the message: all,
// some, or none.
func (in *incoming) step() ([]byte, error) {
	waiting, err := in.waiting()
	switch {
	case err == io.EOF && in.cr:
		return in.afterCR(nil)
	case err == io.EOF && in.chunked && !in.atLine && !in.soft:
		// A message in chunks whose last line has no end gets one (RFC 5321 section
		// 2.3.8). No signature breaks by that (RFC 6376 section 3.4.3 and 3.4.4).
		in.endLine(true)
		return crlf, nil
	case err != nil:
		return nil, err
	case in.cr:
		return in.afterCR(waiting)
	case in.atLine && waiting[0] == '.' && !in.chunked:
		return nil, in.dot(waiting)
	case in.c.server.options.Normalize:
		return in.lenient(waiting)
	}
	n, err := in.scan(waiting)
	in.take(n)
	if n == 0 && err == nil { // a CR alone: what follows decides
		err = in.holdCR()
	}
	return waiting[:n], err
}

// waiting are the octets at hand, of this chunk only, and at least one. io.EOF is the
// end of the last chunk.
func (in *incoming) waiting() ([]byte, error) {
	for in.chunked && in.left == 0 {
		if in.last {
			in.ended = true
			return nil, io.EOF
		}
		if err := in.c.nextChunk(in); err != nil {
			return nil, err
		}
	}
	for len(in.c.in.unused()) == 0 {
		if err := in.more(); err != nil {
			return nil, err
		}
	}
	waiting := in.c.in.unused()
	if in.chunked && int64(len(waiting)) > in.left {
		waiting = waiting[:in.left]
	}
	return waiting, nil
}

// take uses n octets.
func (in *incoming) take(n int) {
	in.c.in.use(n)
	in.taken += int64(n)
	if in.chunked {
		in.left -= int64(n)
	}
}

// more waits for more octets.
func (in *incoming) more() error {
	in.c.in.grow()
	if err := in.c.await(in.patience(), false); err != nil {
		return in.lose(err)
	}
	return nil
}

// patience is how long the next octets, or the next chunk, are waited for: a block's
// time-out each, and in all as long as a client needs that keeps to the slowest rate.
func (in *incoming) patience() time.Time {
	limit := in.c.server.options.DataTimeout
	until := in.c.tick().Add(limit)
	if rated := in.began.Add(limit + time.Duration(in.taken/slowest)*time.Second); rated.Before(until) {
		return rated
	}
	return until
}

// lose ends the message with the connection.
func (in *incoming) lose(err error) error {
	in.lost = ErrSlow
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		in.lost = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return in.lost
}

// dot decides what a dot at the beginning of a line is: the end, or one that the client
// put there (RFC 5321 section 4.5.2).
func (in *incoming) dot(waiting []byte) error {
	const end = ".\r\n"
	switch {
	case len(waiting) >= len(end) && string(waiting[:len(end)]) == end:
		in.take(len(end))
		in.ended = true
		return io.EOF
	case len(waiting) < len(end) && end[:len(waiting)] == string(waiting):
		return in.more()
	}
	in.take(1)
	in.atLine = false
	return nil
}

// scan finds how many octets are lines and parts of a line without fault. It stops
// before a dot that begins a line, and before a CR at the very end.
func (in *incoming) scan(b []byte) (n int, fault error) {
	for n < len(b) {
		if n > 0 && b[n] == '.' && in.atLine && !in.chunked {
			return n, nil
		}
		rest := b[n:]
		lf := bytes.IndexByte(rest, '\n')
		if lf >= 0 {
			rest = rest[:lf+1]
		}
		switch cr := bytes.IndexByte(rest, '\r'); {
		case lf > 0 && cr == lf-1:
			in.line += len(rest)
			if in.line > maxTextLine {
				return n, ErrLongLine
			}
			in.endLine(true)
		case lf >= 0, cr >= 0 && cr < len(rest)-1:
			return n, ErrBareLine
		case cr >= 0:
			in.inLine(cr)
			return n + cr, nil
		default:
			in.inLine(len(rest))
		}
		n += len(rest)
	}
	return n, nil
}

// inLine notes that n octets of a line went by.
func (in *incoming) inLine(n int) {
	if n > 0 {
		in.line += n
		in.atLine, in.soft = false, false
	}
}

// endLine notes a line end: CRLF, or with Normalize a bare one, behind which no dot
// ends the data.
func (in *incoming) endLine(strict bool) { in.line, in.atLine, in.soft = 0, strict, !strict }

// holdCR waits for what follows a CR at the end of what is at hand. It may be in the
// next chunk.
func (in *incoming) holdCR() error {
	if in.chunked && in.left == 1 {
		in.take(1)
		in.cr = true
		return nil
	}
	return in.more()
}

// afterCR goes on behind a CR that ended the chunk before.
func (in *incoming) afterCR(waiting []byte) ([]byte, error) {
	in.cr = false
	switch {
	case len(waiting) > 0 && waiting[0] == '\n':
		in.take(1)
		in.endLine(true)
	case in.c.server.options.Normalize:
		in.endLine(false)
	default:
		return nil, ErrBareLine
	}
	return crlf, nil
}

// lenient makes CRLF of every line end.
func (in *incoming) lenient(waiting []byte) ([]byte, error) {
	if in.soft && waiting[0] == '.' && !in.chunked {
		// A client whose lines end in LF doubles the dots behind LF.
		if len(waiting) == 1 {
			return nil, in.more()
		}
		in.soft = false
		if waiting[1] == '.' {
			in.take(1)
			waiting = waiting[1:]
		}
	}
	text := waiting
	if lf := bytes.IndexByte(text, '\n'); lf >= 0 {
		text = text[:lf]
	}
	if cr := bytes.IndexByte(text, '\r'); cr >= 0 {
		text = text[:cr]
	}
	switch n := len(text); {
	case n > 0:
		in.inLine(n)
		in.take(n)
		return text, nil
	case waiting[0] == '\n':
		in.take(1)
		in.endLine(false)
	case len(waiting) == 1:
		return nil, in.holdCR()
	case waiting[1] == '\n':
		in.take(2)
		in.endLine(true)
	default:
		in.take(1)
		in.endLine(false)
	}
	return crlf, nil
}

// drain reads what is left of a message that is refused: to its true end, in chunks
// to the end of this one. A client that sends without end is not read on; the
// conversation is over then.
func (in *incoming) drain() {
	limit := max(leastDrained, 2*in.c.server.options.MaxSize)
	for !in.ended && in.lost == nil && (!in.chunked || in.left > 0) {
		if in.taken > limit || in.chunked && in.left > limit {
			in.lost = errEndless
			return
		}
		waiting, err := in.waiting()
		if err != nil {
			return
		}
		if in.atLine && waiting[0] == '.' && !in.chunked {
			in.dot(waiting) // says by ended and lost what it found
			continue
		}
		in.skip(waiting)
	}
	in.ended = in.ended || in.chunked && in.last && in.left == 0
}

// skip uses octets up to the next CRLF.
func (in *incoming) skip(waiting []byte) {
	n, whole := len(waiting), false
	if i := bytes.Index(waiting, crlf); i >= 0 {
		n, whole = i+len(crlf), true
	} else if waiting[n-1] == '\r' && (!in.chunked || in.left > int64(n)) {
		n-- // its LF may come
	}
	if n == 0 {
		in.more()
		return
	}
	in.take(n)
	in.atLine = whole
}
