package structure

import (
	"errors"
	"strconv"
)

// Append writes the envelope as IMAP has it in FETCH: "(date subject from ...)".
func (e *Envelope) Append(b []byte) []byte {
	b = append(b, '(')
	b = e.appendField(b, e.Date, emptyDate)
	b = e.appendField(append(b, ' '), e.Subject, emptySubject)
	for _, list := range [][]Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		b = appendList(append(b, ' '), list)
	}
	b = e.appendField(append(b, ' '), e.InReplyTo, emptyInReplyTo)
	b = e.appendField(append(b, ' '), e.MessageID, emptyMessageID)
	return append(b, ')')
}

func (e *Envelope) appendField(b []byte, value string, empty emptyFields) []byte {
	if value == "" && e.empty&empty != 0 {
		return append(b, `""`...)
	}
	return appendNString(b, value)
}

func appendList(b []byte, list []Address) []byte {
	if len(list) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for _, a := range list {
		b = appendNString(append(b, '('), a.Name)
		b = appendNString(append(b, ' '), a.Route)
		b = appendNString(append(b, ' '), a.Mailbox)
		b = append(appendNString(append(b, ' '), a.Host), ')')
	}
	return append(b, ')')
}

// ErrEncoded says that something is not what Encode made.
var ErrEncoded = errors.New("not an encoded structure")

// Fields are what of a message's head is wanted, as bits.
type Fields uint8

// The fields.
const (
	WithSubject Fields = 1 << iota
	WithFrom
	WithTo
	WithCc
	WithBcc
	WithIDs // In-Reply-To, Message-ID and References
	withRest

	// WithAll is the whole head.
	WithAll Fields = 1<<iota - 1
)

// parseEnvelope reads the wanted fields of what Append wrote.
func parseEnvelope(b []byte, want Fields) (Envelope, error) {
	p := envelopeParser{rest: string(b)}
	var e Envelope
	p.expect('(')
	for _, part := range []struct {
		field Fields
		read  func()
	}{
		{withRest, func() { e.Date = p.field(&e.empty, emptyDate) }},
		{WithSubject, func() { e.Subject = p.field(&e.empty, emptySubject) }},
		{WithFrom, func() { e.From = p.list() }},
		{withRest, func() { e.Sender = p.list() }},
		{withRest, func() { e.ReplyTo = p.list() }},
		{WithTo, func() { e.To = p.list() }},
		{WithCc, func() { e.Cc = p.list() }},
		{WithBcc, func() { e.Bcc = p.list() }},
		{WithIDs, func() { e.InReplyTo = p.field(&e.empty, emptyInReplyTo) }},
		{WithIDs, func() { e.MessageID = p.field(&e.empty, emptyMessageID) }},
	} {
		if want&part.field == 0 {
			p.skip()
		} else {
			part.read()
		}
	}
	p.expect(')')
	if p.bad || p.rest != "" {
		return Envelope{}, ErrEncoded
	}
	return e, nil
}

// envelopeParser reads from the left; after the first fault it finds nothing more.
type envelopeParser struct {
	rest string
	bad  bool
}

func (p *envelopeParser) next() byte {
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *envelopeParser) expect(c byte) {
	if p.next() != c {
		p.bad, p.rest = true, ""
		return
	}
	p.rest = p.rest[1:]
}

func (p *envelopeParser) space() {
	if p.next() == ' ' {
		p.rest = p.rest[1:]
	}
}

func (p *envelopeParser) field(all *emptyFields, empty emptyFields) string {
	s, null := p.value()
	if s == "" && !null {
		*all |= empty
	}
	return s
}

// value reads a string, or NIL.
func (p *envelopeParser) value() (s string, null bool) {
	p.space()
	switch p.next() {
	case 'N':
		p.take(len("NIL"))
		return "", true
	case '{':
		return p.literal(), false
	}
	text, plain := p.quoted()
	return unescape(text, plain), false
}

// skip passes over a string, NIL or a list.
func (p *envelopeParser) skip() {
	p.space()
	switch p.next() {
	case 'N':
		p.take(len("NIL"))
	case '{':
		p.literal()
	case '(':
		for p.take(1); p.next() != ')' && !p.bad; {
			p.skip()
		}
		p.take(1)
	default:
		p.quoted()
	}
}

// quoted is the text between quotes as it stands there, with backslashes.
func (p *envelopeParser) quoted() (text string, plain bool) {
	plain = true
	for i := 1; i < len(p.rest) && p.rest[0] == '"'; i++ {
		switch p.rest[i] {
		case '\\':
			i, plain = i+1, false
		case '"':
			return p.take(i + 1)[1:i], plain
		}
	}
	p.bad, p.rest = true, ""
	return "", true
}

func (p *envelopeParser) take(n int) string {
	if n > len(p.rest) {
		p.bad, p.rest = true, ""
		return ""
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

func (p *envelopeParser) literal() string {
	i := 1
	for i < len(p.rest) && p.rest[i] != '}' {
		i++
	}
	n, err := strconv.ParseUint(p.rest[1:i], 10, 31)
	if err != nil {
		p.bad, p.rest = true, ""
		return ""
	}
	p.take(i + len("}\r\n"))
	return p.take(int(n))
}

func (p *envelopeParser) list() (all []Address) {
	p.space()
	if p.next() == 'N' {
		p.take(len("NIL"))
		return nil
	}
	p.expect('(')
	for p.next() == '(' {
		p.expect('(')
		var a Address
		for _, s := range []*string{&a.Name, &a.Route, &a.Mailbox, &a.Host} {
			*s, _ = p.value()
		}
		p.expect(')')
		all = append(all, a)
	}
	p.expect(')')
	return all
}
