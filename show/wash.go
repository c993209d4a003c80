package show

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how much of one text is shown, in octets: more than any honest
// record or reply, little enough to page through.
const maxText = 4096

// Clean makes a text of unknown origin safe to show on one line, in a terminal or a page:
// valid UTF-8, printable, bounded.
func Clean(s string) string { return wash(s) }

// wash makes a text of unknown origin safe to show on one line: valid UTF-8,
// printable, bounded. What a terminal or a browser could obey becomes a visible
// escape, other blanks become spaces.
func wash(s string) string {
	cut := ""
	if len(s) > maxText {
		cut = fmt.Sprintf(" ... (%d octets more)", len(s)-maxText)
		s = s[:maxText]
	}
	if isClean(s) {
		return s + cut
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\t' || unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		default:
			b.WriteString(escape(r))
		}
		s = s[size:]
	}
	return b.String() + cut
}

func isClean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func escape(r rune) string {
	switch {
	case r == '\r':
		return `\r`
	case r == '\n':
		return `\n`
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// washLines is wash for a text of several lines, such as commands to run.
func washLines(s string) []string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		lines = append(lines, wash(strings.TrimRight(line, " \t\r")))
	}
	return lines
}

func washAll(texts []string) []string {
	washed := make([]string, len(texts))
	for i, s := range texts {
		washed[i] = wash(s)
	}
	return washed
}
