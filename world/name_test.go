package world

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
)

func TestParseName(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 49)+".", 5) // 251 octets on the wire
	tests := []struct {
		in   string
		want Name // "" is refused
	}{
		{"example.com", "example.com."},
		{"example.com.", "example.com."},
		{"EXAMPLE.Com", "example.com."},
		{".", "."},
		{"_dmarc.example.com", "_dmarc.example.com."},
		{"*.example.com", "*.example.com."},
		{`a\.b.example`, `a\.b.example.`},
		{`\097\.B.example`, `a\.b.example.`}, // an octet is escaped in one way only
		{`\065.example`, "a.example."},
		{`sp ace.example`, `sp\032ace.example.`},
		{`sp\ ace.example`, `sp\032ace.example.`},
		{`quo\'te.example`, `quo'te.example.`},
		{`\000\255.example`, `\000\255.example.`},
		{"\xff.example", `\255.example.`},
		{"Ä.example", `\195\132.example.`}, // only ASCII has a case
		{`\`, ""},
		{"", ""},
		{"..", ""},
		{"a..b", ""},
		{".a", ""},
		{strings.Repeat("a", 63) + ".b", Name(strings.Repeat("a", 63) + ".b.")},
		{strings.Repeat("a", 64) + ".b", ""},
		{long + "abc.", Name(long + "abc.")},
		{long + "abcd.", ""},
	}
	for _, test := range tests {
		got, err := ParseName(test.in)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("ParseName(%.60q) = %q, %v, want %q", test.in, got, err, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	labels, err := NameFromLabels([]string{"a.b", "C D", "\x00é", "example"})
	if want := Name(`a\.b.c\032d.\000\195\169.example.`); err != nil || labels != want {
		t.Errorf("got %q, %v, want %q", labels, err, want)
	}
	if n, err := NameFromLabels([]string{"a", "", "b"}); err == nil {
		t.Errorf("an empty label made %q", n)
	}
	n := NameOf(mail.MustParseDomain("Mail.Example.com"))
	for _, test := range []struct{ got, want any }{
		{n, Name("mail.example.com.")},
		{n.Under("_25._TCP"), Name("_25._tcp.mail.example.com.")},
		{Root.Under("com"), Name("com.")},
		{n.Parent(), Name("example.com.")},
		{Name(`a\.b.c.`).Parent(), Name("c.")},
		{Name("com.").Parent(), Root},
		{Root.Parent(), Root},
		{n.Labels(), 3},
		{Root.Labels(), 0},
		{Name(`a\.b.c.`).Labels(), 2},
		{n.IsWithin("example.com."), true},
		{n.IsWithin(n), true},
		{n.IsWithin(Root), true},
		{n.IsWithin("ample.com."), false},
		{Name("com.").IsWithin(n), false},
		{n.Text(), "mail.example.com"},
		{Root.Text(), "."},
		{n.TrimZone("example.com."), "mail"},
		{n.TrimZone(n), "@"},
		{ReverseName(netip.MustParseAddr("192.0.2.1")), Name("1.2.0.192.in-addr.arpa.")},
		{ReverseName(netip.MustParseAddr("::ffff:192.0.2.1")), Name("1.2.0.192.in-addr.arpa.")},
		{ReverseLabels(netip.MustParseAddr("192.0.2.1")), "1.2.0.192"},
		{ReverseLabels(netip.MustParseAddr("2001:db8::1%eth0")), "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"},
	} {
		if test.got != test.want {
			t.Errorf("got %v, want %v", test.got, test.want)
		}
	}
	if _, err := Name("_dmarc.example.com.").Domain(); err == nil {
		t.Error("a name with an underscore became a domain")
	}
}

// TestNameOrder is the example of RFC 4034 section 6.1.
func TestNameOrder(t *testing.T) {
	order := []Name{
		"example.", "a.example.", "yljkjljk.a.example.", "z.a.example.", "zabc.a.example.", "z.example.",
		`\001.z.example.`, "*.z.example.", `\200.z.example.`,
	}
	for i, a := range order {
		for j, b := range order {
			if got := compareNames(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("compareNames(%s, %s) = %d", a, b, got)
			}
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"example.com", `\065\.b.c.`, "a..b", "\xff.\x00", strings.Repeat("a.", 127), `\25`, "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		if again, err := ParseName(string(n)); err != nil || again != n {
			t.Fatalf("%q became %q, and that %q (%v)", s, n, again, err)
		}
		wire := make([]byte, 256)
		end, err := dns.PackDomainName(string(n), wire, 0, nil, false)
		if err != nil || end > maxNameOctets {
			t.Fatalf("%q does not pack: %d octets, %v", n, end, err)
		}
		back, _, err := dns.UnpackDomainName(wire[:end], 0)
		if err != nil || nameIn(back) != n {
			t.Fatalf("%q came back as %q", n, back)
		}
		if n != Root && (n.Parent().Labels() != n.Labels()-1 || !n.IsWithin(n.Parent())) {
			t.Fatalf("the parent of %q is %q", n, n.Parent())
		}
	})
}
