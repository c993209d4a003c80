package syntax

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxName is the longest name of a folder, in octets of UTF-8.
const MaxName = 1000

// mailbox is the name of a folder, in UTF-8. INBOX has no case (RFC 9051 section 5.1).
func (s *scanner) mailbox() string {
	return s.folderName(s.astring())
}

func (s *scanner) folderName(wire string) string {
	name, ok := DecodeName(wire, s.utf8)
	if !ok {
		s.fail("the name of the folder is not encoded as it should be")
	}
	if len(name) > MaxName {
		s.fail("a name of more than %d octets", MaxName)
	}
	return Canonical(name)
}

// Canonical is the name with INBOX, and the INBOX above others, in upper case.
func Canonical(name string) string {
	const inbox = "INBOX"
	if len(name) >= len(inbox) && strings.EqualFold(name[:len(inbox)], inbox) && (len(name) == len(inbox) || name[len(inbox)] == '/') {
		return inbox + name[len(inbox):]
	}
	return name
}

// Mailbox names one folder.
type Mailbox struct{ Name string }

func parseMailbox(s *scanner) any {
	s.space()
	return &Mailbox{Name: s.mailbox()}
}

// Rename gives a folder another name.
type Rename struct{ From, To string }

func parseRename(s *scanner) any {
	r := &Rename{}
	s.space()
	r.From = s.mailbox()
	s.space()
	r.To = s.mailbox()
	return r
}

// Create makes a folder.
type Create struct {
	Name string
	Use  []string // special uses (RFC 6154 section 3), as \Sent
}

func parseCreate(s *scanner) any {
	c := &Create{}
	s.space()
	c.Name = s.mailbox()
	if s.take(' ') {
		s.list(func() {
			if s.word() != "USE" {
				s.fail("unknown parameter of CREATE")
			}
			s.space()
			s.maybeList(func() {
				s.want('\\')
				c.Use = unique(c.Use, `\`+s.atom())
			})
		})
	}
	return c
}

// base64Name is the base64 of modified UTF-7 (RFC 3501 section 5.1.3).
var base64Name = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// DecodeName gives the UTF-8 of a folder's name on the wire. Without utf8 it is in
// modified UTF-7, where a client that sends UTF-8 instead is understood; it is false for
// what is neither.
func DecodeName(wire string, isUTF8 bool) (string, bool) {
	if isUTF8 || !strings.Contains(wire, "&") {
		return wire, utf8.ValidString(wire)
	}
	var b strings.Builder
	for {
		plain, rest, shifted := strings.Cut(wire, "&")
		b.WriteString(plain)
		if !shifted {
			name := b.String()
			return name, utf8.ValidString(name)
		}
		code, after, ended := strings.Cut(rest, "-")
		if !ended {
			return "", false
		}
		if code == "" {
			b.WriteByte('&')
		} else if !decodeShifted(&b, code) {
			return "", false
		}
		wire = after
	}
}

// decodeShifted is UTF-16 in base64. What could stand there as it is must not be
// encoded: a name has one form only.
func decodeShifted(b *strings.Builder, code string) bool {
	octets, err := base64Name.DecodeString(code)
	if err != nil || len(octets)%2 != 0 {
		return false
	}
	for i := 0; i < len(octets); i += 2 {
		r := rune(octets[i])<<8 | rune(octets[i+1])
		if utf16.IsSurrogate(r) {
			if i += 2; i >= len(octets) {
				return false
			}
			if r = utf16.DecodeRune(r, rune(octets[i])<<8|rune(octets[i+1])); r == utf8.RuneError {
				return false
			}
		}
		if r >= ' ' && r < 0x7f {
			return false
		}
		b.WriteRune(r)
	}
	return true
}

// EncodeName is the name of a folder in modified UTF-7.
func EncodeName(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 0x7f || r == '&' }) {
		return name
	}
	var b strings.Builder
	var shifted []byte
	end := func() {
		if len(shifted) > 0 {
			b.WriteString("&" + base64Name.EncodeToString(shifted) + "-")
			shifted = shifted[:0]
		}
	}
	for _, r := range name {
		switch {
		case r == '&':
			end()
			b.WriteString("&-")
		case r >= ' ' && r < 0x7f:
			end()
			b.WriteRune(r)
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				shifted = append(shifted, byte(u>>8), byte(u))
			}
		}
	}
	end()
	return b.String()
}
