package transfer

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// base64Names is the alphabet of modified UTF-7 (RFC 3501 section 5.1.3).
var base64Names = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// decodeName reads modified UTF-7. What is none, plain UTF-8 say, stays as it is.
func decodeName(name string) string {
	var out strings.Builder
	for rest := name; rest != ""; {
		before, code, found := strings.Cut(rest, "&")
		out.WriteString(before)
		if !found {
			break
		}
		code, after, closed := strings.Cut(code, "-")
		switch {
		case !closed:
			return name
		case code == "":
			out.WriteByte('&')
		default:
			text, ok := decodeUTF16(code)
			if !ok {
				return name
			}
			out.WriteString(text)
		}
		rest = after
	}
	if !utf8.ValidString(out.String()) {
		return name
	}
	return out.String()
}

func decodeUTF16(code string) (string, bool) {
	octets, err := base64Names.DecodeString(code)
	if err != nil || len(octets)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(octets)/2)
	for i := range units {
		units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
	}
	return string(utf16.Decode(units)), true
}

// encodeName writes modified UTF-7.
func encodeName(name string) string {
	var out strings.Builder
	var wide []rune
	flush := func() {
		if len(wide) == 0 {
			return
		}
		var octets []byte
		for _, u := range utf16.Encode(wide) {
			octets = append(octets, byte(u>>8), byte(u))
		}
		out.WriteString("&" + base64Names.EncodeToString(octets) + "-")
		wide = nil
	}
	for _, r := range name {
		switch {
		case r == '&':
			flush()
			out.WriteString("&-")
		case r >= ' ' && r <= '~':
			flush()
			out.WriteRune(r)
		default:
			wide = append(wide, r)
		}
	}
	flush()
	return out.String()
}
