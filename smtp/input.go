package smtp

import (
	"net"
	"sync"
)

// Sizes of the input buffers. Ten thousand idle clients wait with small ones, which
// hold any usual batch of commands; a large one is borrowed for a message, and as long
// as what came does not fit.
const (
	smallInput = 1 << 10
	largeInput = 32 << 10
)

// largeBuffers are shared by all conversations.
var largeBuffers = sync.Pool{New: func() any { return new([largeInput]byte) }}

// input is what came from a client and was not used yet.
type input struct {
	conn  net.Conn
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

// unused are the octets that wait. They are valid until the next call of more, grow or
// shrink.
func (in *input) unused() []byte { return in.buf()[in.r:in.w] }

// use takes n octets off the front.
func (in *input) use(n int) {
	in.r += n
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// more waits for at least one more octet. It makes room for it, and errs with
// errEndless when a large buffer has none.
func (in *input) more() error {
	buf := in.buf()
	if in.r > 0 {
		copy(buf, buf[in.r:in.w])
		in.r, in.w = 0, in.w-in.r
	}
	if in.w == len(buf) {
		if in.large != nil {
			return errEndless
		}
		in.grow()
		buf = in.buf()
	}
	n, err := in.conn.Read(buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

// grow borrows a large buffer.
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
