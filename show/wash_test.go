package show

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestWash(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"250 ok", "250 ok"},
		{"a\tb\u00a0c\u3000d", "a b c d"},
		{"\x1b]0;title\a", `\x1b]0;title\x07`},
		{"\u009b2J", `\x9b2J`},
		{"line\r\nline", `line\r\nline`},
		{"a\xffb\xc3", `a\xffb\xc3`},
		{"\ufffd", "\ufffd"},
		{"abc\u202ecba", `abc\u202ecba`},
		{"exam\u200bple\u00ad", `exam\u200bple\xad`},
		{"\u2028", `\u2028`},
		{"\U000e0041", `\U000e0041`},
		{"bücher 日本 e\u0301", "bücher 日本 e\u0301"},
	} {
		if got := wash(tt.in); got != tt.want {
			t.Errorf("wash(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestWashIsBounded(t *testing.T) {
	got := wash(strings.Repeat("\x00", 10<<20))
	if len(got) > 4*maxText+40 || !strings.HasSuffix(got, "octets more)") {
		t.Errorf("%d octets, ending in %q", len(got), got[max(0, len(got)-30):])
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"one two three", 10, "one two|three"},
		{"exactly10c and", 10, "exactly10c|and"},
		{"aVeryLongWordIndeed", 10, "aVeryLongW|ordIndeed"},
		{"short aVeryLongWordIndeed", 10, "short|aVeryLongW|ordIndeed"},
		{"  indented text", 10, "  indented|text"},
		{"日本語日本語", 5, "日本|語日|本語"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301e\u0301|e\u0301"},
		{"日", 1, "日"},
	} {
		if got := strings.Join(wrap(tt.in, tt.limit), "|"); got != tt.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

// FuzzPaper holds what a reader relies on: no octet that a terminal obeys, and
// no line over the width, whatever the text.
func FuzzPaper(f *testing.F) {
	for _, seed := range []string{"250 ok", "\x1b[2J\u202e\xff", "日本語 e\u0301\u0301\u0301", "  \t \u3000 x", strings.Repeat("x", 5000)} {
		f.Add(seed, 30)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		clean := wash(s)
		if !utf8.ValidString(clean) || strings.ContainsFunc(clean, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("wash(%q) = %q", s, clean)
		}
		if again := wash(clean); len(clean) <= maxText && again != clean {
			t.Fatalf("washed twice, %q became %q", clean, again)
		}
		if limit < 4 || limit > 200 {
			return
		}
		for _, line := range wrap(clean, limit) {
			if columns(line) > limit {
				t.Fatalf("%d columns, over %d: %q", columns(line), limit, line)
			}
		}
		if got, want := strings.Join(wrap(clean, limit), ""), clean; strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Fatalf("wrapping %q lost text: %q", want, got)
		}
	})
}
