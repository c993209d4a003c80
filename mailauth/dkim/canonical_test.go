package dkim

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/message"
)

// The example of RFC 6376 section 3.4.5.
func TestCanonicalHeader(t *testing.T) {
	h := message.ParseHeader("A: X\r\nB : Y\t\r\n\tZ  \r\n")
	forms := map[Canonicalization]string{
		Relaxed: "a:X\r\nb:Y Z\r\n",
		Simple:  "A: X\r\nB : Y\t\r\n\tZ  \r\n",
	}
	for form, want := range forms {
		var got []byte
		for _, f := range h.Fields {
			got = form.AppendField(got, f)
		}
		if string(got) != want {
			t.Errorf("%s: %q, want %q", form, got, want)
		}
	}
}

func TestCanonicalField(t *testing.T) {
	tests := []struct{ raw, relaxed, simple string }{
		{"A: 1", "a:1\r\n", "A: 1\r\n"},                    // the last line has no end
		{"A: 1\n b\n", "a:1 b\r\n", "A: 1\r\n b\r\n"},      // a file
		{"A:\r\n 1\r\n", "a:1\r\n", "A:\r\n 1\r\n"},        // folded at once
		{"A:\r\n", "a:\r\n", "A:\r\n"},                     // empty
		{"A: \r\n \r\n", "a:\r\n", "A: \r\n \r\n"},         // white space
		{"A: a\rb\r\n", "a:a\rb\r\n", "A: a\rb\r\n"},       // a CR alone
		{"A: é \xff\r\n", "a:é \xff\r\n", "A: é \xff\r\n"}, // octets
	}
	for _, tt := range tests {
		f := message.ParseField(tt.raw)
		if got := Relaxed.AppendField(nil, f); string(got) != tt.relaxed {
			t.Errorf("relaxed %q: %q, want %q", tt.raw, got, tt.relaxed)
		}
		if got := Simple.AppendField(nil, f); string(got) != tt.simple {
			t.Errorf("simple %q: %q, want %q", tt.raw, got, tt.simple)
		}
	}
}

func TestUnsignedField(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"DKIM-Signature: a=1; b=xyz; c=2\r\n", "DKIM-Signature: a=1; b=; c=2"},
		{"DKIM-Signature: b = x\r\n y \r\n", "DKIM-Signature: b ="},
		{"DKIM-Signature: bh=b=; b=x;\r\n", "DKIM-Signature: bh=b=; b=;"},
		{"DKIM-Signature: a=1;\r\n b=", "DKIM-Signature: a=1;\r\n b="},
	}
	for _, tt := range tests {
		if got := Simple.AppendUnsigned(nil, message.ParseField(tt.raw)); string(got) != tt.want {
			t.Errorf("%q: %q, want %q", tt.raw, got, tt.want)
		}
	}
}

var bodyTests = []struct{ in, relaxed, simple string }{
	{" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n", " C \r\nD \t E\r\n"}, // RFC 6376 section 3.4.5
	{"", "", "\r\n"},
	{"\r\n", "", "\r\n"},
	{"\r\n\r\n\r\n", "", "\r\n"},
	{" \t\r\n", "", " \t\r\n"},
	{" ", "", " \r\n"},
	{"a", "a\r\n", "a\r\n"},
	{"a\r\n", "a\r\n", "a\r\n"},
	{"a\n\nb\n\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
	{"\r\na", "\r\na\r\n", "\r\na\r\n"},
	{"a\rb\r", "a\rb\r\r\n", "a\rb\r\r\n"},
	{"a \r b", "a \r b\r\n", "a \r b\r\n"},
	{"a\r\r\n", "a\r\r\n", "a\r\r\n"},
	{"a \t \r\n \r\n b  c", "a\r\n\r\n b c\r\n", "a \t \r\n \r\n b  c\r\n"},
	{strings.Repeat("0123456789", 500) + " \r\n", strings.Repeat("0123456789", 500) + "\r\n", strings.Repeat("0123456789", 500) + " \r\n"},
}

func TestCanonicalBody(t *testing.T) {
	for i, tt := range bodyTests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for _, piece := range []int{1, 2, 3, 10000} {
				for form, want := range map[Canonicalization]string{Relaxed: tt.relaxed, Simple: tt.simple} {
					var b bodies
					h := b.want(form, noLimit)
					limited := b.want(form, 3)
					for rest := tt.in; rest != ""; {
						n := min(piece, len(rest))
						b.Write([]byte(rest[:n]))
						rest = rest[n:]
					}
					b.close()
					if sum := sha256.Sum256([]byte(want)); string(h.sum) != string(sum[:]) || b.size(form) != int64(len(want)) {
						t.Errorf("%s of %q in pieces of %d is not %q (%d octets)", form, tt.in, piece, want, b.size(form))
					}
					if sum := sha256.Sum256([]byte(want[:min(3, len(want))])); string(limited.sum) != string(sum[:]) {
						t.Errorf("%s of %q, l=3, in pieces of %d", form, tt.in, piece)
					}
				}
			}
		})
	}
}

// naive is the relaxed body as RFC 6376 section 3.4.4 words it, of lines that end
// in LF.
func naive(in string) string {
	runs := regexp.MustCompile("[ \t]+")
	ends := regexp.MustCompile("(?m)[ \t]+$")
	out := strings.TrimRight(runs.ReplaceAllString(ends.ReplaceAllString(in, ""), " "), "\n")
	if out == "" {
		return ""
	}
	return strings.ReplaceAll(out, "\n", "\r\n") + "\r\n"
}

func TestCanonicalBodyAgainstNaive(t *testing.T) {
	const alphabet = "ab \t\n\n"
	for range 5000 {
		in := make([]byte, rand.IntN(20))
		for i := range in {
			in[i] = alphabet[rand.IntN(len(alphabet))]
		}
		var b bodies
		h := b.want(Relaxed, noLimit)
		cut := rand.IntN(len(in) + 1)
		b.Write(in[:cut])
		b.Write(in[cut:])
		b.close()
		if sum := sha256.Sum256([]byte(naive(string(in)))); string(h.sum) != string(sum[:]) {
			t.Fatalf("%q should be %q", in, naive(string(in)))
		}
	}
}

func TestSelectFields(t *testing.T) {
	h := message.ParseHeader("A: 1\r\nB: 1\r\na: 2\r\nC: 1\r\n")
	var got []string
	SelectFields(h, []string{"a", "A", "a", "x", "B"}, func(f message.Field) { got = append(got, f.Raw()) })
	if s := strings.Join(got, ""); s != "a: 2\r\nA: 1\r\nB: 1\r\n" {
		t.Errorf("selected %q", s)
	}
}
