package structure

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxParams bounds one field.
const maxParams = 100

// setType reads Content-Type.
func (p *Part) setType(v string) {
	kind, rest := cutToken(v)
	rest = skipSpace(rest)
	subtype := ""
	if strings.HasPrefix(rest, "/") {
		subtype, rest = cutToken(rest[1:])
	}
	p.Type, p.Subtype = lower(kind), lower(subtype)
	if kind == "" || subtype == "" {
		p.Type, p.Subtype = "text", "plain"
	}
	p.Params = params(rest)
}

// params reads "; name=value; ..." as well as it can be (RFC 2045 section 5.1).
func params(s string) []Param {
	var all []Param
	split := false
	for len(all) < maxParams {
		i := strings.IndexByte(s, ';')
		if i < 0 {
			break
		}
		name, rest := cutToken(s[i+1:])
		rest = skipSpace(rest)
		if !strings.HasPrefix(rest, "=") {
			s = s[i+1:]
			continue
		}
		var p Param
		p.Name = lower(name)
		p.Value, s = cutValue(skipSpace(rest[1:]))
		if name != "" {
			split = split || strings.Contains(name, "*")
			all = append(all, p)
		}
	}
	if split {
		all = join(all)
	}
	return all
}

// cutValue reads a token or a quoted string. A value without quotes that should have
// them goes to the next semicolon: file names with blanks are written like that.
func cutValue(s string) (value, rest string) {
	if strings.HasPrefix(s, `"`) {
		return cutQuoted(s)
	}
	value, rest = s, ""
	if i := strings.IndexByte(s, ';'); i >= 0 {
		value, rest = s[:i], s[i:]
	}
	if i := strings.IndexByte(value, '('); i >= 0 && isToken(strings.TrimRight(value[:i], " \t")) {
		value = value[:i] // a comment
	}
	return strings.TrimRight(value, " \t"), rest
}

// isToken reports whether s is a token of RFC 2045 section 5.1.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenOctet(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenOctet(c byte) bool {
	return c > ' ' && c < 0x7F && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}

// piece is a part of a value that was written in several (RFC 2231 section 3).
type piece struct {
	base     string
	number   int
	extended bool // its value is percent-encoded
	value    string
}

// join puts values together that were written in pieces. One that has any octets
// percent-encoded keeps its "*", the charset in front, and is percent-encoded whole.
func join(all []Param) []Param {
	var whole []Param
	var pieces []piece
	for _, p := range all {
		if piece, ok := asPiece(p); ok {
			pieces = append(pieces, piece)
		} else {
			whole = append(whole, p)
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.number, b.number))
	})
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].base == pieces[0].base {
			n++
		}
		whole = append(whole, joined(pieces[:n]))
		pieces = pieces[n:]
	}
	return whole
}

func asPiece(p Param) (piece, bool) {
	base, rest, ok := strings.Cut(p.Name, "*")
	number, extended := strings.CutSuffix(rest, "*")
	n, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil || base == "" {
		return piece{}, false
	}
	return piece{base, int(n), extended, p.Value}, true
}

func joined(pieces []piece) Param {
	p := Param{Name: pieces[0].base}
	extended := slices.ContainsFunc(pieces, func(p piece) bool { return p.extended })
	if extended {
		p.Name += "*"
	}
	var b strings.Builder
	for _, piece := range pieces {
		if extended && !piece.extended {
			percent(&b, piece.value)
		} else {
			b.WriteString(piece.value)
		}
	}
	p.Value = b.String()
	if extended && strings.Count(p.Value, "'") < 2 {
		p.Value = "''" + p.Value // no charset was named
	}
	return p
}

// percent writes s as RFC 2231 section 7 has it, only attribute characters plain.
func percent(b *strings.Builder, s string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; isTokenOctet(c) && strings.IndexByte("*'%", c) < 0 {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}

// languages reads Content-Language (RFC 3282 section 2).
func languages(v string) []string {
	var all []string
	for tag := range strings.SplitSeq(v, ",") {
		if t := firstToken(tag); t != "" && len(all) < maxParams {
			all = append(all, t)
		}
	}
	return all
}

// lower is s in lower case: of ASCII only, and s itself where it is that already.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
