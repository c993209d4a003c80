package message

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits bound what reading a message may cost. A zero field means its default.
type Limits struct {
	Header int // octets of one header; default 256 KB
	Fields int // fields of one header; default 4,000
	Depth  int // levels of nested parts; default 20
	Parts  int // parts of one message; default 1,000
}

func (l Limits) orDefaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Header, 256<<10)
	set(&l.Fields, 4000)
	set(&l.Depth, 20)
	set(&l.Parts, 1000)
	return l
}

// ErrHeaderTooLarge says that a header went past Limits; what came before is kept.
var ErrHeaderTooLarge = errors.New("the header is too large")

// Message is a header and a body that has not been read yet.
type Message struct {
	Header Header
	Body   io.Reader
}

// Read reads the header and leaves the body in the stream. The error is that of
// ReadHeader, and the Message holds what could be read.
func Read(r io.Reader, l Limits) (*Message, error) {
	br := bufio.NewReaderSize(r, 4096)
	h, err := ReadHeader(br, l)
	return &Message{h, br}, err
}

// ReadHeader reads up to and including the empty line and leaves the body in r.
// Lines may end in CRLF or LF. A line that is no field is kept, under an empty
// name, and the reading goes on: what others may take for a field or for the
// body must stay visible. The error is ErrHeaderTooLarge or that of r; the end
// of the input is none.
func ReadHeader(r *bufio.Reader, l Limits) (Header, error) {
	l = l.orDefaults()
	text, err := readHeaderText(r, l.Header)
	h := parseHeader(text, l.Fields)
	if errors.Is(err, ErrHeaderTooLarge) {
		h.Problems = append(h.Problems, Problem{Code: HeaderTooLarge, Detail: err.Error()})
	}
	return h, err
}

// ParseHeader reads a header that is in memory already, up to its empty line or
// its end, with the default limit of fields.
func ParseHeader(text string) Header {
	return parseHeader(text, Limits{}.orDefaults().Fields)
}

// readHeaderText reads through the empty line.
func readHeaderText(r *bufio.Reader, limit int) (string, error) {
	buf := make([]byte, 0, 2048)
	start := 0 // of the current line
	for {
		chunk, err := r.ReadSlice('\n')
		if len(buf)+len(chunk) > limit {
			return string(buf[:start]), fmt.Errorf("%w: over %d octets", ErrHeaderTooLarge, limit)
		}
		buf = append(buf, chunk...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return string(buf), nil
		case err != nil:
			return string(buf), fmt.Errorf("read the header: %w", err)
		case isLineEnd(buf[start:]):
			return string(buf), nil
		}
		start = len(buf)
	}
}

func isLineEnd(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// parseHeader cuts the text into fields; they share its memory.
func parseHeader(text string, maxFields int) Header {
	h := Header{Fields: make([]Field, 0, 24)}
	rest := text
	for rest != "" {
		raw := cutField(rest)
		rest = rest[len(raw):]
		if raw == "\n" || raw == "\r\n" {
			break
		}
		if len(h.Fields) == maxFields {
			h.Problems = append(h.Problems, Problem{Code: TooManyFields, Detail: fmt.Sprintf("over %d", maxFields)})
			break
		}
		f := ParseField(raw)
		h.noteForm(f)
		h.Fields = append(h.Fields, f)
	}
	h.Size = len(text) - len(rest)
	return h
}

// cutField is the first line of s with its continuations (RFC 5322 section 2.2.3).
func cutField(s string) string {
	end := 0
	for {
		i := strings.IndexByte(s[end:], '\n')
		if i < 0 {
			return s
		}
		first := end == 0
		line := s[end : end+i+1]
		end += i + 1
		if first && (line == "\n" || line == "\r\n") {
			return line
		}
		if end == len(s) || s[end] != ' ' && s[end] != '\t' {
			return s[:end]
		}
	}
}

// noteForm records what is odd about the next field before it is appended.
func (h *Header) noteForm(f Field) {
	first := len(h.Fields) == 0
	switch {
	case first && strings.HasPrefix(f.raw, "From "):
		h.note(MboxLine, f)
	case first && (f.raw[0] == ' ' || f.raw[0] == '\t'):
		h.note(LeadingFold, f)
	case f.colon == 0:
		h.note(NotAField, f)
	case f.raw[f.colon-1] == ' ' || f.raw[f.colon-1] == '\t':
		h.note(SpaceInName, f)
	}
	if hasBlankFold(f.Body()) {
		h.note(BlankFold, f)
	}
}

func (h *Header) note(c Code, f Field) {
	h.Problems = append(h.Problems, Problem{Code: c, Field: f.Name(), Detail: fmt.Sprintf("%.60q", f.raw)})
}

// hasBlankFold finds continuations of white space only, which some take for the
// end of the header (RFC 5322 section 3.2.2 forbids making them).
func hasBlankFold(body string) bool {
	_, rest, more := strings.Cut(body, "\n")
	for more {
		var line string
		line, rest, more = strings.Cut(rest, "\n")
		if strings.Trim(line, " \t\r") == "" {
			return true
		}
	}
	return false
}
