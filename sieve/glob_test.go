package sieve

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzGlob compares patterns with regular expressions that take as little as possible.
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"abcbcd", "a*b?d"}, {"käse", "k?s*"}, {"a*b", `a\*b`}, {"", "*"}, {"xx", "*x*x*"}, {`a\`, `a\`}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, pattern string) {
		text, pattern = strings.ToValidUTF8(text, "?"), strings.ToValidUTF8(pattern, "?")
		if len(text) > 100 || len(pattern) > 30 {
			return
		}
		r := &run{script: &Script{limits: Limits{}.orDefaults()}}
		g := glob{run: r, text: text, pattern: pattern}
		got, err := g.match()
		if err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile("(?s)^" + expression(pattern) + "$").FindStringSubmatchIndex(text)
		if got != (want != nil) {
			t.Fatalf("%q of %q: %v", pattern, text, got)
		}
		if !got {
			return
		}
		if len(g.spans) != len(want)/2-1 {
			t.Fatalf("%q of %q: %v, want %v", pattern, text, g.spans, want)
		}
		for i, s := range g.spans {
			if s[0] != want[2*i+2] || s[1] != want[2*i+3] {
				t.Fatalf("%q of %q: %v, want %v", pattern, text, g.spans, want)
			}
		}
	})
}

func expression(pattern string) string {
	var b strings.Builder
	escaped := false
	for i, r := range pattern {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(r)))
			escaped = false
		case r == '*':
			b.WriteString("(.*?)")
		case r == '?':
			b.WriteString("(.)")
		case r == '\\' && i+1 < len(pattern):
			escaped = true
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}
