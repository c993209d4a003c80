package syntax

import (
	"bytes"
	"time"
)

// Append brings messages. The first follows the text of the command, and behind it stands
// Tail, then CRLF or what brings the next one (RFC 3502): see Next.
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
	s.appended(a)
	return a
}

// appended reads append-message up to its literal.
func (s *scanner) appended(a *Append) {
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
		return
	}
	s.at += n
	a.Literal = l
}

// Next reads the line behind a message, without its CRLF: nil when the command ends
// there, or what is said of the next message. The error is an *Error.
func (a *Append) Next(line []byte) (*Append, error) {
	s := &scanner{text: line}
	if a.Tail != "" {
		s.want(a.Tail[0])
	}
	if s.err == nil && len(bytes.TrimRight(line[s.at:], " ")) == 0 {
		return nil, nil
	}
	next := &Append{Mailbox: a.Mailbox}
	s.appended(next)
	s.end()
	if s.err != nil {
		return nil, s.err
	}
	return next, nil
}
