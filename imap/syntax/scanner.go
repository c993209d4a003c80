package syntax

import (
	"bytes"
	"fmt"
	"strings"
)

// Error is a command that nobody can read.
type Error struct {
	Tag  string // of the command; empty when that could not be read either
	At   int    // octets before the fault
	What string // was expected, or is wrong
}

// Error says what is wrong where.
func (e *Error) Error() string { return fmt.Sprintf("at octet %d: %s", e.At, e.What) }

// scanner reads a command from the left to the right. After the first fault it reads
// nothing more, so callers look at err once, at the end.
type scanner struct {
	text []byte
	at   int
	utf8 bool // names of folders are UTF-8
	err  error
}

// fail notes the first fault.
func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = &Error{At: s.at, What: fmt.Sprintf(format, args...)}
	}
}

// peek is the next octet, 0 at the end and after a fault. A NUL in the text is refused
// wherever one could stand, so it is not confused with the end.
func (s *scanner) peek() byte {
	if s.err != nil || s.at >= len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// take uses the next octet if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || c == 0 {
		return false
	}
	s.at++
	return true
}

// want demands c.
func (s *scanner) want(c byte) {
	if !s.take(c) {
		s.fail("%q is missing", c)
	}
}

// space demands one.
func (s *scanner) space() {
	if !s.take(' ') {
		s.fail("a space is missing")
	}
}

// done reports the end of the text.
func (s *scanner) done() bool { return s.err == nil && s.at == len(s.text) }

// end demands the end of the command. Spaces at it are tolerated: old clients leave
// them.
func (s *scanner) end() {
	for s.take(' ') {
	}
	if s.err == nil && s.at < len(s.text) {
		s.fail("there is more than the command takes")
	}
}

// while takes the octets of a class.
func (s *scanner) while(in func(byte) bool) string {
	if s.err != nil {
		return ""
	}
	from := s.at
	for s.at < len(s.text) && in(s.text[s.at]) {
		s.at++
	}
	return string(s.text[from:s.at])
}

// isAtom is ATOM-CHAR (RFC 9051 section 9).
func isAtom(c byte) bool {
	return c > ' ' && c < 0x7f && c != '(' && c != ')' && c != '{' && c != '%' && c != '*' && c != '"' && c != '\\' && c != ']'
}

// isString is ASTRING-CHAR.
func isString(c byte) bool { return isAtom(c) || c == ']' }

// isTag is what a tag holds.
func isTag(c byte) bool { return isString(c) && c != '+' }

// isPattern is list-char.
func isPattern(c byte) bool { return isString(c) || c == '%' || c == '*' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// atom is one or more ATOM-CHARs.
func (s *scanner) atom() string {
	a := s.while(isAtom)
	if a == "" {
		s.fail("a word is missing")
	}
	return a
}

// word is an atom whose case does not matter.
func (s *scanner) word() string { return strings.ToUpper(s.atom()) }

// string is a quoted string or a literal.
func (s *scanner) string() string {
	switch s.peek() {
	case '"':
		return s.quoted()
	case '{':
		return s.literal()
	}
	s.fail("a string is missing")
	return ""
}

// astring is an atom or a string.
func (s *scanner) astring() string {
	if c := s.peek(); c == '"' || c == '{' {
		return s.string()
	}
	a := s.while(isString)
	if a == "" {
		s.fail("a string is missing")
	}
	return a
}

// nstring is a string or NIL; said is false for NIL.
func (s *scanner) nstring() (text string, said bool) {
	if c := s.peek(); c == '"' || c == '{' {
		return s.string(), true
	}
	if s.word() != "NIL" {
		s.fail("a string or NIL is missing")
	}
	return "", false
}

// quoted is a string in quotes. UTF-8 is taken there from every client.
func (s *scanner) quoted() string {
	s.want('"')
	var b strings.Builder
	for s.err == nil {
		if s.at >= len(s.text) {
			s.fail("a quote is not closed")
			return ""
		}
		c := s.text[s.at]
		s.at++
		switch c {
		case '"':
			return b.String()
		case '\\':
			if c = s.peek(); c != '"' && c != '\\' {
				s.fail("a backslash stands before neither a quote nor a backslash")
				return ""
			}
			s.at++
		case 0, '\r', '\n':
			s.fail("a quoted string has a NUL or a line end")
			return ""
		}
		b.WriteByte(c)
	}
	return ""
}

// literal is one whose octets are in the text.
func (s *scanner) literal() string {
	l, n := parseLiteral(s.text[min(s.at, len(s.text)):])
	if s.err != nil || n == 0 || l.Binary {
		s.fail("not the announcement of a literal")
		return ""
	}
	rest := s.text[s.at+n:]
	if !bytes.HasPrefix(rest, []byte("\r\n")) || int64(len(rest)-2) < l.Size {
		s.fail("the literal is not there")
		return ""
	}
	octets := rest[2 : 2+l.Size]
	if bytes.IndexByte(octets, 0) >= 0 { // CHAR8 (RFC 9051 section 9)
		s.fail("a NUL in a literal")
		return ""
	}
	s.at += n + 2 + int(l.Size)
	return string(octets)
}

// number is a number of up to 32 bits.
func (s *scanner) number() uint32 {
	n := s.number64()
	if n > 1<<32-1 {
		s.fail("%d is too large", n)
		return 0
	}
	return uint32(n)
}

// number64 is a number of up to 63 bits (RFC 9051 section 9, RFC 7162 section 7).
func (s *scanner) number64() int64 {
	text := s.while(isDigit)
	n, ok := atoi(text)
	if !ok {
		s.fail("a number is missing, or is too large")
	}
	return n
}

func atoi(digits string) (n int64, ok bool) {
	for i := range len(digits) {
		d := int64(digits[i] - '0')
		if n > (1<<63-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, digits != ""
}

// list reads what stands in parentheses, divided by single spaces, at least one.
func (s *scanner) list(one func()) {
	s.want('(')
	one()
	for s.err == nil && s.take(' ') {
		one()
	}
	s.want(')')
}

// maybeList is list where the list may be empty.
func (s *scanner) maybeList(one func()) {
	if s.peek() == '(' && s.at+1 < len(s.text) && s.text[s.at+1] == ')' {
		s.at += 2
		return
	}
	s.list(one)
}
