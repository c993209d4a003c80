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

// parseEnvelope reads what Append wrote.
func parseEnvelope(b []byte) (Envelope, error) {
	p := envelopeParser{rest: string(b)}
	var e Envelope
	p.expect('(')
	e.Date = p.field(&e.empty, emptyDate)
	e.Subject = p.field(&e.empty, emptySubject)
	for _, list := range []*[]Address{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc} {
		*list = p.list()
	}
	e.InReplyTo = p.field(&e.empty, emptyInReplyTo)
	e.MessageID = p.field(&e.empty, emptyMessageID)
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
	case '"':
		for i := 1; i < len(p.rest); i++ {
			if p.rest[i] == '\\' {
				i++
			} else if p.rest[i] == '"' {
				s, p.rest = cutQuoted(p.rest)
				return s, false
			}
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
