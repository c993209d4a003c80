package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// quotedPrintable undoes RFC 2045 section 6.7. What is against it stays as it is
// and is counted: mail programs show it, so must we.
type quotedPrintable struct {
	r      *bufio.Reader
	spaces []byte // held back: white space at the end of a line is no content
	out    []byte // decoded
	ready  []byte // of out, not yet read
	err    error  // the first
	bad    int    // "=" that introduces nothing
}

// maxSpaces is more than a line may have.
const maxSpaces = 1000

func (q *quotedPrintable) Read(p []byte) (int, error) {
	if len(q.ready) == 0 {
		q.fill()
	}
	if len(q.ready) == 0 {
		return 0, q.err
	}
	n := copy(p, q.ready)
	q.ready = q.ready[n:]
	return n, nil
}

// fill decodes some more, until the first error.
func (q *quotedPrintable) fill() {
	q.out = q.out[:0]
	for q.err == nil && len(q.out) < 1024 {
		q.err = q.next()
	}
	q.ready = q.out
}

// next decodes to the next escape, space or line end.
func (q *quotedPrintable) next() error {
	c, err := q.r.ReadByte()
	if err != nil {
		return err
	}
	switch {
	case (c == ' ' || c == '\t') && len(q.spaces) < maxSpaces:
		q.spaces = append(q.spaces, c)
	case c == '\n' || c == '\r' && q.follows('\n'):
		q.spaces = q.spaces[:0]
		q.emit(c)
	case c == '=':
		return q.escape()
	default:
		q.emit(c)
	}
	return nil
}

func (q *quotedPrintable) emit(c byte) {
	q.out = append(append(q.out, q.spaces...), c)
	q.spaces = q.spaces[:0]
}

func (q *quotedPrintable) follows(c byte) bool {
	next, _ := q.r.Peek(1)
	return len(next) == 1 && next[0] == c
}

// escape decodes what follows an equals sign: two digits, or a line end that is
// none.
func (q *quotedPrintable) escape() error {
	ahead, err := q.r.Peek(2)
	if len(ahead) == 2 {
		if hi, lo := hexDigit(ahead[0]), hexDigit(ahead[1]); hi >= 0 && lo >= 0 {
			q.emit(byte(hi<<4 | lo))
			_, err := q.r.Discard(2)
			return err
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	ahead, _ = q.r.Peek(min(76, q.r.Buffered()))
	blank := len(ahead) - len(bytes.TrimLeft(ahead, " \t\r"))
	switch {
	case blank < len(ahead) && ahead[blank] == '\n':
		blank++
	case blank < len(ahead):
		q.bad++
		q.emit('=')
		return nil
	}
	q.out = append(q.out, q.spaces...) // a soft line break keeps what is before it
	q.spaces = q.spaces[:0]
	_, err = q.r.Discard(blank)
	return err
}
