package dmarc

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// maxURIs bounds one list; reports go to a handful of places.
const maxURIs = 32

// URI is one place that reports should go to (RFC 9989 section 4.6).
type URI struct {
	Text    string       // as published, without white space and the obsolete size
	At      int          // offset in the text it was read from, in octets
	Scheme  string       // lower case; "" when this is no URI
	Mailbox mail.Address // of a mailto; zero when it names none
	Host    mail.Domain  // whom reports would reach: the mailbox's domain, or the authority's host
	Size    string       // the obsolete limit, "10m"; reporters ignore it
}

// IsValid reports whether it is a URI by RFC 3986 at all. One that is can still be
// of no use: Mailbox says whether a report can be mailed.
func (u URI) IsValid() bool { return u.Scheme != "" }

// ParseURIs reads the value of a rua or ruf tag: URIs between commas. Commas and
// exclamation marks inside a URI must be percent-encoded, so every bare comma
// separates, and a bare exclamation mark begins the obsolete size limit.
func ParseURIs(value string) ([]URI, []Problem) { return parseURIs(value, 0, "") }

func parseURIs(value string, at int, tag string) ([]URI, []Problem) {
	var uris []URI
	var problems []Problem
	for item := range strings.SplitSeq(value, ",") {
		if len(uris) == maxURIs {
			problems = append(problems, Problem{InvalidURI, Ignored, at, tag, fmt.Sprintf("everything behind the first %d URIs is passed over", maxURIs)})
			break
		}
		u, problem := parseURI(trimWSP(item))
		u.At = at + len(item) - len(strings.TrimLeft(item, " \t"))
		uris = append(uris, u)
		if problem != nil {
			problem.At, problem.Tag = u.At, tag
			problems = append(problems, *problem)
		}
		at += len(item) + 1
	}
	return uris, problems
}

// parseURI reads one URI and says the worst about it.
func parseURI(s string) (URI, *Problem) {
	u := URI{Text: s}
	u.cutSize()
	scheme, rest, ok := strings.Cut(u.Text, ":")
	if !ok || !isScheme(scheme) || !isURIText(rest) {
		return u, &Problem{Code: InvalidURI, Harm: Ignored, Text: whyNoURI(u.Text)}
	}
	u.Scheme = strings.ToLower(scheme)
	if u.Scheme != "mailto" {
		u.takeHost()
		return u, &Problem{Code: UnusedScheme, Harm: Note, Text: fmt.Sprintf("%.40q: reporters need not know any scheme but mailto", u.Text)}
	}
	if err := u.takeMailbox(rest); err != nil {
		return u, &Problem{Code: InvalidURI, Harm: Ignored, Text: fmt.Sprintf("%.80q names no mailbox: %s", u.Text, err)}
	}
	if u.Size != "" {
		return u, &Problem{Code: ObsoleteSize, Harm: Note, Text: fmt.Sprintf("the size limit !%s is obsolete and ignored", u.Size)}
	}
	return u, nil
}

// cutSize takes the obs-dmarc-report-size off the end.
func (u *URI) cutSize() {
	i := strings.LastIndexByte(u.Text, '!')
	if i < 0 {
		return
	}
	size := strings.ToLower(u.Text[i+1:])
	digits := strings.TrimRight(size, "kmgt")
	if len(size)-len(digits) <= 1 && digits != "" && strings.Trim(digits, "0123456789") == "" {
		u.Text, u.Size = u.Text[:i], size
	}
}

// takeMailbox reads the addr-spec of a mailto (RFC 6068 section 2). Header fields
// behind "?" are not for reports.
func (u *URI) takeMailbox(rest string) error {
	to, _, _ := strings.Cut(rest, "?")
	plain, err := url.PathUnescape(to)
	if err != nil {
		return err
	}
	a, err := mail.ParseAddress(plain)
	if err != nil {
		return err
	}
	u.Mailbox, u.Host = a, a.Domain
	return nil
}

func (u *URI) takeHost() {
	parsed, err := url.Parse(u.Text)
	if err != nil {
		return
	}
	if d, err := mail.ParseDomain(parsed.Hostname()); err == nil {
		u.Host = d
	}
}

// isScheme is the scheme of RFC 3986 section 3.1.
func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && !strings.ContainsRune("+-.", rune(c))) {
			return false
		}
	}
	return s != ""
}

// isURIText holds the characters of RFC 3986 section 2, without the comma, the
// semicolon's fellow, and the exclamation mark, which must be encoded here.
func isURIText(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9':
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		case strings.IndexByte("-._~:/?#[]@$&'()*+;=", c) < 0:
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// whyNoURI knows the mistakes that people make.
func whyNoURI(s string) string {
	switch {
	case s == "":
		return "there is an empty place in the list"
	case strings.Contains(s, "@") && !strings.Contains(s, ":"):
		return fmt.Sprintf("%.80q lacks mailto: in front", s)
	case strings.Contains(s, "!"):
		return fmt.Sprintf("%.80q has a bare !, which must be written %%21", s)
	}
	return fmt.Sprintf("%.80q is not a URI", s)
}
