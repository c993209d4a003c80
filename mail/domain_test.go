package mail

import (
	"errors"
	"strings"
	"testing"
)

func TestParseDomain(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, tt := range []struct{ in, want string }{
		{"example.com", "example.com"},
		{"EXAMPLE.Com", "example.com"},
		{"example.com.", "example.com"},
		{"localhost", "localhost"},
		{"com", "com"},
		{"3com.example", "3com.example"},
		{"1.2.3.example", "1.2.3.example"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.EXAMPLE.", "xn--bcher-kva.example"},
		{"bu\u0308cher.example", "xn--bcher-kva.example"}, // decomposed
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
		{"faß.example", "xn--fa-hia.example"}, // not transitional: ß is a letter of its own
		{"例え。テスト", "xn--r8jz45g.xn--zckzah"},  // UTS 46 maps the ideographic full stop
		{"ＥＸＡＭＰＬＥ.com", "example.com"},
		{"موقع.example", "xn--4gbrim.example"},
		{"mx--01.example", "mx--01.example"}, // hyphens there are IDNA's business only behind "xn"
		{"MX--01.example", "mx--01.example"},
		{name253, name253},
		{label63 + ".example", label63 + ".example"},
	} {
		d, err := ParseDomain(tt.in)
		if err != nil || d.String() != tt.want {
			t.Errorf("ParseDomain(%q) = %q, %v, want %q", tt.in, d, err, tt.want)
		}
	}
}

func TestParseDomainRefuses(t *testing.T) {
	for _, in := range []string{
		"", ".", "..", ".example", "a..example", "example..", "-a.example", "a-.example",
		"a_b.example", "a b.example", "a\x00.example", "exa\nmple.com", "*.example", "a@example",
		"192.0.2.1", "192.0.2.1.", "2001:db8::1", "[192.0.2.1]", "1.2.3", "a.123", "example.1.",
		strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "example",
		"xn--", "xn--a.example", "xn--\u00fc.example", "xn--zzzzzz99999999999.example",
		"bücher..", "bücher.。", "例え。", "-ü.example", "a\u200db.example", "\u0301a.example",
		"xn--bcher-kva..", "\xff.example", "a/b.example", "ü_.example",
	} {
		d, err := ParseDomain(in)
		if !errors.Is(err, ErrDomain) || !d.IsZero() {
			t.Errorf("ParseDomain(%q) = %q, %v, want ErrDomain", in, d, err)
		}
	}
}

func TestDomainUnicode(t *testing.T) {
	for in, want := range map[string]string{
		"xn--bcher-kva.example": "bücher.example",
		"example.com":           "example.com",
	} {
		if got := MustParseDomain(in).Unicode(); got != want {
			t.Errorf("%s: Unicode() = %q, want %q", in, got, want)
		}
	}
}

func TestDomainFamily(t *testing.T) {
	d, up := MustParseDomain("mail.example.co.uk"), MustParseDomain("example.co.uk")
	var none Domain
	for _, tt := range []struct {
		question  string
		got, want any
	}{
		{"labels", d.Labels(), 4},
		{"labels of none", none.Labels(), 0},
		{"parent", d.Parent(), up},
		{"parent of a top-level domain", MustParseDomain("uk").Parent(), none},
		{"subdomain", d.IsSubdomainOf(up), true},
		{"not of itself", up.IsSubdomainOf(up), false},
		{"not of its child", up.IsSubdomainOf(d), false},
		{"not at half a label", MustParseDomain("badexample.co.uk").IsSubdomainOf(up), false},
		{"nothing is below none", d.IsSubdomainOf(none), false},
		{"within itself", up.IsWithin(up), true},
		{"within its parent", d.IsWithin(up), true},
		{"none is within nothing", none.IsWithin(none), false},
		{"registrable", d.Registrable(), up},
		{"registrable of a suffix", MustParseDomain("co.uk").Registrable(), MustParseDomain("co.uk")},
		{"registrable of none", none.Registrable(), none},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.question, tt.got, tt.want)
		}
	}
}

func TestMustParseDomainPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	MustParseDomain("a b")
}

// FuzzDomain wants what is parsed to be normal: it fits the wire, and both its
// forms lead back to it.
func FuzzDomain(f *testing.F) {
	for _, s := range []string{"example.com", "BÜCHER.example.", "xn--bcher-kva.example", "例え。テスト", "a..b", "1.2.3.4", "mx--01.example", "faß.de", "موقع.example", "\u200d", "xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDomain(s)
		if err != nil {
			if !errors.Is(err, ErrDomain) || !d.IsZero() {
				t.Fatalf("ParseDomain(%q) = %q, %v", s, d, err)
			}
			return
		}
		ascii := d.String()
		if len(ascii) > 253 || ascii == "" || strings.Trim(ascii, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			t.Fatalf("ParseDomain(%q) = %q", s, d)
		}
		for label := range strings.SplitSeq(ascii, ".") {
			if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
				t.Fatalf("ParseDomain(%q) = %q with the label %q", s, d, label)
			}
		}
		for _, form := range []string{ascii, ascii + ".", strings.ToUpper(ascii), d.Unicode()} {
			if again, err := ParseDomain(form); again != d {
				t.Fatalf("%q became %q, %q became %q (%v)", s, d, form, again, err)
			}
		}
	})
}

func BenchmarkParseDomain(b *testing.B) {
	for _, name := range []string{"mx1.mail.example.com", "bücher.example"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseDomain(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
