package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Address is a mailbox: a local part at a domain or at an address literal
// (RFC 5321 section 4.1.2). Local is the meaning, not the spelling: quotes and
// backslashes are gone. The zero value is the null reverse-path.
type Address struct {
	Local   string
	Domain  Domain
	Literal netip.Addr // valid only for user@[192.0.2.1]
}

// ErrAddress is wrapped by every error of ParseAddress and ParsePath.
var ErrAddress = errors.New("not a mail address")

// Limits of RFC 5321 section 4.5.3.1.
const (
	maxLocalPart = 64
	maxPath      = 254
)

// ParseAddress reads local-part@domain without angle brackets. The local part
// may be quoted and may be UTF-8; the domain may be an address literal. Comments
// and display names belong to header fields and are refused here.
func ParseAddress(s string) (Address, error) {
	if len(s) > maxPath*maxUnicode/maxName { // before anything is parsed or quoted
		return Address{}, fmt.Errorf("%w: %.40q... is too long", ErrAddress, s)
	}
	a, err := parseMailbox(s)
	if err != nil {
		return Address{}, fmt.Errorf("%w: %q (%s)", ErrAddress, s, err)
	}
	if len(a.Local) > maxLocalPart || a.mostOctets() > maxPath && len(a.String()) > maxPath {
		return Address{}, fmt.Errorf("%w: %.40q... is too long", ErrAddress, s)
	}
	return a, nil
}

func parseMailbox(s string) (a Address, err error) {
	local, rest, err := cutLocalPart(s)
	if err != nil {
		return Address{}, err
	}
	a.Local = local
	switch {
	case strings.HasPrefix(rest, "["):
		a.Literal, err = parseLiteral(rest)
	case strings.HasSuffix(rest, "."):
		err = errors.New("the domain ends in a dot") // not in the grammar of a path
	default:
		a.Domain, err = ParseDomain(rest)
	}
	return a, err
}

// MustParseAddress is ParseAddress for addresses written in the program itself.
func MustParseAddress(s string) Address {
	a, err := ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

// ParsePath reads a path as MAIL and RCPT carry it: "<user@example.com>", "<>"
// for the null reverse-path, "<Postmaster>" without a domain (RFC 5321 section
// 4.1.1.3), and an obsolete source route, which is dropped (appendix C).
func ParsePath(s string) (Address, error) {
	if len(s) < 2 || s[0] != '<' || s[len(s)-1] != '>' {
		return Address{}, fmt.Errorf("%w: %.40q lacks its angle brackets", ErrAddress, s)
	}
	inner := s[1 : len(s)-1]
	if inner == "" {
		return Address{}, nil
	}
	if strings.EqualFold(inner, "postmaster") {
		return Address{Local: inner}, nil
	}
	if inner[0] == '@' {
		mailbox, err := dropRoute(inner)
		if err != nil {
			return Address{}, fmt.Errorf("%w: %.80q (%s)", ErrAddress, s, err)
		}
		inner = mailbox
	}
	return ParseAddress(inner)
}

// dropRoute takes "@a.example,@b.example:" off the front of a path.
func dropRoute(path string) (mailbox string, err error) {
	route, mailbox, ok := strings.Cut(path, ":")
	if !ok {
		return "", errors.New("a route without a mailbox")
	}
	for hop := range strings.SplitSeq(route, ",") {
		domain, ok := strings.CutPrefix(hop, "@")
		if !ok {
			return "", errors.New("a route is a list of domains, each behind its @")
		}
		if _, err := ParseDomain(domain); err != nil {
			return "", err
		}
	}
	return mailbox, nil
}

// cutLocalPart takes the local part off the front and returns what follows "@".
func cutLocalPart(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		return cutQuoted(s)
	}
	local, rest, ok := strings.Cut(s, "@")
	switch {
	case !ok:
		return "", "", errors.New("there is no @")
	case !isDotString(local):
		return "", "", errors.New("the local part is not a dot-string")
	case strings.Contains(rest, "@"):
		return "", "", errors.New("there is more than one @")
	}
	return local, rest, nil
}

func cutQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if b.Len() == 0 {
				return "", "", errors.New("the local part is empty")
			}
			after, ok := strings.CutPrefix(s[i+1:], "@")
			if !ok {
				return "", "", errors.New("there is no @ after the quoted local part")
			}
			if !utf8.ValidString(b.String()) || strings.ContainsFunc(b.String(), isC1) {
				return "", "", errors.New("the local part is not UTF-8 text")
			}
			return b.String(), after, nil
		case c == '\\' && i+1 < len(s) && isPrintable(s[i+1]):
			i++
			b.WriteByte(s[i])
		case c == '\\' || !isPrintable(c) && c < 0x80:
			return "", "", errors.New("the quoted local part has a control character")
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("the quote is not closed")
}

func isPrintable(c byte) bool { return c >= ' ' && c <= '~' }

// isDotString is the Dot-string of RFC 5321 section 4.1.2, with UTF-8 as RFC
// 6531 section 3.3 adds it.
func isDotString(s string) bool {
	if s == "" || !utf8.ValidString(s) {
		return false
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtext) {
			return false
		}
	}
	return true
}

func notAtext(r rune) bool {
	switch {
	case r >= 0x80:
		return isC1(r)
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// isC1 finds the control characters beyond ASCII. The grammar of RFC 6531 lets
// them in; nobody has them in an address but those who attack terminals.
func isC1(r rune) bool { return r >= 0x80 && r < 0xA0 }

// parseLiteral reads [192.0.2.1] and [IPv6:2001:db8::1] (RFC 5321 section 4.1.3).
func parseLiteral(s string) (netip.Addr, error) {
	inner, ok := strings.CutSuffix(strings.TrimPrefix(s, "["), "]")
	if !ok {
		return netip.Addr{}, errors.New("the address literal is not closed")
	}
	const tag = "IPv6:"
	v6 := len(inner) > len(tag) && strings.EqualFold(inner[:len(tag)], tag)
	if v6 {
		inner = inner[len(tag):]
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || ip.Zone() != "" || ip.Is4() == v6 {
		return netip.Addr{}, errors.New("the address literal is not valid")
	}
	return ip, nil
}

// IsZero reports whether a is the null reverse-path.
func (a Address) IsZero() bool { return a == Address{} }

// String is the address as it goes into a path, quoted where it must be, and ""
// for the null reverse-path.
func (a Address) String() string {
	switch {
	case a.IsZero():
		return ""
	case a.Literal.Is4():
		return quoteLocal(a.Local) + "@[" + a.Literal.String() + "]"
	case a.Literal.IsValid():
		return quoteLocal(a.Local) + "@[IPv6:" + a.Literal.String() + "]"
	case a.Domain.IsZero():
		return quoteLocal(a.Local)
	}
	return quoteLocal(a.Local) + "@" + a.Domain.String()
}

// mostOctets is more than String has, and needs no String: each octet of the local part
// may be quoted, and an address literal has less than 50.
func (a Address) mostOctets() int { return 2*len(a.Local) + len(a.Domain.String()) + 64 }

// Path is the address in angle brackets, "<>" for the null reverse-path.
func (a Address) Path() string { return "<" + a.String() + ">" }

// Check is nil when a path can carry the address: what is read back is the same. An
// address from a header may be one that no path can, too long or with control
// characters in it (RFC 5321 section 4.5.3.1, section 4.1.2).
func (a Address) Check() error {
	again, err := ParsePath(a.Path())
	if err == nil && again != a {
		err = fmt.Errorf("%w: %q reads as %q", ErrAddress, a, again)
	}
	return err
}

// NeedsSMTPUTF8 reports whether only a server with SMTPUTF8 can carry the
// address (RFC 6531). The domain never asks for it: it travels as A-labels.
func (a Address) NeedsSMTPUTF8() bool {
	return strings.ContainsFunc(a.Local, func(r rune) bool { return r >= 0x80 })
}

func quoteLocal(s string) string {
	if isDotString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
