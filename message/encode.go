package message

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Widths of what we write. RFC 5322 section 2.1.1 wants lines of 78; RFC 2047
// section 2 wants 76 where there are encoded words, and 75 for each of them.
const (
	foldAt     = 76
	longestEnc = 75
	wordFrame  = len("=?utf-8?q??=")
)

// TextField makes an unstructured field, Subject say, out of any text: what ASCII
// cannot carry becomes encoded words (RFC 2047), long lines are folded. Line ends
// and other control characters in the text become spaces: a text never makes a
// field of its own.
func TextField(name, text string) Field {
	text = oneLine(text)
	f := newFolder(name)
	lead, middle, tail := splitEncoded(text)
	f.tokens(lead)
	f.encoded(middle)
	f.tokens(tail)
	return f.field()
}

// AddressField makes From, To, Cc, Sender or Reply-To. Names are quoted or encoded
// as they need; a local part in UTF-8 stays as it is, which only a message for
// SMTPUTF8 may carry (RFC 6532). Groups are written as their mailboxes.
func AddressField(name string, boxes ...Mailbox) Field {
	f := newFolder(name)
	for i, m := range boxes {
		f.mailbox(m, i < len(boxes)-1)
	}
	return f.field()
}

// oneLine makes every control character a space, and the text valid UTF-8.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", " "))
	return strings.Trim(strings.ToValidUTF8(text, "\uFFFD"), " ")
}

// splitEncoded cuts the text into what goes as it is, what must be encoded, and
// what goes as it is again. One run is encoded rather than each word, for the
// white space between two encoded words is lost (RFC 2047 section 6.2).
func splitEncoded(text string) (lead, middle, tail string) {
	first, last, at := -1, 0, 0
	for token := range strings.SplitAfterSeq(text, " ") {
		if needsEncoding(strings.TrimSuffix(token, " ")) {
			if first < 0 {
				first = at
			}
			last = at + len(strings.TrimSuffix(token, " "))
		}
		at += len(token)
	}
	if first < 0 {
		return text, "", ""
	}
	for first > 1 && text[first-1] == ' ' && text[first-2] == ' ' {
		first-- // a line cannot carry more than one space at its end
	}
	return text[:first], text[first:last], strings.TrimPrefix(text[last:], " ")
}

// needsEncoding finds what cannot stand in a field, or would be read as an encoded
// word, or would make a line that nobody can fold.
func needsEncoding(token string) bool {
	return !isPrintableASCII(token) || strings.Contains(token, "=?") || len(token) > foldAt-16
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// A folder writes one field and breaks its lines where white space stands.
type folder struct {
	b    strings.Builder
	line int // octets of the current line
}

func newFolder(name string) *folder {
	f := &folder{}
	f.b.WriteString(name + ":")
	f.line = len(name) + 1
	return f
}

// word writes one unbreakable piece behind white space.
func (f *folder) word(s string) {
	if f.line+1+len(s) > foldAt && f.line > 1 {
		f.b.WriteString("\r\n")
		f.line = 0
	}
	f.b.WriteString(" " + s)
	f.line += 1 + len(s)
}

// tokens writes text that needs no encoding. Runs of spaces stay together with the
// word behind them, so that a fold never makes a line of white space only.
func (f *folder) tokens(text string) {
	for text != "" {
		spaces := len(text) - len(strings.TrimLeft(text, " "))
		end := strings.IndexByte(text[spaces:], ' ')
		if end < 0 {
			end = len(text) - spaces
		}
		if word := text[:spaces+end]; strings.Trim(word, " ") != "" {
			f.word(word)
		}
		text = strings.TrimPrefix(text[spaces+end:], " ")
	}
}

// encoded writes text as encoded words, cut between characters only (RFC 2047
// section 5).
func (f *folder) encoded(text string) {
	if text == "" {
		return
	}
	encode := encodeQ // a person can read most of it
	if 3*foreign(text) > 2*len(text) {
		encode = encodeB
	}
	for text != "" {
		room := foldAt - f.line - 1
		if room < 30 {
			room = longestEnc
		}
		n := fit(text, encode, min(room, longestEnc))
		f.word(encode(text[:n]))
		text = text[n:]
	}
}

// fit is how many octets of text, whole characters, make an encoded word of at
// most width; at least one character.
func fit(text string, encode func(string) string, width int) int {
	n := 0
	for n < len(text) {
		_, size := utf8.DecodeRuneInString(text[n:])
		if n > 0 && len(encode(text[:n+size])) > width {
			break
		}
		n += size
	}
	return n
}

func encodeB(s string) string {
	return "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

// encodeQ leaves only what a phrase may hold (RFC 2047 section 5 rule 3), so that
// one way serves every field.
func encodeQ(s string) string {
	var b strings.Builder
	b.WriteString("=?utf-8?q?")
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case isPlainQ(c):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	b.WriteString("?=")
	return b.String()
}

func isPlainQ(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("!*+-/", c) >= 0
}

// foreign counts the octets that Q writes as three.
func foreign(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] != ' ' && !isPlainQ(s[i]) {
			n++
		}
	}
	return n
}

// mailbox writes one entry of an address list.
func (f *folder) mailbox(m Mailbox, more bool) {
	comma := ""
	if more {
		comma = ","
	}
	name := oneLine(m.Name)
	if name == "" {
		f.word(m.Address.String() + comma)
		return
	}
	f.phrase(name)
	f.word(m.Address.Path() + comma)
}

// phrase writes a display name (RFC 5322 section 3.2.5).
func (f *folder) phrase(name string) {
	switch {
	case slices.ContainsFunc(strings.Split(name, " "), needsEncoding):
		f.encoded(name)
	case isAtoms(name):
		f.tokens(name)
	default:
		f.tokens(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`)
	}
}

// isAtoms reports whether a name is words of atext with single spaces between.
func isAtoms(name string) bool {
	for word := range strings.SplitSeq(name, " ") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			if c := word[i]; !isPlainQ(c) && strings.IndexByte("#$%&'=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

func (f *folder) field() Field {
	f.b.WriteString("\r\n")
	return ParseField(f.b.String())
}

// StructuredField makes a field whose value has a syntax of its own, such as
// References or List-Unsubscribe: folded at its white space, never encoded. The
// caller answers for the syntax; control characters become spaces.
func StructuredField(name, value string) Field {
	f := newFolder(name)
	f.tokens(oneLine(value))
	return f.field()
}
