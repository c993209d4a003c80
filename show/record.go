package show

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

// maxString is the longest character-string of a TXT record (RFC 1035 section
// 3.3).
const maxString = 255

// zoneLines is a record as it stands in a zone file (RFC 1035 section 5.1): on
// one line where it fits the width, in parentheses where it does not. It trusts
// nothing: every field is quoted or escaped here again, so that no value, whoever
// published it, ends its field, its record or its line. A record too long to page
// through is a remark of the zone file instead: part of a record is a wrong one.
func zoneLines(r finding.Record, limit int) []string {
	head := fmt.Sprintf("%s IN %s", bareWord(r.Name), bareWord(strings.ToUpper(r.Type)))
	if len(r.Value) > maxText {
		return []string{fmt.Sprintf("; %s: %d octets, too long to be shown; --json has it", head, len(r.Value))}
	}
	if isText(r) {
		return foldFields(head, textFields(head, r, limit), limit)
	}
	return foldFields(head, safeFields(r.Value), limit)
}

func isText(r finding.Record) bool {
	return strings.EqualFold(r.Type, "TXT") || strings.EqualFold(r.Type, "SPF")
}

// textFields are the character-strings of a text, short enough for the width. A
// value that is no sequence of quoted strings is the text itself.
func textFields(head string, r finding.Record, limit int) []string {
	text, err := r.Text()
	if err != nil {
		text = r.Value
	}
	room := maxString
	if len(text) > maxString || columns(head+" "+finding.CharacterString(text)) > limit {
		room = min(max(limit-8, 20), maxString)
	}
	fields := []string{finding.CharacterString(text[:min(len(text), room)])}
	for i := room; i < len(text); i += room {
		fields = append(fields, finding.CharacterString(text[i:min(len(text), i+room)]))
	}
	return fields
}

// safeFields takes a value apart at its spaces, but not inside quotes.
func safeFields(value string) []string {
	var fields []string
	for rest := strings.TrimLeft(value, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		end := endOfField(rest)
		fields = append(fields, safeField(rest[:end]))
		rest = rest[end:]
	}
	return fields
}

// endOfField is where the field ends that s begins with.
func endOfField(s string) int {
	quoted := s[0] == '"'
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case quoted && i > 0 && s[i] == '"':
			return i + 1
		case !quoted && s[i] == ' ':
			return i
		}
	}
	return len(s)
}

// safeField keeps a quoted string quoted and makes everything else one bare word.
func safeField(field string) string {
	if octets, err := (finding.Record{Value: field}).Text(); err == nil {
		return finding.CharacterString(octets)
	}
	return bareWord(field)
}

// bareWord escapes what means something in a zone file outside quotes. Escapes
// that are there already stay.
func bareWord(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isEscape(s[i:]):
			i++
			b.WriteByte(c)
			b.WriteByte(s[i])
		case strings.IndexByte(`\"();@$`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c <= ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isEscape reports whether s begins with \X or \DDD.
func isEscape(s string) bool {
	if len(s) < 2 || s[0] != '\\' || s[1] <= ' ' || s[1] > '~' {
		return false
	}
	if s[1] < '0' || s[1] > '9' {
		return true
	}
	_, err := strconv.ParseUint(s[1:min(4, len(s))], 10, 8)
	return err == nil && len(s) >= 4
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
