package syntax

import (
	"bytes"
	"time"
)

// Append brings a message. The message itself follows the text of the command, and
// behind it stands Tail, then CRLF.
type Append struct {
	Mailbox string
	Flags   []string
	Date    time.Time // zero: not said
	Literal Literal
	UTF8    bool   // within UTF8 (...) (RFC 6855 section 4)
	Tail    string // what the line behind the message must be: "" or ")"
}

func parseAppend(s *scanner) any {
	a := &Append{}
	s.space()
	a.Mailbox = s.mailbox()
	s.space()
	if s.peek() == '(' {
		a.Flags = s.flags()
		s.space()
	}
	if s.peek() == '"' {
		a.Date = s.dateTime()
		s.space()
	}
	if s.peek() == 'U' || s.peek() == 'u' {
		if s.word() != "UTF8" {
			s.fail("a literal is missing")
		}
		s.space()
		s.want('(')
		a.UTF8, a.Tail = true, ")"
	}
	l, n := parseLiteral(s.text[min(s.at, len(s.text)):])
	if n == 0 || a.UTF8 && !l.Binary {
		s.fail("a literal is missing")
		return a
	}
	s.at += n
	a.Literal = l
	return a
}

// Ended reports whether the line behind the message of an APPEND, without its CRLF, ends
// the command as it must.
func (a *Append) Ended(line []byte) bool {
	return string(bytes.TrimRight(line, " ")) == a.Tail
}
