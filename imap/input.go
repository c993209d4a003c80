package imap

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// Sizes of the input buffers. A thousand idle clients wait with small ones; a large one
// is borrowed for what does not fit.
const (
	smallInput = 512
	largeInput = 32 << 10
)

// largeBuffers are shared by all sessions.
var largeBuffers = sync.Pool{New: func() any { return new([largeInput]byte) }}

// What is wrong with a line.
var (
	errTooLong  = errors.New("the line is too long")
	errBareLine = errors.New("a line ended in a bare LF")
	errEndless  = errors.New("a line without an end")
)

// input is what came from a client and was not used yet.
type input struct {
	from  io.Reader
	wait  func() error // before every read
	r, w  int
	large *[largeInput]byte // nil: small counts
	small [smallInput]byte
}

func (in *input) buf() []byte {
	if in.large != nil {
		return in.large[:]
	}
	return in.small[:]
}

// unused are the octets that wait, valid until the next call of anything else.
func (in *input) unused() []byte { return in.buf()[in.r:in.w] }

func (in *input) use(n int) {
	if in.r += n; in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// more waits for at least one more octet.
func (in *input) more() error {
	buf := in.buf()
	if in.r > 0 {
		copy(buf, buf[in.r:in.w])
		in.r, in.w = 0, in.w-in.r
	}
	if in.w == len(buf) {
		in.grow()
		buf = in.buf()
	}
	if err := in.wait(); err != nil {
		return err
	}
	n, err := in.from.Read(buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

func (in *input) grow() {
	if in.large == nil {
		large := largeBuffers.Get().(*[largeInput]byte)
		in.w = copy(large[:], in.small[in.r:in.w])
		in.r, in.large = 0, large
	}
}

// shrink gives the large buffer back when what waits fits into the small one.
func (in *input) shrink() {
	if in.large != nil && in.w-in.r <= smallInput {
		large := in.large
		in.w = copy(in.small[:], large[in.r:in.w])
		in.r, in.large = 0, nil
		largeBuffers.Put(large)
	}
}

// drop forgets what waits and gives the large buffer back.
func (in *input) drop() {
	in.r, in.w = 0, 0
	in.shrink()
}

// maxSkipped is how much of a line that is too long is read to find its end.
const maxSkipped = 1 << 20

// line adds one line to text, without its CRLF, up to limit octets of it. Only CRLF ends
// a line. A longer one is read to its end, and is errTooLong; one that does not seem to
// have an end is errEndless.
func (in *input) line(text []byte, limit int) ([]byte, error) {
	from, skipped := len(text), 0
	for {
		waiting := in.unused()
		i := bytes.IndexByte(waiting, '\n')
		n := i + 1
		if i < 0 {
			n = len(waiting)
		}
		if skipped > 0 || len(text)-from+n > limit+2 {
			skipped += n
		} else {
			text = append(text, waiting[:n]...)
		}
		in.use(n)
		switch {
		case skipped > maxSkipped:
			return text[:from], errEndless
		case i >= 0 && skipped > 0:
			return text[:from], errTooLong
		case i >= 0 && !bytes.HasSuffix(text[from:], []byte("\r\n")):
			return text[:from], errBareLine
		case i >= 0:
			return text[:len(text)-2], nil
		}
		if err := in.more(); err != nil {
			return text, err
		}
	}
}

// octets takes n octets and writes them to w. When w fails the rest is taken all the
// same; lost is why the connection gives nothing more.
func (in *input) octets(n int64, w io.Writer) (failed, lost error) {
	in.grow()
	for n > 0 {
		if len(in.unused()) == 0 {
			if err := in.more(); err != nil {
				return failed, err
			}
		}
		some := in.unused()
		some = some[:min(int64(len(some)), n)]
		if failed == nil {
			_, failed = w.Write(some)
		}
		in.use(len(some))
		n -= int64(len(some))
	}
	return failed, nil
}
