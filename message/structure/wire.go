package structure

import "strconv"

// appendString writes s as IMAP has strings: quoted where it is plain, otherwise as a
// literal, which both revisions of IMAP take for octets over 127 (RFC 3501 and 9051,
// section 4.3).
func appendString(b []byte, s string) []byte {
	escapes := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			escapes++
		case c < ' ' && c != '\t' || c >= 0x7F:
			return appendLiteral(b, s)
		}
	}
	b = append(b, '"')
	if escapes == 0 {
		b = append(b, s...)
	} else {
		for i := range len(s) {
			if s[i] == '"' || s[i] == '\\' {
				b = append(b, '\\')
			}
			b = append(b, s[i])
		}
	}
	return append(b, '"')
}

func appendLiteral(b []byte, s string) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, "}\r\n"...)
	return append(b, s...)
}

// appendNString writes NIL for the empty string.
func appendNString(b []byte, s string) []byte {
	if s == "" {
		return append(b, "NIL"...)
	}
	return appendString(b, s)
}
