package message

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/allgreen-mail/allgreen/mail"
)

// Mailbox is one entry of an address field.
type Mailbox struct {
	Name    string       // the display name, decoded; "" without one
	Address mail.Address // what mail goes to
	Group   string       // the name of the group it stands in, "" outside
}

// String is the mailbox for people: Name <user@example.com>.
func (m Mailbox) String() string {
	if m.Name == "" {
		return m.Address.String()
	}
	return m.Name + " " + m.Address.Path()
}

// maxMailboxes bounds one field; a header of 256 KB could name 40,000.
const maxMailboxes = 10000

// ErrAddressList is wrapped by every error of ParseAddressList.
var ErrAddressList = errors.New("not a list of addresses")

// ParseAddressList reads the body of From, To, Cc, Sender or Reply-To: mailboxes
// and groups with display names, comments, folds, quoted strings, UTF-8 and the
// obsolete forms (RFC 5322 sections 3.4 and 4.4, RFC 6532). It returns every
// mailbox that could be read; the error tells of the first that could not. An
// empty group, "undisclosed recipients:;", is a valid list of none.
func ParseAddressList(body string) ([]Mailbox, error) {
	p := &addressParser{rest: Unfold(body)}
	if !utf8.ValidString(p.rest) {
		p.rest = strings.ToValidUTF8(p.rest, "\uFFFD")
	}
	p.list()
	if len(p.found) == 0 && p.groups == 0 && p.err == nil {
		p.fail("there is no address")
	}
	return p.found, p.err
}

// From is the mailboxes of the topmost From field. More than one From field is
// an error, for nobody could say which of them a person would see.
func (h Header) From() ([]Mailbox, error) {
	f, ok := h.First("From")
	if !ok {
		return nil, fmt.Errorf("%w: there is no From field", ErrAddressList)
	}
	found, err := ParseAddressList(f.Body())
	if err == nil && h.Count("From") > 1 {
		err = fmt.Errorf("%w: there is more than one From field", ErrAddressList)
	}
	return found, err
}

// Addresses is the mailboxes of all fields of a name, with the first error.
func (h Header) Addresses(name string) ([]Mailbox, error) {
	var all []Mailbox
	var first error
	for f := range h.All(name) {
		found, err := ParseAddressList(f.Body())
		all = append(all, found...)
		if first == nil {
			first = err
		}
	}
	return all, first
}

// addressParser reads one list from the left. What is broken is skipped to the
// next comma outside quotes, comments and angle brackets.
type addressParser struct {
	rest    string
	comment string // the last one skipped: the display name of "user@host (Name)"
	group   string
	inGroup bool
	groups  int
	found   []Mailbox
	err     error
}

func (p *addressParser) fail(reason string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s", ErrAddressList, reason)
	}
}

func (p *addressParser) list() {
	for {
		p.skipSpace()
		switch p.peek() {
		case 0:
			if p.inGroup {
				p.fail("the group is not closed")
			}
			return
		case ',':
			p.rest = p.rest[1:]
		case ';':
			if !p.inGroup {
				p.fail("a semicolon outside a group")
			}
			p.rest = p.rest[1:]
			p.inGroup, p.group = false, ""
		default:
			if len(p.found) == maxMailboxes {
				p.fail("there are too many addresses")
				return
			}
			p.entry()
		}
	}
}

// entry reads one mailbox, or the name that opens a group.
func (p *addressParser) entry() {
	p.comment = ""
	words, err := p.words()
	if err != nil {
		p.skipEntry(err.Error())
		return
	}
	switch p.peek() {
	case '<':
		address, err := p.angle()
		if err != nil {
			p.skipEntry(err.Error())
			return
		}
		p.add(Mailbox{Name: phrase(words), Address: address})
	case '@':
		address, err := p.addrSpec(words)
		if err != nil {
			p.skipEntry(err.Error())
			return
		}
		p.skipSpace()
		p.add(Mailbox{Name: DecodeWords(p.comment), Address: address})
	case ':':
		p.rest = p.rest[1:]
		if p.inGroup {
			p.fail("a group inside a group")
		}
		p.groups++
		p.inGroup, p.group = true, phrase(words)
	default:
		p.skipEntry(fmt.Sprintf("%.60q has no @", phrase(words)))
	}
}

// add appends the mailbox when the entry ends here as it must.
func (p *addressParser) add(m Mailbox) {
	p.skipSpace()
	if c := p.peek(); c != 0 && c != ',' && c != ';' {
		p.skipEntry(fmt.Sprintf("%.60q follows an address", p.rest))
		return
	}
	m.Group = p.group
	p.found = append(p.found, m)
}

// skipEntry records the reason and goes to the end of the entry.
func (p *addressParser) skipEntry(reason string) {
	p.fail(reason)
	for {
		p.skipSpace()
		switch p.peek() {
		case 0, ',', ';':
			return
		case '"':
			if _, err := p.quoted(); err != nil {
				p.rest = ""
			}
		default:
			p.rest = p.rest[1:]
		}
	}
}

// word is an atom, a dot or a quoted string.
type word struct {
	text   string
	quoted bool
	spaced bool // white space or a comment stood before it
}

// words reads atoms, dots and quoted strings: a phrase or a local part, which
// only what follows can tell (obs-phrase has dots, obs-local-part has spaces).
func (p *addressParser) words() ([]word, error) {
	var words []word
	for {
		before := len(p.rest)
		p.skipSpace()
		w := word{spaced: len(p.rest) < before}
		switch c := p.peek(); {
		case c == '"':
			text, err := p.quoted()
			if err != nil {
				return words, err
			}
			w.text, w.quoted = text, true
		case c == '.':
			w.text, p.rest = ".", p.rest[1:]
		case isAtext(c):
			w.text = p.atom()
		default:
			return words, nil
		}
		words = append(words, w)
	}
}

// phrase is the display name the words spell.
func phrase(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.spaced {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	// RFC 2047 section 5 forbids encoded words in quoted strings; mail programs
	// write and show them all the same, and what is shown is what counts.
	return strings.TrimSpace(DecodeWords(b.String()))
}

// angle reads <route:user@host>, the route obsolete and dropped.
func (p *addressParser) angle() (mail.Address, error) {
	p.rest = p.rest[1:]
	p.skipSpace()
	if p.peek() == '@' || p.peek() == ',' {
		_, after, ok := strings.Cut(p.rest, ":")
		if !ok {
			return mail.Address{}, errors.New("a route without an address")
		}
		p.rest = after
	}
	words, err := p.words()
	if err != nil {
		return mail.Address{}, err
	}
	if p.peek() != '@' {
		return mail.Address{}, fmt.Errorf("<%.60s> has no @", phrase(words))
	}
	address, err := p.addrSpec(words)
	if err != nil {
		return mail.Address{}, err
	}
	p.skipSpace()
	if p.peek() != '>' {
		return mail.Address{}, errors.New("an angle bracket is not closed")
	}
	p.rest = p.rest[1:]
	return address, nil
}

// addrSpec reads "@domain" behind the words of a local part.
func (p *addressParser) addrSpec(words []word) (mail.Address, error) {
	local, err := localPart(words)
	if err != nil {
		return mail.Address{}, err
	}
	p.rest = p.rest[1:] // the @
	p.skipSpace()
	a := mail.Address{Local: local}
	if p.peek() == '[' {
		literal, after, ok := strings.Cut(p.rest, "]")
		p.rest = after
		parsed, err := mail.ParseAddress("x@" + literal + "]")
		if !ok || err != nil {
			return mail.Address{}, fmt.Errorf("%.60q is no address literal", literal)
		}
		a.Literal = parsed.Literal
		return a, nil
	}
	a.Domain, err = mail.ParseDomain(p.domain())
	return a, err
}

// domain reads atoms and dots with comments and spaces between (obs-domain).
func (p *addressParser) domain() string {
	var b strings.Builder
	dot := true // an atom may follow
	for {
		after := p.rest
		p.skipSpace()
		c := p.peek()
		switch {
		case c == '.':
			p.rest, dot = p.rest[1:], true
			b.WriteByte('.')
		case dot && isAtext(c):
			b.WriteString(p.atom())
			dot = false
		default:
			p.rest = after // a comment behind it may be the name
			return b.String()
		}
	}
}

// localPart puts words with dots between them together.
func localPart(words []word) (string, error) {
	var b strings.Builder
	wantDot := false
	for _, w := range words {
		isDot := w.text == "." && !w.quoted
		if isDot != wantDot {
			return "", fmt.Errorf("%.60q is no local part", phrase(words))
		}
		b.WriteString(w.text)
		wantDot = !isDot
	}
	if !wantDot || b.Len() == 0 {
		return "", fmt.Errorf("%.60q is no local part", phrase(words))
	}
	return b.String(), nil
}
