package dkim

import (
	"strings"

	"github.com/allgreen-mail/allgreen/message"
)

// Canonicalization is one of the two ways to write a header or a body before it
// is hashed (RFC 6376 section 3.4). The zero value is Relaxed, what we sign with.
type Canonicalization uint8

// The two there are.
const (
	Relaxed Canonicalization = iota
	Simple
)

// String is the word in c=.
func (c Canonicalization) String() string {
	if c == Simple {
		return "simple"
	}
	return "relaxed"
}

func parseCanonicalization(s string) (c Canonicalization, ok bool) {
	switch s {
	case "simple":
		return Simple, true
	case "relaxed":
		return Relaxed, true
	}
	return Simple, false
}

// AppendField appends the canonical form of a field, its CRLF included (RFC 6376
// sections 3.4.1 and 3.4.2).
func (c Canonicalization) AppendField(dst []byte, f message.Field) []byte {
	if c == Simple {
		return appendSimple(dst, f.Raw())
	}
	for _, b := range []byte(f.Name()) {
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		dst = append(dst, b)
	}
	dst = append(dst, ':')
	return append(appendRelaxed(dst, f.Body()), '\r', '\n')
}

// AppendUnsigned appends the canonical form of a signature field as the signature
// itself covers it: the value of b= taken out, and no CRLF at the end (RFC 6376
// section 3.7).
func (c Canonicalization) AppendUnsigned(dst []byte, f message.Field) []byte {
	name := f.Raw()[:strings.IndexByte(f.Raw(), ':')+1]
	cut := message.ParseField(name + cutValueOf(f.Body(), "b"))
	dst = c.AppendField(dst, cut)
	return dst[:len(dst)-2]
}

// appendSimple appends the octets as they are, every line end a CRLF.
func appendSimple(dst []byte, raw string) []byte {
	for raw != "" {
		i := strings.IndexByte(raw, '\n')
		if i < 0 {
			i = len(raw)
		}
		dst = append(dst, strings.TrimSuffix(raw[:i], "\r")...)
		dst = append(dst, '\r', '\n')
		raw = raw[min(i+1, len(raw)):]
	}
	return dst
}

// appendRelaxed appends the body of a field: unfolded, white space runs one
// space, none at the ends.
func appendRelaxed(dst []byte, body string) []byte {
	start := len(dst)
	space := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		lineEnd := c == '\n' || c == '\r' && i+1 < len(body) && body[i+1] == '\n'
		switch {
		case lineEnd:
		case c == ' ' || c == '\t':
			space = true
		default:
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, c)
		}
	}
	return dst
}

// SelectFields yields the fields that an h= list names, in its order: for every
// mention of a name the lowest field not taken yet (RFC 6376 section 5.4.2).
// A mention without a field left signs the absence and yields nothing.
func SelectFields(h message.Header, names []string, yield func(message.Field)) {
	taken := make([]bool, len(h.Fields))
	for _, name := range names {
		for i := len(h.Fields) - 1; i >= 0; i-- {
			if !taken[i] && h.Fields[i].Is(name) {
				taken[i] = true
				yield(h.Fields[i])
				break
			}
		}
	}
}
