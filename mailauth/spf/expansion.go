package spf

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// localPart is why a term with %{s} or %{l} matches nothing (RFC 8616 section 4).
const localPart = "the sender's local part is not ASCII, so that it cannot stand in a name"

var errLocalPart = errors.New(localPart)

// expand writes out a domain-spec.
func (c *check) expand(m MacroString, at place) (string, error) {
	if s, ok := m.Literal(); ok {
		return s, nil
	}
	if c.sender.NeedsSMTPUTF8() && m.Uses("sl") {
		return "", errLocalPart
	}
	if m.Uses("p") && c.ptr == nil {
		// Section 4.6.4: the PTR query of %{p} is within the limit of ten.
		if why := c.spend(); why != "" {
			return "", errors.New(why)
		}
	}
	return c.expandText(m, at), nil
}

func (c *check) expandText(m MacroString, at place) string {
	var b strings.Builder
	for _, p := range m.pieces {
		if p.macro.Letter == 0 {
			b.WriteString(p.literal)
			continue
		}
		p.macro.write(&b, c.value(p.macro.Letter, at))
	}
	return b.String()
}

// value is what a letter stands for (RFC 7208 section 7.2 and 7.3).
func (c *check) value(letter byte, at place) string {
	switch letter {
	case 's':
		c.out.Personal = true
		return c.sender.Local + "@" + c.sender.Domain.String()
	case 'l':
		c.out.Personal = true
		return c.sender.Local
	case 'o':
		return c.sender.Domain.String()
	case 'd':
		return at.text
	case 'i':
		return dotted(c.ip)
	case 'p':
		return c.clientName(at.name)
	case 'v':
		if c.ip.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return asciiHELO(c.req.HELO)
	case 'c':
		return c.ip.String()
	case 'r':
		if c.req.Receiver.IsZero() {
			return "unknown"
		}
		return c.req.Receiver.String()
	case 't':
		if c.req.Now.IsZero() {
			return "0"
		}
		return strconv.FormatInt(c.req.Now.Unix(), 10)
	}
	panic("spf: a macro letter was parsed that has no value")
}

// dotted is the address with dots between octets or nibbles. Section 7.4 shows
// nibbles in lower case, the published test suite in upper case; to DNS they are
// the same, so the suite decides.
func dotted(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i, octet := range ip.As16() {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteByte(digits[octet>>4])
		b.WriteByte('.')
		b.WriteByte(digits[octet&15])
	}
	return b.String()
}

// asciiHELO is the HELO name as said, U-labels turned into A-labels (RFC 8616
// section 4).
func asciiHELO(helo string) string {
	for i := range len(helo) {
		if helo[i] >= 0x80 {
			if d, err := mail.ParseDomain(helo); err == nil {
				return d.String()
			}
			return helo
		}
	}
	return helo
}

// write expands one macro: split, reverse, keep the right-hand parts, join with
// dots, escape (RFC 7208 section 7.3).
func (m Macro) write(b *strings.Builder, value string) {
	if m.Parts > 0 || m.Reverse || m.Delimiters != "" {
		value = m.transform(value)
	}
	if !m.Escape {
		b.WriteString(value)
		return
	}
	const digits = "0123456789ABCDEF"
	for i := range len(value) {
		c := value[i]
		if isAlpha(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
}

func (m Macro) transform(value string) string {
	delimiters := m.Delimiters
	if delimiters == "" {
		delimiters = "."
	}
	var parts []string
	for {
		i := strings.IndexAny(value, delimiters)
		if i < 0 {
			break
		}
		parts = append(parts, value[:i]) // an empty part stays, section 7.3
		value = value[i+1:]
	}
	parts = append(parts, value)
	if m.Reverse {
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
	}
	if m.Parts > 0 && m.Parts < len(parts) {
		parts = parts[len(parts)-m.Parts:]
	}
	return strings.Join(parts, ".")
}

// fitName drops the final dot, and labels from the left until at most 253 octets
// remain (RFC 7208 section 7.3).
func fitName(text string) string {
	const most = 253
	text = strings.TrimSuffix(text, ".")
	for len(text) > most {
		dot := strings.IndexByte(text, '.')
		if dot < 0 {
			break
		}
		text = text[dot+1:]
	}
	return text
}

// nameOf is the DNS name of an expanded target, whatever its octets.
func nameOf(text string) (world.Name, error) {
	return world.NameFromLabels(strings.Split(text, "."))
}
