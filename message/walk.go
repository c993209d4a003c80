package message

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrStop ends a Walk early without an error.
var ErrStop = errors.New("stop walking")

// Walk shows every part of the message in order, containers before what they
// hold. The body is read once, to its end, and never held in memory; the content
// of a part can be read only during its call. Walk returns what is wrong with the
// structure, and the first error of the visitor or of the body's stream; ErrStop
// is none.
func (m *Message) Walk(l Limits, visit func(*Part) error) ([]Problem, error) {
	w := &walker{limits: l.orDefaults(), visit: visit}
	body := bufio.NewReader(tagErrors{m.Body})
	err := w.part(newPart(m.Header, "text/plain"), body, "", 0)
	if errors.Is(err, ErrStop) {
		err = nil
	}
	return w.problems, err
}

type walker struct {
	limits   Limits
	visit    func(*Part) error
	parts    int
	problems []Problem
}

// maxProblems bounds the list: a hostile message could earn one for every part.
const maxProblems = 100

func (w *walker) note(p Problem) {
	if len(w.problems) < maxProblems {
		w.problems = append(w.problems, p)
	}
}

// part shows a part whose header is read and goes on below it.
func (w *walker) part(p *Part, r *bufio.Reader, number string, depth int) error {
	if w.parts++; w.parts > w.limits.Parts {
		w.note(Problem{Code: TooManyParts, Part: number, Detail: fmt.Sprintf("over %d", w.limits.Parts)})
		return ErrStop
	}
	p.Number, p.Depth = number, depth
	boundary, holds := w.container(p)
	if !holds && number == "" {
		p.Number = "1"
	}
	p.report = func(problem Problem) {
		problem.Part = p.Number
		w.note(problem)
	}
	if !holds {
		p.body = r
	}
	if err := w.visit(p); err != nil {
		return err
	}
	if p.undecodable != nil && p.undecodable() > 0 {
		p.report(Problem{Code: BadEncoding, Detail: fmt.Sprintf("%d escapes that are none", p.undecodable())})
	}
	switch {
	case !holds:
	case boundary != "":
		if err := w.multipart(p, r, boundary); err != nil {
			return err
		}
	default:
		if err := w.embedded(p, r); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, r) // what nobody read, and the epilogue
	return err
}

// container reports whether the part is taken apart, and a multipart's boundary.
func (w *walker) container(p *Part) (boundary string, holds bool) {
	multipart := strings.HasPrefix(p.Type, "multipart/")
	embedded := p.Type == "message/rfc822" || p.Type == "message/global"
	if !multipart && !embedded {
		return "", false
	}
	if p.Depth >= w.limits.Depth {
		w.note(Problem{Code: TooDeep, Part: p.Number, Detail: fmt.Sprintf("over %d levels", w.limits.Depth)})
		return "", false
	}
	switch p.Encoding {
	case "7bit", "8bit", "binary":
	default:
		if embedded {
			return "", false // RFC 2046 section 5.2.1 forbids it; its content can still be read
		}
		// RFC 2045 section 6.4 forbids it, and everybody ignores it.
		w.note(Problem{Code: BadEncoding, Part: p.Number, Detail: p.Type + " in " + p.Encoding})
	}
	if embedded {
		return "", true
	}
	boundary = strings.TrimRight(p.Params["boundary"], " ")
	if boundary == "" || len(boundary) > maxBoundary {
		w.note(Problem{Code: NoBoundary, Part: p.Number, Detail: fmt.Sprintf("%.40q", boundary)})
		return "", false
	}
	return boundary, true
}

// maxBoundary is beyond the 70 of RFC 2046 section 5.1.1, which some overstep.
const maxBoundary = 200

func (w *walker) multipart(p *Part, r *bufio.Reader, boundary string) error {
	s := &section{r: r, delimiter: []byte("--" + boundary), lineStart: true}
	if _, err := io.Copy(io.Discard, s); err != nil { // the preamble
		return err
	}
	fallback := "text/plain"
	if p.Type == "multipart/digest" {
		fallback = "message/rfc822"
	}
	prefix := p.Number
	if prefix != "" {
		prefix += "."
	}
	for i := 1; s.next(); i++ {
		if err := w.child(s, fallback, prefix+strconv.Itoa(i), p.Depth+1); err != nil {
			return err
		}
	}
	if !s.closed {
		w.note(Problem{Code: Unclosed, Part: p.Number})
	}
	return nil
}

func (w *walker) child(s io.Reader, fallback, number string, depth int) error {
	r := bufio.NewReaderSize(s, 4096)
	h, err := w.header(r, number)
	if err != nil {
		return err
	}
	return w.part(newPart(h, fallback), r, number, depth)
}

// header reads the header of a part. One that is too large ends up in the
// content; the walk goes on.
func (w *walker) header(r *bufio.Reader, number string) (Header, error) {
	h, err := ReadHeader(r, w.limits)
	for _, problem := range h.Problems {
		problem.Part = number
		w.note(problem)
	}
	if errors.Is(err, ErrHeaderTooLarge) {
		err = nil
	}
	return h, err
}

// embedded goes into a message within the message. As IMAP counts, its parts are
// numbered below it, and a message of one part is part 1 of it.
func (w *walker) embedded(p *Part, r *bufio.Reader) error {
	h, err := w.header(r, p.Number)
	if err != nil {
		return err
	}
	inner := newPart(h, "text/plain")
	number := p.Number
	if !strings.HasPrefix(inner.Type, "multipart/") {
		number = strings.TrimPrefix(number+".1", ".")
	}
	return w.part(inner, r, number, p.Depth+1)
}

// section reads up to the next delimiter line of one multipart. The line end
// before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1), so every
// line end is held back until the next line is seen.
type section struct {
	r         *bufio.Reader
	delimiter []byte
	lineStart bool
	ended     bool // at a delimiter or at the end of the input
	found     bool // at a delimiter
	closed    bool // it was the last one

	buf   []byte
	ready []byte // of buf, not yet read
	held  []byte // the line end held back: "\r\n", "\n" or nothing
}

// next goes into the section behind the delimiter that ended the last one.
func (s *section) next() bool {
	if !s.found || s.closed {
		return false
	}
	s.ended, s.found, s.lineStart = false, false, true
	s.held, s.ready = nil, nil
	return true
}

func (s *section) Read(p []byte) (int, error) {
	for len(s.ready) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

// fill reads one line, or a piece of a long one.
func (s *section) fill() error {
	line, err := s.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		s.ended = true
	case err != nil && !errors.Is(err, bufio.ErrBufferFull):
		return err
	}
	if s.lineStart && s.isDelimiter(line) {
		s.ended, s.found = true, true
		return nil
	}
	s.lineStart = err == nil
	text := line
	if err == nil {
		text = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	}
	s.buf = append(append(s.buf[:0], s.held...), text...)
	s.held = append(s.held[:0], line[len(text):]...)
	if s.ended {
		s.buf = append(s.buf, s.held...) // nothing delimits it
	}
	s.ready = s.buf
	return nil
}

// isDelimiter recognises "--boundary" and "--boundary--", each with white space
// behind.
func (s *section) isDelimiter(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, s.delimiter)
	if !ok {
		return false
	}
	rest = bytes.TrimRight(rest, " \t\r\n")
	s.closed = string(rest) == "--"
	return len(rest) == 0 || s.closed
}

// tagErrors marks the errors of the body's stream, so that decoders above it
// cannot pass for it.
type tagErrors struct{ r io.Reader }

func (t tagErrors) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &readError{err}
	}
	return n, err
}
