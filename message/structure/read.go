package structure

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// The bounds of a message. What lies beyond them is content, and not looked into.
const (
	maxDepth     = 50        // levels of parts
	maxParts     = 1000      // parts
	maxFields    = 256 << 10 // octets of all fields of one header that are looked at
	maxAllFields = 1 << 20   // and of all headers of a message, for what is kept is read again by the hundred;
	leastFields  = 2 << 10   // but so many of each
	maxBoundary  = 200       // octets, beyond the 70 of RFC 2046 section 5.1.1, which some overstep
	maxDelimiter = maxBoundary + 800
)

// Read takes a message apart, of any octets, and reads r to its end. The error is
// that of r.
func Read(r io.Reader) (*Message, error) {
	t := readers.Get().(*reader)
	defer readers.Put(t)
	t.start(r)
	m := &Message{}
	m.Root = t.entity(m, "text", "plain", 0)
	t.skip()
	m.Size = t.pos
	err := t.err
	t.start(nil)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return m, nil
}

var readers = sync.Pool{New: func() any { return &reader{buf: make([]byte, 16<<10)} }}

// reader goes through a message once, from line to line. Where it is at the beginning
// of one it looks for the delimiters of all multiparts that are open: one of an outer
// multipart ends the inner ones.
type reader struct {
	src  io.Reader
	err  error
	buf  []byte
	r, w int // what is read and not yet consumed: buf[r:w]

	pos      int64   // in the message
	ends     int64   // line ends before pos
	last     [2]byte // the last octets consumed
	lineHead bool    // pos is at the beginning of a line

	open []boundary // of the multiparts that pos is in, the outermost first
	hit  hit        // the delimiter that stopped skip
	// parts counts those begun.
	parts  int
	fields fields
}

type boundary struct{ text []byte }

// hit is where a part ends.
type hit struct {
	level   int  // in reader.open; -1: the message ended
	closing bool // it was the last delimiter of its multipart
	end     int64
	ends    int64 // line ends before end
}

func (t *reader) start(src io.Reader) {
	buf, open := t.buf, t.open[:0]
	f := t.fields
	f.octets, f.spent = f.octets[:0], 0
	f.reset()
	*t = reader{src: src, buf: buf, open: open, fields: f, lineHead: true}
}

// fill reads more behind what is in the buffer, and reports whether there was any.
func (t *reader) fill() bool {
	if t.r > 0 {
		t.w = copy(t.buf, t.buf[t.r:t.w])
		t.r = 0
	}
	for range 100 { // a Reader may give nothing for a while, but not for ever
		if t.err != nil || t.w == len(t.buf) {
			return false
		}
		n, err := t.src.Read(t.buf[t.w:])
		t.w, t.err = t.w+n, err
		if n > 0 {
			return true
		}
	}
	t.err = io.ErrNoProgress
	return false
}

// line shows the current line with its end, or as much of a long one as fits.
func (t *reader) line() []byte {
	for seen := 0; ; {
		if i := bytes.IndexByte(t.buf[t.r+seen:t.w], '\n'); i >= 0 {
			return t.buf[t.r : t.r+seen+i+1]
		}
		seen = t.w - t.r
		if !t.fill() {
			return t.buf[t.r:t.w]
		}
	}
}

// advance consumes n octets of the buffer.
func (t *reader) advance(n int) {
	if n == 0 {
		return
	}
	p := t.buf[t.r : t.r+n]
	t.ends += int64(bytes.Count(p, lineEnd))
	if n > 1 {
		t.last[0] = p[n-2]
	} else {
		t.last[0] = t.last[1]
	}
	t.last[1] = p[n-1]
	t.lineHead = p[n-1] == '\n'
	t.r += n
	t.pos += int64(n)
}

var (
	lineEnd = []byte("\n")
	dashes  = []byte("--")
	ahead   = []byte("\n--")
)

// skip goes to the next delimiter of an open multipart, or to the end of the message.
func (t *reader) skip() {
	for {
		if t.lineHead && t.delimiter() {
			return
		}
		p := t.buf[t.r:t.w]
		if len(p) == 0 {
			if !t.fill() {
				t.hit = hit{level: -1, end: t.pos, ends: t.ends}
				return
			}
			continue
		}
		t.advance(t.harmless(p))
	}
}

// harmless is how much of p, at least one octet, leads to no delimiter, or to the
// beginning of a line that may be one.
func (t *reader) harmless(p []byte) int {
	if len(t.open) == 0 {
		return len(p)
	}
	if i := bytes.Index(p, ahead); i >= 0 {
		return i + 1
	}
	if n := len(p); n > 1 && p[n-2] == '\n' && p[n-1] == '-' {
		return n - 1
	}
	return len(p)
}

// delimiter looks whether the line is one of an open multipart, and consumes it then
// (RFC 2046 section 5.1.1). White space may stand behind it.
func (t *reader) delimiter() bool {
	if len(t.open) == 0 || t.w-t.r >= len(dashes) && !bytes.HasPrefix(t.buf[t.r:t.w], dashes) {
		return false
	}
	line := t.line()
	if len(line) > maxDelimiter || !bytes.HasPrefix(line, dashes) {
		return false
	}
	text := bytes.TrimRight(line[len(dashes):], " \t\r\n")
	for level, b := range t.open {
		closing := len(text) == len(b.text)+len(dashes) && bytes.HasSuffix(text, dashes)
		if len(text) != len(b.text) && !closing || !bytes.HasPrefix(text, b.text) {
			continue
		}
		t.hit = hit{level: level, closing: closing, end: t.pos, ends: t.ends}
		// The line end before it is the delimiter's.
		if t.pos > 0 && t.last[1] == '\n' {
			t.hit.end, t.hit.ends = t.hit.end-1, t.hit.ends-1
			if t.pos > 1 && t.last[0] == '\r' {
				t.hit.end--
			}
		}
		t.advance(len(line))
		return true
	}
	return false
}

// entity reads a message or a part, header and body, through the delimiter that ends
// it. For a message m takes what its header says of it; for a part m is nil.
func (t *reader) entity(m *Message, kind, subtype string, depth int) *Part {
	t.parts++
	start := t.pos
	ended := t.header(m != nil)
	p := t.fields.part(kind, subtype)
	if m != nil {
		t.fields.message(m)
	}
	p.Header = Range{start, t.pos}
	if ended { // by a delimiter: there is no body
		p.Header.End = max(start, t.hit.end)
		p.Body = Range{p.Header.End, p.Header.End}
		p.becomeText()
		return p
	}
	before := t.ends
	t.body(p, depth)
	p.Body = Range{p.Header.End, max(p.Header.End, t.hit.end)}
	p.Lines = max(0, t.hit.ends-before)
	if p.IsMultipart() && len(p.Children) == 0 {
		p.Children = []*Part{{Type: "text", Subtype: "plain", Encoding: "7bit", Header: Range{p.Body.Start, p.Body.Start}, Body: p.Body, Lines: p.Lines}}
	}
	return p
}

// body reads what follows the header.
func (t *reader) body(p *Part, depth int) {
	deep := depth >= maxDepth || t.parts >= maxParts
	switch {
	case p.IsMultipart() && !deep:
		t.multipart(p, depth)
	case p.isEmbedded() && !deep && isIdentity(p.Encoding):
		inner := &Message{}
		p.Children = []*Part{t.entity(inner, "text", "plain", depth+1)}
		p.Envelope = &inner.Envelope
	case p.isEmbedded():
		// IMAP has no form for a message that is not taken apart.
		p.Type, p.Subtype = "application", "octet-stream"
		t.skip()
	default:
		t.skip()
	}
}

// isEmbedded reports whether the part calls itself a message.
func (p *Part) isEmbedded() bool {
	return p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
}

// isIdentity reports whether a message in this encoding can be read as it stands. RFC
// 2046 section 5.2.1 allows no other.
func isIdentity(encoding string) bool {
	return encoding == "7bit" || encoding == "8bit" || encoding == "binary"
}

// becomeText makes a container without a body one that IMAP has a form for.
func (p *Part) becomeText() {
	switch {
	case p.IsMultipart():
		p.Children = []*Part{{Type: "text", Subtype: "plain", Encoding: "7bit", Header: p.Body, Body: p.Body}}
	case p.isEmbedded():
		p.Type, p.Subtype = "application", "octet-stream"
	}
}

func (t *reader) multipart(p *Part, depth int) {
	text := p.boundary()
	if text == "" {
		t.skip()
		return
	}
	level := len(t.open)
	t.open = append(t.open, boundary{[]byte(text)})
	kind, subtype := "text", "plain"
	if p.Subtype == "digest" { // RFC 2046 section 5.1.5
		kind, subtype = "message", "rfc822"
	}
	for t.skip(); t.hit.level == level && !t.hit.closing && t.parts < maxParts; {
		p.Children = append(p.Children, t.entity(nil, kind, subtype, depth+1))
	}
	for t.hit.level == level && !t.hit.closing { // too many parts
		t.skip()
	}
	t.open = t.open[:level]
	if t.hit.level == level {
		t.skip() // the epilogue
	}
}

// boundary is the delimiter of a multipart, "" when it has none that can be used.
func (p *Part) boundary() string {
	for _, param := range p.Params {
		if param.Name == "boundary" && len(param.Value) <= maxBoundary {
			return param.Value
		}
	}
	return ""
}
