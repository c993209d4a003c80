package authres

import (
	"slices"
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
func (f Field) String() string {
	var w writer
	w.field(&f)
	return string(w.out)
}

// Folded is the whole field as it goes into a message: name, value in lines of at
// most 78 octets where the words allow it, and the final CRLF.
func (f Field) Folded() string {
	w := writer{out: append(make([]byte, 0, 512), Name+":"...), folds: true}
	w.field(&f)
	return string(append(w.out, "\r\n"...))
}

// writer writes words, between which a space or a fold stands.
type writer struct {
	out   []byte
	folds bool
	line  int  // where the line begins
	word  int  // where the last word begins, with its space
	open  bool // the last word may still grow
	fresh bool // it is the first of its line, wherever that ends
}

func (w *writer) field(f *Field) {
	w.begin()
	if id := value(f.ID); id == `""` {
		w.add("unknown")
	} else {
		w.add(id)
	}
	if f.Version > 1 {
		w.begin()
		w.out = strconv.AppendInt(w.out, int64(f.Version), 10)
	}
	for i := range f.Results {
		w.semicolon()
		w.result(&f.Results[i])
	}
	if len(f.Results) == 0 {
		w.semicolon()
		w.begin()
		w.add("none")
	}
	w.end()
}

func (w *writer) result(r *Result) {
	w.begin()
	w.add(keyword(r.Method))
	if r.Version > 1 {
		w.add("/")
		w.out = strconv.AppendInt(w.out, int64(r.Version), 10)
	}
	w.add("=")
	w.add(keyword(r.Value))
	if c := clean(r.Comment); c != "" {
		w.comment(c)
	}
	if reason := clean(r.Reason); reason != "" {
		w.begin()
		w.add("reason=")
		w.add(value(reason))
	}
	for i := range r.Properties {
		p := &r.Properties[i]
		w.begin()
		w.add(keyword(p.Type))
		w.add(".")
		w.add(keyword(p.Name))
		w.add("=")
		w.add(pvalue(p.Value))
	}
}

func (w *writer) comment(text string) {
	w.begin()
	w.add("(")
	for i, part := range strings.Split(escape(text, `()\`), " ") {
		if i > 0 {
			w.begin()
		}
		w.add(part)
	}
	w.add(")")
}

// begin begins a word.
func (w *writer) begin() {
	w.end()
	w.word, w.open = len(w.out), true
	if w.word > 0 {
		w.out = append(w.out, ' ')
	}
}

func (w *writer) add(s string) { w.out = append(w.out, s...) }

// end folds before the last word where the line has become too long.
func (w *writer) end() {
	if !w.open {
		return
	}
	if w.folds && len(w.out)-w.line > maxLine && !w.fresh {
		w.out = slices.Insert(w.out, w.word, '\r', '\n')
		w.line = w.word + 2
	}
	w.open, w.fresh = false, false
}

// semicolon ends a result, and its line.
func (w *writer) semicolon() {
	w.add(";")
	w.end()
	if w.folds {
		w.out = append(w.out, "\r\n"...)
		w.line, w.fresh = len(w.out), true
	}
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
		if !isTokenOctet(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenOctet(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '@', ',', ';', ':', '\\', '"', '/', '[', ']', '?', '=':
		return false
	}
	return c > ' ' && c <= '~'
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
	if len(s) <= maxValue && isClean(s) {
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

// isClean reports a line of visible ASCII with single spaces inside.
func isClean(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			return false
		}
	}
	return true
}

// escape puts a backslash before each of the special characters.
func escape(s, special string) string {
	if !strings.ContainsAny(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(special, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
