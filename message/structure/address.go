package structure

import "strings"

// maxAddresses bounds one field; a header of 256 KB could name 100,000.
const maxAddresses = 2000

// What stands for half an address that is not there. IMAP needs something: NIL means
// a group. These are the words that mail programs know from other servers.
const (
	missingMailbox = "MISSING_MAILBOX"
	missingHost    = "MISSING_DOMAIN"
)

// appendAddresses reads a list of mailboxes and groups (RFC 5322 section 3.4, with
// the obsolete forms of section 4.4) and keeps of what is broken all there is.
func appendAddresses(all []Address, s string) []Address {
	p := addressParser{rest: s, all: all}
	for p.space(); p.rest != "" && len(p.all) < maxAddresses; p.space() {
		switch p.rest[0] {
		case ',':
			p.rest = p.rest[1:]
		case ';':
			p.rest = p.rest[1:]
			p.endGroup()
		default:
			p.entry()
		}
	}
	p.endGroup()
	return p.all
}

type addressParser struct {
	rest    string
	comment string // the last one that was skipped
	inGroup bool
	all     []Address
}

func (p *addressParser) endGroup() {
	if p.inGroup {
		p.all = append(p.all, Address{})
	}
	p.inGroup = false
}

// space skips white space and comments.
func (p *addressParser) space() {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\r")
		if !strings.HasPrefix(p.rest, "(") {
			return
		}
		p.comment, p.rest = cutComment(p.rest)
	}
}

// peek is the next octet, 0 at the end.
func (p *addressParser) peek() byte {
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

// entry reads one mailbox, or the name that opens a group.
func (p *addressParser) entry() {
	p.comment = ""
	phrase, local := p.words()
	a := Address{Mailbox: local, Host: missingHost}
	switch p.peek() {
	case ':':
		p.rest = p.rest[1:]
		p.endGroup()
		p.inGroup = true
		p.all = append(p.all, Address{Mailbox: nonEmpty(phrase, missingMailbox)})
		return
	case '<':
		a = p.angle()
		a.Name = phrase
	case '@':
		a.Host = p.host()
	default:
		a.Mailbox = phrase
	}
	p.end()
	if a.Name == "" {
		a.Name = p.comment
	}
	a.Mailbox = nonEmpty(a.Mailbox, missingMailbox)
	p.all = append(p.all, a)
}

func nonEmpty(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// end skips what should not stand behind an address.
func (p *addressParser) end() {
	for p.space(); p.rest != "" && p.rest[0] != ',' && p.rest[0] != ';'; p.space() {
		if p.rest[0] == '"' {
			_, p.rest = cutQuoted(p.rest)
		} else {
			p.rest = p.rest[1:]
		}
	}
}

// words reads atoms, dots and quoted strings, which only what follows makes a phrase
// or a local part: the phrase has one space where there was any, the local part none.
func (p *addressParser) words() (phrase, local string) {
	var more []byte // the phrase, once it is more than one piece of the field
	spaces := false
	for first := true; ; first = false {
		before := len(p.rest)
		p.space()
		spaced := !first && len(p.rest) < before
		word, ok := p.word()
		if !ok {
			break
		}
		switch {
		case first:
			phrase = word
			continue
		case more == nil:
			more = append(make([]byte, 0, len(phrase)+len(word)+20), phrase...)
		}
		if spaced {
			more, spaces = append(more, ' '), true
		}
		more = append(more, word...)
	}
	if more != nil {
		phrase = string(more)
	}
	if local = phrase; spaces {
		local = strings.ReplaceAll(phrase, " ", "")
	}
	return phrase, local
}

// word reads a run of atoms and dots, or a quoted string.
func (p *addressParser) word() (string, bool) {
	if p.peek() == '"' {
		var text string
		text, p.rest = cutQuoted(p.rest)
		return text, true
	}
	i := 0
	for i < len(p.rest) && strings.IndexByte(" \t\r()<>:;@,\"", p.rest[i]) < 0 {
		i++
	}
	word := p.rest[:i]
	p.rest = p.rest[i:]
	return word, i > 0
}

// angle reads "<route:local@host>".
func (p *addressParser) angle() Address {
	p.rest = p.rest[1:]
	p.space()
	a := Address{Host: missingHost}
	if p.peek() == '@' {
		if route, rest, ok := strings.Cut(p.rest, ":"); ok && !strings.Contains(route, ">") {
			a.Route, p.rest = route, rest
		}
	}
	_, a.Mailbox = p.words()
	if p.peek() == '@' {
		a.Host = p.host()
	}
	if i := strings.IndexByte(p.rest, '>'); i >= 0 {
		p.rest = p.rest[i+1:]
	}
	return a
}

// host reads "@domain" or "@[literal]", with white space between (obs-domain).
func (p *addressParser) host() string {
	p.rest = p.rest[1:]
	p.space()
	if p.peek() == '[' {
		i := strings.IndexByte(p.rest, ']') + 1
		if i == 0 {
			i = len(p.rest)
		}
		literal := p.rest[:i]
		p.rest = p.rest[i:]
		return literal
	}
	host := p.labels()
	return nonEmpty(host, missingHost)
}

// labels reads atoms with dots between them. What follows a blank without a dot is no
// longer the domain.
func (p *addressParser) labels() string {
	host, _ := p.word()
	for {
		after := p.rest
		p.space()
		if p.peek() != '.' && !strings.HasSuffix(host, ".") {
			p.rest = after // a comment behind it may be the name
			return host
		}
		word, ok := p.word()
		if !ok {
			return host
		}
		host += word
	}
}
