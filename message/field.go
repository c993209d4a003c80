package message

import "strings"

// Field is one header field exactly as it came: name, colon, folds, line ends.
// The zero value is a line without a name.
type Field struct {
	raw   string
	colon int // of the colon in raw; 0 when the line is no field
}

// ParseField takes one field, folded or not, with or without its final line end.
// A line that is no field (RFC 5322 section 2.2) becomes a Field with an empty
// name.
func ParseField(raw string) Field {
	colon := strings.IndexByte(raw, ':')
	if colon <= 0 || !isFieldName(strings.TrimRight(raw[:colon], " \t")) {
		return Field{raw: raw}
	}
	return Field{raw, colon}
}

// NewField makes a field from its parts, ended by CRLF. The value is taken as it
// is: the caller folds and encodes.
func NewField(name, value string) Field {
	return ParseField(name + ": " + value + "\r\n")
}

// isFieldName is ftext of RFC 5322 section 3.6.8.
func isFieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

// Raw is the field as it came, with its final line end if it had one.
func (f Field) Raw() string { return f.raw }

// Name is the name as it is written, without white space before the colon
// (RFC 5322 section 4.5.8 had that); "" for a line that is no field.
func (f Field) Name() string { return strings.TrimRight(f.raw[:f.colon], " \t") }

// Is reports whether the field has this name, in any case.
func (f Field) Is(name string) bool {
	return f.colon >= len(name) && len(name) > 0 && strings.EqualFold(f.Name(), name)
}

// Body is everything behind the colon as it came, folds and the space at its
// beginning included, without the final line end.
func (f Field) Body() string {
	if f.colon == 0 {
		return trimLineEnd(f.raw)
	}
	return trimLineEnd(f.raw[f.colon+1:])
}

// Value is the body unfolded (RFC 5322 section 2.2.3), without white space at
// its ends.
func (f Field) Value() string { return strings.Trim(Unfold(f.Body()), " \t") }

// Text is the value with its encoded words decoded, as valid UTF-8.
func (f Field) Text() string { return DecodeWords(f.Value()) }

// Unfold takes the line ends out of a field body and leaves the white space that
// followed them.
func Unfold(s string) string {
	if strings.IndexByte(s, '\n') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		i := strings.IndexByte(s, '\n')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(strings.TrimSuffix(s[:i], "\r"))
		s = s[i+1:]
	}
	return b.String()
}

func trimLineEnd(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}
