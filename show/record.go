package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

// maxString is the longest character-string of a TXT record (RFC 1035 section
// 3.3).
const maxString = 255

// zoneLines is a record as it stands in a zone file (RFC 1035 section 5.1): on
// one line where it fits the width, in parentheses where it does not. Text of
// TXT records is quoted here unless it already is.
func zoneLines(r finding.Record, limit int) []string {
	head := fmt.Sprintf("%s IN %s", washName(r.Name), wash(strings.ToUpper(r.Type)))
	value := wash(r.Value)
	if !isText(r) || strings.HasPrefix(value, `"`) {
		return foldFields(head, splitQuoted(value), limit)
	}
	room := maxString
	if len(value) > maxString || columns(head+" "+quote(value)) > limit {
		room = min(max(limit-8, 20), maxString)
	}
	parts := []string{quote(value[:min(len(value), room)])}
	for i := room; i < len(value); i += room {
		parts = append(parts, quote(value[i:min(len(value), i+room)]))
	}
	return foldFields(head, parts, limit)
}

func isText(r finding.Record) bool {
	return strings.EqualFold(r.Type, "TXT") || strings.EqualFold(r.Type, "SPF")
}

// washName keeps a name one word.
func washName(s string) string { return strings.ReplaceAll(wash(s), " ", `\032`) }

// quote writes one character-string; what is not ASCII goes as \DDD.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
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

// splitQuoted takes a value apart at its spaces, but not inside quotes.
func splitQuoted(s string) []string {
	var parts []string
	start, inside := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			inside = !inside
		case s[i] == ' ' && !inside:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	parts = append(parts, s[start:])
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

// foldFields puts the fields of a record on one line, or in parentheses where
// that would be too long.
func foldFields(head string, fields []string, limit int) []string {
	line := strings.Join(append([]string{head}, fields...), " ")
	if columns(line) <= limit {
		return []string{line}
	}
	return inParentheses(head, fields, limit)
}

// inParentheses spreads fields over lines; between parentheses the end of a line
// means nothing.
func inParentheses(head string, fields []string, limit int) []string {
	lines := []string{head + " ("}
	line := "   "
	for _, f := range fields {
		if len(line) > 3 && columns(line)+1+columns(f) > limit-2 {
			lines = append(lines, line)
			line = "   "
		}
		line += " " + f
	}
	return append(lines, line+" )")
}
