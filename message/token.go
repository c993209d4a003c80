package message

import (
	"errors"
	"strings"
)

// The tokens of structured fields, RFC 5322 section 3.2, with UTF-8 as RFC 6532
// section 3.2 adds it.

// maxComment bounds the nesting of comments.
const maxComment = 50

func (p *addressParser) peek() byte {
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

// skipSpace skips white space and comments and remembers the last comment. A
// comment that is never closed swallows the rest.
func (p *addressParser) skipSpace() {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n\x00")
		if p.peek() != '(' {
			return
		}
		text, n := cutComment(p.rest)
		if n < 0 {
			p.fail("a comment is not closed")
			p.rest = ""
			return
		}
		p.comment, p.rest = text, p.rest[n:]
	}
}

// cutComment reads the comment at the beginning of s: its text without the outer
// parentheses, and its length, -1 when it does not end.
func cutComment(s string) (string, int) {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			continue
		case c == '(':
			if depth++; depth > maxComment {
				return "", -1
			}
			if depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				return strings.TrimSpace(b.String()), i + 1
			}
		}
		b.WriteByte(s[i])
	}
	return "", -1
}

// quoted reads a quoted string: its meaning, without quotes and backslashes.
func (p *addressParser) quoted() (string, error) {
	end := strings.IndexByte(p.rest[1:], '"') + 1
	if end > 0 && strings.IndexByte(p.rest[1:end], '\\') < 0 {
		text := p.rest[1:end]
		p.rest = p.rest[end+1:]
		return text, nil
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("a quote is not closed")
}

func (p *addressParser) atom() string {
	i := 0
	for i < len(p.rest) && isAtext(p.rest[i]) {
		i++
	}
	text := p.rest[:i]
	p.rest = p.rest[i:]
	return text
}

// isAtext is atext of RFC 5322 section 3.2.3; octets over 127 belong to UTF-8.
func isAtext(c byte) bool {
	return c > ' ' && c != 0x7F && strings.IndexByte(`()<>[]:;@\,."`, c) < 0
}
