package finding

import (
	"errors"
	"fmt"
	"strings"
)

// Record is a DNS record to paste into a zone file: its value is in presentation
// format (RFC 1035 section 5.1), as scripts and people need it. Make those that
// publish text with TXT.
type Record struct {
	Name  string `json:"name"` // fully qualified, with its dot
	Type  string `json:"type"`
	Value string `json:"value"`
}

// maxString is the longest character-string (RFC 1035 section 3.3).
const maxString = 255

// TXT is the record that publishes text: any octets, quoted here and cut into
// character-strings. Readers put those together without a space between (RFC 7208
// section 3.3, RFC 6376 section 3.6.2.2).
func TXT(name, text string) Record {
	quoted := []string{CharacterString(text[:min(len(text), maxString)])}
	for i := maxString; i < len(text); i += maxString {
		quoted = append(quoted, CharacterString(text[i:min(len(text), i+maxString)]))
	}
	return Record{Name: name, Type: "TXT", Value: strings.Join(quoted, " ")}
}

// CharacterString writes octets as one character-string in quotes: nothing in
// them can end it. More than 255 octets are not one string; TXT cuts them.
func CharacterString(octets string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(octets) {
		switch c := octets[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Errors of Text.
var (
	ErrNotText  = errors.New("the value is no sequence of quoted character-strings")
	ErrTooLong  = errors.New("a character-string is longer than 255 octets")
	errEndsOpen = fmt.Errorf("%w: a quote is left open", ErrNotText)
)

// Text is what a TXT record publishes: the octets of its character-strings, put
// together. It takes nothing but quoted strings with spaces between, so whoever
// gets a text from it may quote it again and be safe. Errors: ErrNotText,
// ErrTooLong.
func (r Record) Text() (string, error) {
	var text strings.Builder
	rest := strings.Trim(r.Value, " ")
	if rest == "" {
		return "", ErrNotText
	}
	for rest != "" {
		octets, after, err := cutCharacterString(rest)
		if err != nil {
			return "", err
		}
		if after != "" && after[0] != ' ' {
			return "", fmt.Errorf("%w: %.20q follows a quote", ErrNotText, after)
		}
		text.WriteString(octets)
		rest = strings.TrimLeft(after, " ")
	}
	return text.String(), nil
}

// cutCharacterString reads the quoted string that s begins with.
func cutCharacterString(s string) (octets, after string, err error) {
	if s[0] != '"' {
		return "", "", fmt.Errorf("%w: %.20q is not quoted", ErrNotText, s)
	}
	var b strings.Builder
	for i := 1; i < len(s); {
		if s[i] == '"' {
			return b.String(), s[i+1:], nil
		}
		c, size, err := cutOctet(s[i:])
		if err != nil {
			return "", "", err
		}
		if b.WriteByte(c); b.Len() > maxString {
			return "", "", ErrTooLong
		}
		i += size
	}
	return "", "", errEndsOpen
}

// cutOctet reads one octet: itself, \X or \DDD.
func cutOctet(s string) (c byte, size int, err error) {
	switch {
	case s[0] < ' ' || s[0] > '~':
		return 0, 0, fmt.Errorf("%w: the octet %#02x stands in it", ErrNotText, s[0])
	case s[0] != '\\':
		return s[0], 1, nil
	case len(s) < 2:
		return 0, 0, errEndsOpen
	case s[1] < '0' || s[1] > '9':
		return s[1], 2, nil
	case len(s) < 4:
		return 0, 0, errEndsOpen
	}
	value := 0
	for _, d := range []byte(s[1:4]) {
		if d < '0' || d > '9' {
			return 0, 0, fmt.Errorf("%w: %.4q is no octet", ErrNotText, s)
		}
		value = value*10 + int(d-'0')
	}
	if value > 255 {
		return 0, 0, fmt.Errorf("%w: %.4q is no octet", ErrNotText, s)
	}
	return byte(value), 4, nil
}
