package submit

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/allgreen-mail/allgreen/message"
)

// Text makes a message of what a program pipes out: every line ends in CRLF,
// whether it ended in LF, CR or both, and so does the last one; NUL is dropped; a
// "From " line at the top is; and where a line stands that is no field, the body
// begins, as if the empty line before it had not been forgotten. It is for
// sendmail, devices and the API. SMTP with a login is not mended but refused: its
// programs can do better, and what is mended here reads differently elsewhere (RFC
// 6409 section 8 allows the one, "SMTP smuggling" is the other).
func Text(r io.Reader) io.Reader {
	return &headed{r: bufio.NewReaderSize(&lineEnds{r: r}, 64<<10), inHeader: true, first: true}
}

// lineEnds makes CRLF of every kind of line end.
type lineEnds struct {
	r     io.Reader
	in    [16 << 10]byte
	out   []byte
	ready []byte // of out, not yet read
	cr    bool   // the last octet was a CR; its CRLF is written already
	open  bool   // the last line has no end yet
	err   error
}

func (l *lineEnds) Read(p []byte) (int, error) {
	for len(l.ready) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		n, err := l.r.Read(l.in[:])
		l.out = l.out[:0]
		for _, c := range l.in[:n] {
			l.octet(c)
		}
		if l.err = err; errors.Is(err, io.EOF) && l.open {
			l.end()
		}
		l.ready = l.out
	}
	n := copy(p, l.ready)
	l.ready = l.ready[n:]
	return n, nil
}

func (l *lineEnds) octet(c byte) {
	after := l.cr
	l.cr = c == '\r'
	switch {
	case c == '\n' && after, c == 0:
	case c == '\n', c == '\r':
		l.end()
	default:
		l.out = append(l.out, c)
		l.open = true
	}
}

func (l *lineEnds) end() {
	l.out = append(l.out, '\r', '\n')
	l.open = false
}

// headed finds where the header of CRLF text ends.
type headed struct {
	r        *bufio.Reader
	ready    []byte
	inHeader bool
	first    bool // nothing was read yet
	fields   bool // a field was read
	within   bool // the last piece did not end its line
	buf      []byte
}

func (h *headed) Read(p []byte) (int, error) {
	for len(h.ready) == 0 {
		if !h.inHeader {
			return h.r.Read(p)
		}
		if err := h.line(); err != nil {
			return 0, err
		}
	}
	n := copy(p, h.ready)
	h.ready = h.ready[n:]
	return n, nil
}

// line reads the next line of the header, or as much of it as the buffer holds.
func (h *headed) line() error {
	line, err := h.r.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return err
	}
	h.buf = append(h.buf[:0], line...)
	h.ready = h.buf
	first, within := h.first, h.within
	h.first, h.within = false, errors.Is(err, bufio.ErrBufferFull)
	switch {
	case within:
	case first && (bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))):
		h.ready, h.first = nil, h.within
	case string(line) == "\r\n":
		h.inHeader = false
	case (line[0] == ' ' || line[0] == '\t') && h.fields && len(bytes.TrimSpace(line)) > 0:
	case message.ParseField(string(line)).Name() != "":
		h.fields = true
	default:
		h.inHeader = false
		h.buf = append(append(h.buf[:0], '\r', '\n'), line...)
		h.ready = h.buf
	}
	return nil
}
