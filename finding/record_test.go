package finding

import (
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestTXT(t *testing.T) {
	long := strings.Repeat("a", 255)
	for _, tt := range []struct{ text, want string }{
		{"v=spf1 mx -all", `"v=spf1 mx -all"`},
		{"", `""`},
		{`say "hi" \o`, `"say \"hi\" \\o"`},
		{"v=DMARC1; p=none\" )\n$INCLUDE /etc/passwd", `"v=DMARC1; p=none\" )\010$INCLUDE /etc/passwd"`},
		{"ü\x00", `"\195\188\000"`},
		{long, `"` + long + `"`},
		{long + "b", `"` + long + `" "b"`},
		{strings.Repeat(`"`, 256), `"` + strings.Repeat(`\"`, 255) + `" "\""`},
	} {
		if got := TXT("a.example.", tt.text); got != (Record{"a.example.", "TXT", tt.want}) {
			t.Errorf("%q:\n%s\nwant\n%s", tt.text, got.Value, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		value, want string
		err         error
	}{
		{`"v=spf1" " -all"`, "v=spf1 -all", nil},
		{`  "a"   "b" `, "ab", nil},
		{`""`, "", nil},
		{`"\"\\\;\195\188"`, `"\;ü`, nil},
		{``, "", ErrNotText},
		{`v=spf1 -all`, "", ErrNotText},
		{`"a`, "", ErrNotText},
		{`"a\"`, "", ErrNotText},
		{`"a\`, "", ErrNotText},
		{`"a\19"`, "", ErrNotText},
		{`"a\1x9"`, "", ErrNotText},
		{`"a\256"`, "", ErrNotText},
		{`"a""b"`, "", ErrNotText},
		{`"a" ) $INCLUDE b`, "", ErrNotText},
		{"\"a\nb\"", "", ErrNotText},
		{`"` + strings.Repeat("a", 256) + `"`, "", ErrTooLong},
	} {
		got, err := Record{Type: "TXT", Value: tt.value}.Text()
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", tt.value, got, err, tt.want, tt.err)
		}
	}
}

// Any octets survive the way through another's zone parser and through our own.
func FuzzTXT(f *testing.F) {
	for _, seed := range []string{"", "v=spf1 -all", `"`, `\`, "a\nb", "ü", strings.Repeat(`\"`, 300), ";($@)", "\\000", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 30000 {
			return // more than a record holds (RFC 1035 section 3.2.1), escapes and all
		}
		r := TXT("a.example.", text)
		rr, err := dns.NewRR(r.Name + " 60 IN TXT " + r.Value)
		if err != nil {
			t.Fatalf("%q is refused: %v", r.Value, err)
		}
		wire := make([]byte, 1<<16)
		end, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			t.Fatalf("%q has no wire form: %v", r.Value, err)
		}
		if got := octetsOf(wire[:end]); got != text {
			t.Errorf("%q publishes %q", text, got)
		}
		if back, err := r.Text(); back != text || err != nil {
			t.Errorf("%q is read as %q, %v", text, back, err)
		}
	})
}

// octetsOf puts the strings of a TXT record of a.example. in wire form together.
func octetsOf(wire []byte) string {
	const head = 11 + 10 // the name; type, class, TTL and length
	var b strings.Builder
	for rest := wire[head:]; len(rest) > 0; {
		end := 1 + int(rest[0])
		b.Write(rest[1:end])
		rest = rest[end:]
	}
	return b.String()
}
