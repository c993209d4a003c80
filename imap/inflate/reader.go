package inflate

import (
	"errors"
	"io"
)

// ErrCorrupt is what nobody can inflate.
var ErrCorrupt = errors.New("not DEFLATE")

// Sizes in octets.
const (
	window  = 32 << 10 // how far back a copy may reach
	most    = 2 * window
	pending = 8 << 10 // how much is decoded before it is given out
)

// Reader inflates what a connection brings. It is for one goroutine.
type Reader struct {
	from io.Reader
	in   []byte // came and was not used yet
	buf  [512]byte
	err  error // of from

	bits  uint64 // the next ones, the lowest first
	count uint   // how many of them there are

	step    func(*Reader) verdict // what comes next
	final   bool                  // this block is the last
	left    int                   // octets of a stored block
	lengths [286 + 30 + 2]uint8   // of the codes of a dynamic block
	have    int                   // of lengths
	literal int                   // how many are of literals and lengths
	total   int
	coding  int // how many code length codes are sent
	codes   table
	symbols table
	offsets table

	out   []byte // what was decoded, as far back as copies reach
	given int    // octets of out that were given out
}

// verdict is what became of a step.
type verdict int

const (
	done    verdict = iota
	short           // bits are missing
	corrupt         //
	ended           // the last block is over
)

// NewReader makes a reader of what is deflated, without header and checksum.
func NewReader(from io.Reader) *Reader { return &Reader{from: from, step: (*Reader).block} }

// Read gives what can be inflated. It waits only when there is nothing.
func (r *Reader) Read(p []byte) (int, error) {
	for r.given == len(r.out) {
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.out[r.given:])
	r.given += n
	return n, nil
}

// more decodes until there is something and nothing more can be had without waiting.
func (r *Reader) more() error {
	r.slide()
	for len(r.out)-r.given < pending {
		r.fill()
		switch r.step(r) {
		case corrupt:
			r.step = (*Reader).broken
			return r.orOutput(ErrCorrupt)
		case ended:
			return r.orOutput(io.EOF)
		case short:
			if len(r.out) > r.given {
				return nil
			}
			if err := r.wait(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Reader) broken() verdict { return corrupt }

// orOutput has what was decoded before an error go out first.
func (r *Reader) orOutput(err error) error {
	if len(r.out) > r.given {
		return nil
	}
	return err
}

// slide forgets what no copy can reach any more.
func (r *Reader) slide() {
	if len(r.out) >= most {
		n := copy(r.out, r.out[len(r.out)-window:])
		r.out = r.out[:n]
		r.given = n
	}
}

// wait reads at least one octet more.
func (r *Reader) wait() error {
	if r.err != nil {
		return r.err
	}
	n, err := r.from.Read(r.buf[:])
	r.in = r.buf[:n]
	switch {
	case n > 0:
		r.err = err
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	return nil
}

// fill takes in as many bits as there is room for, without waiting: no step needs more.
func (r *Reader) fill() {
	for r.count <= 56 && len(r.in) > 0 {
		r.bits |= uint64(r.in[0]) << r.count
		r.count += 8
		r.in = r.in[1:]
	}
}

// look gives n bits from a place on; false when they are not all there.
func (r *Reader) look(at, n uint) (int, bool) {
	if at+n > r.count {
		return 0, false
	}
	return int(r.bits >> at & (1<<n - 1)), true
}

func (r *Reader) use(n uint) { r.bits, r.count = r.bits>>n, r.count-n }
