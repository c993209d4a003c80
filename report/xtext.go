package report

import (
	"strconv"
	"strings"
)

// DecodeOriginal undoes the encoding that ORCPT has over the wire: xtext (RFC 3461
// section 4), and for utf-8 addresses \x{HEX} (RFC 6533 section 3). What breaks the
// encoding stays as it is.
func DecodeOriginal(orcpt string) string {
	kind, address, ok := strings.Cut(orcpt, ";")
	if !ok {
		return orcpt
	}
	if strings.EqualFold(kind, "utf-8") {
		return kind + ";" + decode(address, `\x{`, "}")
	}
	return kind + ";" + decode(address, "+", "")
}

// decode replaces prefix HEX suffix by the character it stands for; without a
// suffix, HEX is two digits.
func decode(s, prefix, suffix string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, prefix)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n := 2
		if suffix != "" {
			n = strings.Index(after, suffix)
		}
		if n < 2 || n > 6 || len(after) < n {
			b.WriteString(prefix)
			s = after
			continue
		}
		v, err := strconv.ParseUint(after[:n], 16, 32)
		if err != nil || v > 0x10ffff {
			b.WriteString(prefix)
			s = after
			continue
		}
		b.WriteRune(rune(v))
		s = after[n+len(suffix):]
	}
}
