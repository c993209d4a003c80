package sieve

import (
	"cmp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// comparator says when two texts are the same, and which comes first (RFC 4790).
type comparator struct {
	name    string
	fold    func(string) string // equal texts have the same form
	octets  bool                // "?" is an octet, not a character
	numbers bool                // compares numbers, and nothing but numbers
}

// comparators are the built-in ones; i;ascii-casemap is the default (RFC 5228 section
// 2.7.3).
var comparators = []comparator{
	{name: "i;ascii-casemap", fold: upperASCII},
	{name: "i;octet", fold: func(s string) string { return s }, octets: true},
	{name: "i;ascii-numeric", fold: func(s string) string { return s }, numbers: true},
	{name: "i;unicode-casemap", fold: upperUnicode},
}

// upperASCII is the form of RFC 4790 section 9.2.
func upperASCII(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' }) < 0 {
		return s
	}
	octets := []byte(s)
	for i, c := range octets {
		if c >= 'a' && c <= 'z' {
			octets[i] = c - 'a' + 'A'
		}
	}
	return string(octets)
}

// upperUnicode is the form of RFC 5051 section 2: title case, then decomposed.
func upperUnicode(s string) string { return norm.NFKD.String(strings.Map(unicode.ToTitle, s)) }

// compare is the order of two folded texts.
func (c *comparator) compare(a, b string) int {
	if !c.numbers {
		return cmp.Compare(a, b)
	}
	// RFC 4790 section 9.1: what begins with no digit is infinite, and all infinite are
	// the same.
	x, y := digits(a), digits(b)
	switch {
	case x == "" || y == "":
		return cmp.Compare(btoi(x == ""), btoi(y == ""))
	case len(x) != len(y):
		return cmp.Compare(len(x), len(y))
	}
	return cmp.Compare(x, y)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// digits are those at the beginning, without leading zeros; at least one if there are
// any.
func digits(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 {
		return ""
	}
	if short := strings.TrimLeft(s[:n], "0"); short != "" {
		return short
	}
	return "0"
}
