package structure

import "strings"

// skipSpace drops white space and comments (RFC 5322 section 3.2.2) at the beginning
// of s.
func skipSpace(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r")
		if !strings.HasPrefix(s, "(") {
			return s
		}
		_, s = cutComment(s)
	}
}

// cutComment reads the comment at the beginning of s: its text, without the outer
// parentheses. One that is not closed goes to the end.
func cutComment(s string) (text, rest string) {
	depth, plain := 0, true
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			plain = false
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return unescape(s[1:i], plain), s[i+1:]
			}
		}
	}
	return unescape(s[1:], plain), ""
}

// cutQuoted reads the quoted string at the beginning of s: what it means. One that is
// not closed goes to the end.
func cutQuoted(s string) (text, rest string) {
	plain := true
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			plain = false
		case '"':
			return unescape(s[1:i], plain), s[i+1:]
		}
	}
	return unescape(s[1:], plain), ""
}

func unescape(s string, plain bool) string {
	if plain {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// cutToken reads a token behind white space and comments. Octets over 127 are taken
// for part of one.
func cutToken(s string) (token, rest string) {
	s = skipSpace(s)
	i := 0
	for i < len(s) && (isTokenOctet(s[i]) || s[i] >= 0x80) {
		i++
	}
	return s[:i], s[i:]
}

func firstToken(s string) string {
	token, _ := cutToken(s)
	return token
}
