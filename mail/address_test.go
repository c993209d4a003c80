package mail

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseAddress(t *testing.T) {
	for _, tt := range []struct {
		in, local, domain, literal, out string // out "": as in
	}{
		{in: "user@example.com", local: "user", domain: "example.com"},
		{in: "User@EXAMPLE.com", local: "User", domain: "example.com", out: "User@example.com"},
		{in: "a.b+c=d@example.com", local: "a.b+c=d", domain: "example.com"},
		{in: "!#$%&'*+-/=?^_`{|}~@example.com", local: "!#$%&'*+-/=?^_`{|}~", domain: "example.com"},
		{in: `"odd local"@example.com`, local: "odd local", domain: "example.com"},
		{in: `"user"@example.com`, local: "user", domain: "example.com", out: "user@example.com"},
		{in: `"\u\s\e\r"@example.com`, local: "user", domain: "example.com", out: "user@example.com"},
		{in: `"a\"b\\c"@example.com`, local: `a"b\c`, domain: "example.com"},
		{in: `"a@b"@example.com`, local: "a@b", domain: "example.com"},
		{in: `"a..b"@example.com`, local: "a..b", domain: "example.com"},
		{in: `".a"@example.com`, local: ".a", domain: "example.com"},
		{in: `" "@example.com`, local: " ", domain: "example.com"},
		{in: "jürgen@example.com", local: "jürgen", domain: "example.com"},
		{in: `"jür gen"@bücher.example`, local: "jür gen", domain: "xn--bcher-kva.example", out: `"jür gen"@xn--bcher-kva.example`},
		{in: "user@[192.0.2.1]", local: "user", literal: "192.0.2.1"},
		{in: "user@[IPv6:2001:db8::1]", local: "user", literal: "2001:db8::1"},
		{in: "user@[ipv6:2001:DB8:0::1]", local: "user", literal: "2001:db8::1", out: "user@[IPv6:2001:db8::1]"},
		{in: "user@[IPv6:::ffff:192.0.2.1]", local: "user", literal: "::ffff:192.0.2.1"},
		{in: "user@localhost", local: "user", domain: "localhost"},
	} {
		want := Address{Local: tt.local}
		if tt.domain != "" {
			want.Domain = MustParseDomain(tt.domain)
		}
		if tt.literal != "" {
			want.Literal = netip.MustParseAddr(tt.literal)
		}
		if tt.out == "" {
			tt.out = tt.in
		}
		a, err := ParseAddress(tt.in)
		if err != nil || a != want || a.String() != tt.out {
			t.Errorf("ParseAddress(%q) = %#v (%s), %v, want %#v (%s)", tt.in, a, a, err, want, tt.out)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, in := range []string{
		"", "@", "user", "user@", "@example.com", "a@b@example.com", ".a@example.com", "a.@example.com", "a..b@example.com",
		"a b@example.com", "a,b@example.com", "<a@example.com>", "a@example.com>", "a(c)@example.com", "A <a@example.com>",
		"a\x00@example.com", "a\r\n@example.com", "a@example.com\r\n", "a@exam\tple.com", "a@example.com.", "a@.example.com", "a@-",
		`"a@example.com`, `"a"example.com`, `""@example.com`, `"a"b@example.com`, `"a"@`, `"a\`, `"a\"@example.com`, "\"a\nb\"@example.com",
		"\"a\\\x01\"@example.com", "\"\u0085\"@example.com", "\u0085@example.com", "\xff@example.com", "\"\xff\"@example.com",
		"a@[192.0.2.1", "a@192.0.2.1", "a@[192.0.2.256]", "a@[192.0.2.01]", "a@[2001:db8::1]", "a@[IPv6:192.0.2.1]", "a@[IPv6:fe80::1%eth0]",
		"a@[]", "a@[IPv6:]", "a@[192.0.2.1]x", "a@[tag:text]", "a@[[192.0.2.1]]", "a@例え。",
		strings.Repeat("a", 65) + "@example.com",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 95) + "example",
	} {
		a, err := ParseAddress(in)
		if !errors.Is(err, ErrAddress) || a != (Address{}) {
			t.Errorf("ParseAddress(%q) = %#v, %v, want ErrAddress", in, a, err)
		}
	}
}

func TestAddressErrorsAreShort(t *testing.T) {
	for _, in := range []string{strings.Repeat("a", 1<<20), strings.Repeat("a", 1<<20) + "@example.com", "a@" + strings.Repeat("ü.", 1<<19)} {
		if _, err := ParseAddress(in); err == nil || len(err.Error()) > 1000 {
			t.Errorf("an error of %d octets for an address of %d", len(err.Error()), len(in))
		}
	}
	if _, err := ParsePath("<" + strings.Repeat("a", 1<<20)); len(err.Error()) > 1000 {
		t.Errorf("an error of %d octets for a long path", len(err.Error()))
	}
}

func TestParsePath(t *testing.T) {
	user := MustParseAddress("user@example.com")
	for _, tt := range []struct {
		in   string
		want Address
	}{
		{"<>", Address{}},
		{"<user@example.com>", user},
		{"<Postmaster>", Address{Local: "Postmaster"}},
		{"<POSTMASTER>", Address{Local: "POSTMASTER"}},
		{"<@relay.example:user@example.com>", user},
		{"<@a.example,@b.example:user@example.com>", user},
		{`<"a>b"@example.com>`, Address{Local: "a>b", Domain: user.Domain}},
		{`<@a.example:"x:y"@example.com>`, Address{Local: "x:y", Domain: user.Domain}},
	} {
		if a, err := ParsePath(tt.in); err != nil || a != tt.want {
			t.Errorf("ParsePath(%q) = %#v, %v, want %#v", tt.in, a, err, tt.want)
		}
	}
	for _, in := range []string{
		"", "<", ">", "user@example.com", "<user@example.com", "user@example.com>", "<user>", "<<user@example.com>>", "< user@example.com>",
		"<@relay.example>", "<@relay.example:>", "<@relay.example:postmaster>", "<@:user@example.com>", "<@bad_name:user@example.com>",
		"<@a.example,:user@example.com>", "<@a.example,b.example:user@example.com>", "<@a.example, @b.example:user@example.com>", "<@a\r\nb:user@example.com>", "< >",
	} {
		if a, err := ParsePath(in); !errors.Is(err, ErrAddress) || a != (Address{}) {
			t.Errorf("ParsePath(%q) = %#v, %v, want ErrAddress", in, a, err)
		}
	}
}

func TestNullReversePath(t *testing.T) {
	var null Address
	if !null.IsZero() || null.String() != "" || null.Path() != "<>" || null.NeedsSMTPUTF8() {
		t.Errorf("the zero Address is %q, %q", null.String(), null.Path())
	}
}

func TestNeedsSMTPUTF8(t *testing.T) {
	for in, want := range map[string]bool{"user@example.com": false, "jürgen@example.com": true, "user@bücher.example": false} {
		if got := MustParseAddress(in).NeedsSMTPUTF8(); got != want {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
}

func TestMustParseAddressPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	MustParseAddress("nobody")
}

// FuzzAddress wants every address to survive its own String, and to carry no
// octet that could end a command line.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"user@example.com", `"odd \" local"@[192.0.2.1]`, "jürgen@bücher.example", "a@[IPv6:2001:db8::1]", "@", `"`, `"a\`, "a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			if !errors.Is(err, ErrAddress) || a != (Address{}) {
				t.Fatalf("ParseAddress(%q) = %#v, %v", s, a, err)
			}
			return
		}
		checkAddress(t, s, a)
		if again, err := ParseAddress(a.String()); again != a {
			t.Fatalf("%q became %q, and that %q (%v)", s, a, again, err)
		}
	})
}

// FuzzPath is FuzzAddress for what MAIL and RCPT carry.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"<>", "<user@example.com>", "<postmaster>", "<@a.example,@b.example:user@example.com>", `<"a>b"@c.example>`, "<", "<@:>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParsePath(s)
		if err != nil {
			if !errors.Is(err, ErrAddress) || a != (Address{}) {
				t.Fatalf("ParsePath(%q) = %#v, %v", s, a, err)
			}
			return
		}
		checkAddress(t, s, a)
		if err := a.Check(); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if again, err := ParsePath(a.Path()); again != a {
			t.Fatalf("%q became %q, and that %q (%v)", s, a.Path(), again, err)
		}
	})
}

// TestCheck: what a header may name, and no path can carry.
func TestCheck(t *testing.T) {
	at := MustParseDomain("example.com")
	for _, local := range []string{"", strings.Repeat("a", 65), "a\rb", "a\x00b", "a\u0085b", "a\xffb"} {
		if (Address{Local: local, Domain: at}).Check() == nil {
			t.Errorf("%q can be carried", local)
		}
	}
	for _, a := range []Address{{}, {Local: "postmaster"}, {Local: "a b", Domain: at}, {Local: "jürgen", Domain: at}} {
		if err := a.Check(); err != nil {
			t.Error(err)
		}
	}
}

func checkAddress(t *testing.T, s string, a Address) {
	t.Helper()
	out := a.String()
	if !utf8.ValidString(out) || len(out) > 254 || len(a.Local) > 64 || strings.ContainsFunc(out, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		t.Fatalf("%q became %q", s, out)
	}
	if !a.Domain.IsZero() && a.Literal.IsValid() {
		t.Fatalf("%q has a domain and a literal", s)
	}
}
