package show

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// columns is how many cells of a terminal a text takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

// cells is 0 for a combining mark, 2 for a wide character (UAX 11), else 1.
func cells(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// wrap breaks a text at its spaces into lines of at most so many columns; a word
// that is wider is broken where the line ends, but never inside a character. Leading spaces stay. It gives at
// least one line.
func wrap(s string, limit int) []string {
	text := strings.TrimLeft(s, " ")
	line := s[:min(len(s)-len(text), limit/2)]
	used, empty := len(line), true
	var lines []string
	for word := range strings.FieldsSeq(text) {
		w := columns(word)
		if !empty && used+1+w > limit {
			lines = append(lines, line)
			line, used, empty = "", 0, true
		}
		if !empty {
			line, used = line+" ", used+1
		}
		for used+w > limit && utf8.RuneCountInString(word) > 1 {
			head := headColumns(word, limit-used)
			lines = append(lines, line+head)
			line, used, word, w = "", 0, word[len(head):], w-columns(head)
		}
		line, used, empty = line+word, used+w, false
	}
	return append(lines, line)
}

// headColumns is the longest beginning of s within so many columns, marks with
// their letter, and at least one character.
func headColumns(s string, limit int) string {
	used := 0
	for i, r := range s {
		c := cells(r)
		if i > 0 && used+c > limit {
			return s[:i]
		}
		used += c
	}
	return s
}
