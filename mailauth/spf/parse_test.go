package spf_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// TestParseTerms shows what each term is read as.
func TestParseTerms(t *testing.T) {
	for _, c := range []struct{ term, want string }{
		{"all", "all +"},
		{"-ALL", "all -"},
		{"include:_spf.example.com", "include + _spf.example.com"},
		{"a", "a + /32//128"},
		{"?a/24", "a ? /24//128"},
		{"a//64", "a + /32//64"},
		{"a/24//64", "a + /24//64"},
		{"a/0//0", "a + /0//0"},
		{"a:h.example.com/24//64", "a + h.example.com /24//64"},
		{"a:foo:bar/baz.example.com", "a + foo:bar/baz.example.com /32//128"},
		{"a:foo/24.example.com/25", "a + foo/24.example.com /25//128"},
		{"mx:%{d}/24", "mx + %{d} /24//128"},
		{"mx:%{d2/}//64", "mx + %{d2/} /32//64"},
		{"a:example.com.", "a + example.com. /32//128"},
		{"a:x.1-2", "a + x.1-2 /32//128"},
		{"a:%%", "a + %% /32//128"},
		{"ptr", "ptr +"},
		{"~ptr:example.com", "ptr ~ example.com"},
		{"ip4:192.0.2.1", "ip4 + 192.0.2.1/32"},
		{"ip4:192.0.2.1/0", "ip4 + 192.0.2.1/0"},
		{"ip6:2001:db8::/32", "ip6 + 2001:db8::/32"},
		{"ip6:::ffff:192.0.2.1", "ip6 + ::ffff:192.0.2.1/128"},
		{"exists:%{ir}.%{l1r+-}._spf.%{d}", "exists + %{ir}.%{l1r+-}._spf.%{d}"},
		{"redirect=_spf.example.com", "redirect _spf.example.com"},
		{"EXP=%{d}", "exp %{d}"},
		{"moo.cow-far_out=man:dog/cat", "modifier man:dog/cat"},
		{"all=deny", "modifier deny"},
		{"x=", "modifier"},
	} {
		record, problems := spf.Parse("v=spf1 " + c.term)
		if len(problems) > 0 || len(record.Terms) != 1 {
			t.Errorf("%s: %v", c.term, problems)
			continue
		}
		if got := describe(record.Terms[0]); got != c.want {
			t.Errorf("%s: read as %q, want %q", c.term, got, c.want)
		}
	}
}

func describe(t spf.Term) string {
	parts := []string{string(t.Kind)}
	if t.Qualifier != 0 {
		parts = append(parts, string(rune(t.Qualifier)))
	}
	if !t.Target.IsZero() {
		parts = append(parts, t.Target.Text)
	}
	if t.Network.IsValid() {
		parts = append(parts, t.Network.String())
	}
	if t.Kind == spf.A || t.Kind == spf.MX {
		parts = append(parts, fmt.Sprintf("/%d//%d", t.Bits4, t.Bits6))
	}
	return strings.Join(parts, " ")
}

// TestParseProblems holds one mistake per line, where it is seen, and the guess
// of what was meant.
func TestParseProblems(t *testing.T) {
	for _, c := range []struct {
		term, code string
		at         int // within the term
		hint       string
	}{
		{"-all.", spf.BadMechanism, 0, "-all"},
		{"-all:x", spf.BadArgument, 4, "-all"},
		{"all/8", spf.BadArgument, 3, "all"},
		{"include", spf.BadArgument, 7, ""},
		{"include:", spf.BadDomain, 8, ""},
		{"include:com", spf.BadDomain, 8, ""},
		{"include:a.example.com/24", spf.BadDomain, 18, ""},
		{"exists", spf.BadArgument, 6, ""},
		{"ptr/24", spf.BadArgument, 3, "ptr"},
		{"a:192.0.2.1", spf.BadDomain, 10, "ip4:192.0.2.1"},
		{"~a:192.0.2.0/24", spf.BadDomain, 11, "~ip4:192.0.2.0/24"},
		{"a:museum.", spf.BadDomain, 2, ""},
		{"a:x.-com", spf.BadDomain, 4, ""},
		{"a:x.com:8080", spf.BadDomain, 4, ""},
		{"a:x..", spf.BadDomain, 4, ""},
		{"a:%{d}x", spf.BadDomain, 6, ""},
		{"a/33", spf.BadPrefix, 2, ""},
		{"a/024", spf.BadPrefix, 2, ""},
		{"a//129", spf.BadPrefix, 3, ""},
		{"a/", spf.BadPrefix, 2, ""},
		{"a//", spf.BadPrefix, 3, ""},
		{"a/24/64", spf.BadPrefix, 1, "a/24//64"},
		{"a/99999999999999999999", spf.BadPrefix, 2, ""},
		{"a:%{z}.x.com", spf.BadMacro, 2, ""},
		{"a:%{d", spf.BadMacro, 2, ""},
		{"a:%{}.x.com", spf.BadMacro, 2, ""},
		{"a:%{d0}", spf.BadMacro, 2, ""},
		{"a:%{dx}", spf.BadMacro, 2, ""},
		{"a:%{c}.x.com", spf.BadMacro, 2, ""},
		{"x=%", spf.BadMacro, 2, ""},
		{"exp=%{t}.x.com", spf.BadMacro, 4, ""},
		{"ip4", spf.BadArgument, 3, ""},
		{"ip4:", spf.BadArgument, 3, ""},
		{"ip4:192.0.2", spf.BadAddress, 4, ""},
		{"ip4:192.0.2.01", spf.BadAddress, 4, ""},
		{"ip4:192.0.2.1:25", spf.BadAddress, 4, "ip4:192.0.2.1"},
		{"ip4:192.0.2.1/33", spf.BadPrefix, 14, ""},
		{"ip4:192.0.2.1//32", spf.BadPrefix, 14, ""},
		{"-ip4:2001:db8::/32", spf.BadAddress, 5, "-ip6:2001:db8::/32"},
		{"ip6:192.0.2.1", spf.BadAddress, 4, "ip4:192.0.2.1"},
		{"ip6:fe80::1%eth0", spf.BadAddress, 4, ""},
		{"ip6:2001:db8::1/129", spf.BadPrefix, 16, ""},
		{"ip4:mx.example.com", spf.BadAddress, 4, "a:mx.example.com"},
		{"ipv4:192.0.2.1", spf.BadMechanism, 0, "ip4:192.0.2.1"},
		{"192.0.2.1", spf.BadTerm, 0, "ip4:192.0.2.1"},
		{"192.0.2.0/24", spf.BadTerm, 0, "ip4:192.0.2.0/24"},
		{"_spf.example.com", spf.BadTerm, 0, ""},
		{"mail.example.com", spf.BadMechanism, 0, "include:mail.example.com"},
		{"redirect:example.com", spf.BadMechanism, 0, "redirect=example.com"},
		{"-redirect=example.com", spf.BadTerm, 0, "redirect=example.com"},
		{"redirect=", spf.BadDomain, 9, ""},
		{"exp=", spf.BadDomain, 4, ""},
		{"1up=foo", spf.BadTerm, 0, ""},
		{"=all", spf.BadTerm, 0, ""},
		{"-", spf.BadTerm, 0, ""},
		{"-all;", spf.BadTerm, 0, "-all"},
		{"“-all”", spf.BadCharacter, 0, "-all"},
		{"–all", spf.BadCharacter, 0, "-all"},
		{"a:x.com\x00", spf.BadCharacter, 7, "a:x.com"},
		{"ip4:192.0.2.5\ninclude:x.com", spf.BadCharacter, 13, ""},
	} {
		const before = "v=spf1 mx  "
		_, problems := spf.Parse(before + c.term + " -all")
		if len(problems) != 1 {
			t.Errorf("%q: %v", c.term, problems)
			continue
		}
		p := problems[0]
		if p.Code != c.code || p.Offset != len(before)+c.at || p.Hint != c.hint || p.Term != c.term {
			t.Errorf("%q: %s at %d, hint %q; want %s at %d, hint %q (%s)",
				c.term, p.Code, p.Offset-len(before), p.Hint, c.code, c.at, c.hint, p)
		}
	}
}

func TestParseTellsEveryProblem(t *testing.T) {
	record, problems := spf.Parse("v=spf1 ip4:1.2.3 a:%{z}.%{y}.example.com -all redirect=a.example redirect=b.example foo")
	var codes []string
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	want := []string{spf.BadAddress, spf.BadMacro, spf.BadMacro, spf.BadRepeat, spf.BadMechanism}
	if !slices.Equal(codes, want) {
		t.Errorf("problems %q, want %q", codes, want)
	}
	if len(record.Terms) != 6 {
		t.Errorf("%d terms, want 6: a problem must not hide a term", len(record.Terms))
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]bool{
		"v=spf1": true, "V=SPF1 -all": true, "v=spf1 ": true, "v=spf1  a": true,
		"": false, "v=spf": false, "v=spf10": false, " v=spf1": false, "v=spf1\ta": false, "spf2.0/pra": false,
	} {
		if spf.IsRecord(text) != want {
			t.Errorf("IsRecord(%q) = %v", text, !want)
		}
		if _, problems := spf.Parse(text); (len(problems) == 0) != want {
			t.Errorf("Parse(%q): %v", text, problems)
		}
	}
}

func TestRecordParts(t *testing.T) {
	record, _ := spf.Parse("v=spf1 mx -all a redirect=x.example exp=y.example note=z")
	if record.Redirect() != nil {
		t.Error("a redirect beside an all is void (section 6.1)")
	}
	var dead []string
	for _, term := range record.AfterAll() {
		dead = append(dead, term.Text)
	}
	if want := []string{"a", "redirect=x.example"}; !slices.Equal(dead, want) {
		t.Errorf("after all: %q, want %q", dead, want)
	}
	if exp := record.First(spf.Exp); exp == nil || exp.Target.Text != "y.example" {
		t.Errorf("exp is %v", exp)
	}
}

func TestMacrosOfATarget(t *testing.T) {
	record, problems := spf.Parse("v=spf1 exists:%{L1r+-}%%%_.%{ir}.example.com")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	target := record.Terms[0].Target
	want := []spf.Macro{{Letter: 'l', Escape: true, Parts: 1, Reverse: true, Delimiters: "+-"}, {Letter: 'i', Reverse: true}}
	if got := target.Macros(); !slices.Equal(got, want) {
		t.Errorf("macros %+v, want %+v", got, want)
	}
	if !target.Uses("xl") || target.Uses("d") {
		t.Error("Uses does not tell which letters are there")
	}
	if _, literal := target.Literal(); literal {
		t.Error("a text with macros is no literal")
	}
}
