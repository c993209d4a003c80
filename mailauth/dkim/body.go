package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// noLimit is the length of a signature without l=.
const noLimit = -1

// bodyHash is the SHA-256 of one canonical form of a body, up to a limit.
type bodyHash struct {
	form  Canonicalization
	limit int64 // octets, or noLimit
	sha   hash.Hash
	left  int64  // octets that still fit
	sum   []byte // when the body has ended
}

func (b *bodyHash) write(p []byte) {
	if b.limit != noLimit {
		p = p[:min(int64(len(p)), b.left)]
		b.left -= int64(len(p))
	}
	b.sha.Write(p)
}

// bodies hashes one body for several signatures: every canonical form is made
// once, every hash with its limit is computed once.
type bodies struct {
	forms  [2]*bodyForm // by Canonicalization; nil when nobody asks for it
	closed bool
}

// want makes sure that a hash is computed and returns it; only before the first Write.
func (b *bodies) want(form Canonicalization, limit int64) *bodyHash {
	if b.forms[form] == nil {
		b.forms[form] = &bodyForm{relaxed: form == Relaxed, out: make([]byte, 0, 2048)}
	}
	f := b.forms[form]
	for _, h := range f.hashes {
		if h.limit == limit {
			return h
		}
	}
	h := &bodyHash{form: form, limit: limit, sha: sha256.New(), left: limit}
	f.hashes = append(f.hashes, h)
	return h
}

func (b *bodies) Write(p []byte) (int, error) {
	for _, f := range b.forms {
		if f != nil {
			f.write(p)
		}
	}
	return len(p), nil
}

func (b *bodies) close() {
	if b.closed {
		return
	}
	b.closed = true
	for _, f := range b.forms {
		if f != nil {
			f.close()
		}
	}
}

// size is the length of a canonical form in octets.
func (b *bodies) size(form Canonicalization) int64 { return b.forms[form].size }

// bodyForm makes one canonical form of a body that comes in pieces (RFC 6376
// sections 3.4.3 and 3.4.4). Line ends are held back until something follows,
// so that the empty lines at the end never come out.
type bodyForm struct {
	relaxed bool
	hashes  []*bodyHash
	size    int64

	out   []byte
	lines int64 // line ends held back
	cr    bool  // a CR came last: half a line end, or an octet
	space bool  // relaxed: white space came before that
}

func (f *bodyForm) write(p []byte) {
	look := wilds{text: p}
	for len(p) > 0 {
		c := p[0]
		switch {
		case c == '\n':
			f.lines++
			f.cr, f.space = false, false
		case f.cr:
			f.cr = false
			f.content("\r")
			continue // c is judged again
		case c == '\r':
			f.cr = true
		case f.relaxed && (c == ' ' || c == '\t'):
			f.space = true
		case f.lines > 0 || f.size == 0:
			// At the beginning of a line: whole lines that are canonical as they are need
			// no look at each octet.
			tame := p
			if f.relaxed {
				tame = p[:look.before(len(look.text)-len(p))]
			}
			if n := plain(tame); n > 0 {
				f.begin()
				f.emit(p[:n-len(crlf)])
				f.lines = 1
				p = p[n:]
				continue
			}
			fallthrough
		default:
			n := f.run(p)
			f.begin()
			f.emit(p[:n])
			p = p[n:]
			continue
		}
		p = p[1:]
	}
}

// plain is the length of the lines at the beginning of p that are canonical in both
// forms and not empty, each with its line end.
func plain(p []byte) (n int) {
	for {
		line := p[n:]
		end := bytes.IndexByte(line, '\n')
		if end < 2 || bytes.IndexByte(line[:end], '\r') != end-1 {
			return n
		}
		n += end + 1
	}
}

// wilds finds the white space that relaxed form changes. Looking ahead through all of
// the text is much faster than looking at each line, and nothing is looked at twice.
type wilds struct {
	text []byte
	next [3]int // of each kind, where it was last looked for
}

var wild = [...][]byte{[]byte("\t"), []byte("  "), []byte(" \r")}

// before is how many octets from a place on have none.
func (w *wilds) before(place int) int {
	first := len(w.text)
	for i, what := range wild {
		if w.next[i] <= place {
			if w.next[i] = bytes.Index(w.text[place:], what); w.next[i] < 0 {
				w.next[i] = len(w.text)
			} else {
				w.next[i] += place
			}
		}
		first = min(first, w.next[i])
	}
	return first - place
}

// run is the length of the text at the beginning of p that is copied as it is. A
// single space between words is text in both forms.
func (f *bodyForm) run(p []byte) int {
	for i, c := range p {
		switch {
		case c > ' ':
		case c == '\n' || c == '\r':
			return i
		case f.relaxed && c == '\t', f.relaxed && c == ' ' && (i+1 == len(p) || p[i+1] <= ' '):
			return i
		}
	}
	return len(p)
}

func (f *bodyForm) content(s string) {
	f.begin()
	f.emit([]byte(s))
}

// begin writes what was held back before more text.
func (f *bodyForm) begin() {
	for ; f.lines > 0; f.lines-- {
		f.emit(crlf)
	}
	if f.space {
		f.emit(oneSpace)
		f.space = false
	}
}

var (
	crlf     = []byte("\r\n")
	oneSpace = []byte(" ")
)

func (f *bodyForm) emit(p []byte) {
	f.size += int64(len(p))
	if len(f.out)+len(p) > cap(f.out) {
		f.flush()
		if len(p) > cap(f.out) {
			f.hash(p)
			return
		}
	}
	f.out = append(f.out, p...)
}

func (f *bodyForm) flush() {
	f.hash(f.out)
	f.out = f.out[:0]
}

func (f *bodyForm) hash(p []byte) {
	for _, h := range f.hashes {
		h.write(p)
	}
}

// close ends the body: one line end after the last text. A body without text is
// one CRLF in simple form and nothing in relaxed form.
func (f *bodyForm) close() {
	if f.cr {
		f.cr = false
		f.content("\r")
	}
	f.lines, f.space = 0, false
	if f.size > 0 || !f.relaxed {
		f.emit(crlf)
	}
	f.flush()
	for _, h := range f.hashes {
		h.sum = h.sha.Sum(nil)
	}
}
