package message

import "fmt"

// maxLine is the longest line without its CRLF: RFC 5322 section 2.1.1, and RFC
// 5321 section 4.5.3.1.6 which counts the CRLF in.
const maxLine = 998

// Form counts what is wrong with the octets of a message written to it, header
// and body. The zero value is ready; Close ends the message.
type Form struct {
	Size        int64 // octets
	HeaderSize  int64 // octets, the empty line included
	Lines       int64
	BareCR      int64
	BareLF      int64
	NUL         int64
	LongLines   int64 // over 998 octets
	LongestLine int64 // octets without the line end
	EightBit    int64 // octets over 127 in the body
	HeaderEight int64 // octets over 127 in the header

	line    int64 // octets of the current line so far, without its end
	cr      bool  // the last octet was a CR
	inBody  bool
	crlfEnd int64 // lines that end in CRLF
}

// Write counts p; it never fails.
func (f *Form) Write(p []byte) (int, error) {
	for _, c := range p {
		f.octet(c)
	}
	f.Size += int64(len(p))
	return len(p), nil
}

func (f *Form) octet(c byte) {
	if !f.inBody {
		f.HeaderSize++
	}
	switch {
	case c == '\n':
		f.endLine()
		return
	case f.cr:
		f.BareCR++
		f.line++ // the CR was part of the line
		f.cr = false
	}
	switch {
	case c == '\r':
		f.cr = true
		return
	case c == 0:
		f.NUL++
	case c >= 0x80 && f.inBody:
		f.EightBit++
	case c >= 0x80:
		f.HeaderEight++
	}
	f.line++
}

func (f *Form) endLine() {
	if f.cr {
		f.crlfEnd++
	} else {
		f.BareLF++
	}
	f.Lines++
	f.inBody = f.inBody || f.line == 0
	f.measure()
	f.cr = false
}

func (f *Form) measure() {
	f.LongestLine = max(f.LongestLine, f.line)
	if f.line > maxLine {
		f.LongLines++
	}
	f.line = 0
}

// Close counts a last line that has no end.
func (f *Form) Close() error {
	if f.cr {
		f.BareCR++
		f.line++
		f.cr = false
	}
	f.measure()
	return nil
}

// Problems lists what is wrong. A message that has bare LF only, as a file on
// disk has, is not blamed for it: it was never on the wire.
func (f *Form) Problems() []Problem {
	var problems []Problem
	add := func(c Code, n int64) {
		if n > 0 {
			problems = append(problems, Problem{Code: c, Detail: fmt.Sprintf("%d times", n)})
		}
	}
	add(BareCR, f.BareCR)
	if f.crlfEnd > 0 {
		add(BareLF, f.BareLF)
	}
	add(NUL, f.NUL)
	add(LongLine, f.LongLines)
	return problems
}
