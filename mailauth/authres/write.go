package authres

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what is written. A line may have 998 octets (RFC 5322 section 2.1.1)
// and should have 78.
const (
	maxValue = 320 // one value, reason or comment; an address has at most 254
	maxLine  = 78
)

// String is the value of the field on one line, without its name.
func (f Field) String() string { return strings.Join(f.words(), " ") }

// Folded is the whole field as it goes into a message: name, value in lines of at
// most 78 octets where the words allow it, and the final CRLF.
func (f Field) Folded() string {
	var b strings.Builder
	b.WriteString(Name + ":")
	column := b.Len()
	fresh := false // a line that holds nothing yet
	for _, w := range f.words() {
		if column+1+len(w) > maxLine && !fresh {
			b.WriteString("\r\n")
			column = 0
		}
		b.WriteByte(' ')
		b.WriteString(w)
		column += 1 + len(w)
		fresh = false
		// Each result begins on a line of its own.
		if strings.HasSuffix(w, ";") {
			b.WriteString("\r\n")
			column, fresh = 0, true
		}
	}
	return strings.TrimSuffix(b.String(), "\r\n") + "\r\n"
}

// words are the pieces between which a space, or a fold, may stand. Only the end
// of a result ends in a semicolon: a quoted one is inside quotes.
func (f Field) words() []string {
	id := value(f.ID)
	if id == `""` {
		id = "unknown"
	}
	words := append(make([]string, 0, 4+6*len(f.Results)), id)
	if f.Version > 1 {
		words = append(words, strconv.Itoa(f.Version))
	}
	if len(f.Results) == 0 {
		return append(semicolon(words), "none")
	}
	for _, r := range f.Results {
		words = r.appendWords(semicolon(words))
	}
	return words
}

func semicolon(words []string) []string {
	words[len(words)-1] += ";"
	return words
}

func (r Result) appendWords(words []string) []string {
	method := keyword(r.Method)
	if r.Version > 1 {
		method += "/" + strconv.Itoa(r.Version)
	}
	words = append(words, method+"="+keyword(r.Value))
	if c := clean(r.Comment); c != "" {
		words = append(words, strings.Split("("+escape(c, `()\`)+")", " ")...)
	}
	if reason := clean(r.Reason); reason != "" {
		words = append(words, "reason="+value(reason))
	}
	for _, p := range r.Properties {
		words = append(words, keyword(p.Type)+"."+keyword(p.Name)+"="+pvalue(p.Value))
	}
	return words
}

// keyword reduces a text to a Keyword: letters, digits and hyphens, with a letter or
// digit at both ends (RFC 8601 section 2.2, RFC 5321 Ldh-str).
func keyword(s string) string {
	if isLDH(s) {
		return s
	}
	if len(s) > 64 {
		s = s[:64]
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && isKeyword(byte(r)) {
			return r
		}
		return '-'
	}, s)
	if s = strings.Trim(s, "-"); s == "" {
		return "unknown"
	}
	return s
}

// isLDH reports whether nothing needs to be reduced.
func isLDH(s string) bool {
	for i := range len(s) {
		if !isKeyword(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= 64 && s[0] != '-' && s[len(s)-1] != '-'
}

func isKeyword(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-'
}

// isToken is the token of RFC 2045 section 5.1.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// value is a token where the text is one, and a quoted string else.
func value(s string) string {
	if s = clean(s); isToken(s) {
		return s
	}
	return `"` + escape(s, `"\`) + `"`
}

// pvalue is a value, or an address or @domain, which may stand unquoted.
func pvalue(s string) string {
	s = clean(s)
	local, domain, ok := strings.Cut(s, "@")
	if ok && (local == "" || isToken(local)) && isDomain(domain) {
		return s
	}
	return value(s)
}

func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || keyword(label) != label {
			return false
		}
	}
	return true
}

// clean makes one line of visible text: controls and broken UTF-8 become "?",
// white space becomes single spaces, and what is too long is cut.
func clean(s string) string {
	if len(s) <= maxValue && isToken(s) {
		return s
	}
	if len(s) > maxValue {
		s = s[:maxValue]
		for !utf8.ValidString(s) && len(s) > maxValue-utf8.UTFMax {
			s = s[:len(s)-1]
		}
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == ' ', r == '\t', r == '\r', r == '\n':
			return ' '
		case r < ' ', r >= 0x7F && r < 0xA0, r == 0x2028, r == 0x2029, r == utf8.RuneError:
			return '?'
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// escape puts a backslash before each of the special characters.
func escape(s, special string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(special, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
