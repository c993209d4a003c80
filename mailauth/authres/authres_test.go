package authres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailauth/authres"
)

func prop(ptype, name, value string) authres.Property {
	return authres.Property{Type: ptype, Name: name, Value: value}
}

var example = authres.Field{ID: "mx.example.com", Results: []authres.Result{
	{Method: "iprev", Value: "pass", Properties: []authres.Property{prop("policy", "iprev", "192.0.2.1")}},
	{Method: "spf", Value: "softfail", Reason: "not in the record", Properties: []authres.Property{prop("smtp", "mailfrom", "a@example.net"), prop("smtp", "helo", "mail.example.net")}},
	{Method: "dkim", Value: "pass", Comment: "2048-bit rsa", Properties: []authres.Property{prop("header", "d", "example.net"), prop("header", "i", "@example.net"), prop("header", "b", "ab+/12=")}},
	{Method: "dmarc", Value: "pass", Properties: []authres.Property{prop("header", "from", "example.net"), prop("policy", "dmarc", "none")}},
}}

func TestWrite(t *testing.T) {
	want := `mx.example.com; iprev=pass policy.iprev=192.0.2.1; spf=softfail reason="not in the record" smtp.mailfrom=a@example.net smtp.helo=mail.example.net; ` +
		`dkim=pass (2048-bit rsa) header.d=example.net header.i=@example.net header.b="ab+/12="; dmarc=pass header.from=example.net policy.dmarc=none`
	if d := cmp.Diff(want, example.String()); d != "" {
		t.Error(d)
	}
	if got := (authres.Field{ID: "mx.example.com"}).String(); got != "mx.example.com; none" {
		t.Error(got)
	}
	if got := (authres.Field{ID: "mx.example.com", Version: 2, Results: []authres.Result{{Method: "x", Version: 3, Value: "pass"}}}).String(); got != "mx.example.com 2; x/3=pass" {
		t.Error(got)
	}
}

func TestFolded(t *testing.T) {
	want := strings.ReplaceAll(`Authentication-Results: mx.example.com;
 iprev=pass policy.iprev=192.0.2.1;
 spf=softfail reason="not in the record" smtp.mailfrom=a@example.net
 smtp.helo=mail.example.net;
 dkim=pass (2048-bit rsa) header.d=example.net header.i=@example.net
 header.b="ab+/12=";
 dmarc=pass header.from=example.net policy.dmarc=none
`, "\n", "\r\n")
	if d := cmp.Diff(want, example.Folded()); d != "" {
		t.Error(d)
	}
	f, err := authres.Parse(strings.TrimPrefix(want, authres.Name+":"))
	if d := cmp.Diff(example, f); d != "" || err != nil {
		t.Error(err, d)
	}
}

// hostile texts that would end a value, a line, the header or the message.
var hostile = []string{
	"a\r\nX-Forged: 1", "a\r\n\r\nbody", "a\nb", "\x00", "a; dkim=pass", `a"; dkim=pass; x="`, `a\`, `\"; spf=pass`, "(", ")", "a) (b", `\)`,
	"ü", "\xff\xfe", "a\u2028b", "", " ", "\t", "=", "a=b", strings.Repeat("x", 5000), strings.Repeat(`"`, 2000), strings.Repeat("é", 400), "a@b@c", "@", "@a..b", `"q"@example.com`,
}

func TestNothingBreaksOut(t *testing.T) {
	for _, evil := range hostile {
		f := authres.Field{ID: evil, Results: []authres.Result{
			{Method: evil, Value: evil, Reason: evil, Comment: evil, Properties: []authres.Property{prop(evil, evil, evil), prop("header", "d", evil)}},
			{Method: "end", Value: "pass"},
		}}
		checkContained(t, f)
	}
}

// checkContained writes a field of two results and demands that exactly those come
// back, in lines that are lines.
func checkContained(t *testing.T, f authres.Field) {
	t.Helper()
	one, folded := f.String(), f.Folded()
	if strings.ContainsAny(one, "\r\n\x00") {
		t.Errorf("a line end in %q", one)
	}
	lines := strings.SplitAfter(folded, "\r\n")
	for i, line := range lines[:len(lines)-1] {
		body := strings.TrimSuffix(line, "\r\n")
		if len(line) > 998 || strings.ContainsAny(body, "\r\n\x00") || strings.TrimSpace(body) == "" || i > 0 && line[0] != ' ' {
			t.Errorf("bad line %q", line)
		}
	}
	for _, text := range []string{one, strings.TrimPrefix(folded, authres.Name+":")} {
		back, err := authres.Parse(text)
		if err != nil || len(back.Results) != 2 || back.Results[1].Method != "end" || len(back.Results[0].Properties) != len(f.Results[0].Properties) {
			t.Errorf("%q came back as %+v, %v", text, back, err)
		}
		if again := back.String(); again != one {
			t.Errorf("not stable:\n%q\n%q", one, again)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       authres.Field
		broken     bool
	}{
		{"none", "example.org 1; none", authres.Field{ID: "example.org", Version: 1}, false},
		{"none in capitals, comments all over", "(a) example.org (b) 1 (c) ; (d) NONE (e)", authres.Field{ID: "example.org", Version: 1}, false},
		{"RFC 8601 B.6", "foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462",
			authres.Field{ID: "foo.example.net", Version: 1, Results: []authres.Result{{Method: "dkim", Version: 1, Value: "fail", Properties: []authres.Property{prop("policy", "expired", "1362471462")}, Comment: "A dot can go here"}}}, false},
		{"quoted authserv-id", `"odd id"; spf=pass`, authres.Field{ID: "odd id", Results: []authres.Result{{Method: "spf", Value: "pass"}}}, false},
		{"quoted local part", `x; spf=pass smtp.mailfrom="a b"@example.com`, authres.Field{ID: "x", Results: []authres.Result{{Method: "spf", Value: "pass", Properties: []authres.Property{prop("smtp", "mailfrom", "a b@example.com")}}}}, false},
		{"a reason with escapes", `x; dkim=fail reason="a \"b\" \\"`, authres.Field{ID: "x", Results: []authres.Result{{Method: "dkim", Value: "fail", Reason: `a "b" \`}}}, false},
		{"unquoted base64", "x; dkim=pass header.i=@example.com header.b=a/b+c==", authres.Field{ID: "x", Results: []authres.Result{{Method: "dkim", Value: "pass", Properties: []authres.Property{prop("header", "i", "@example.com"), prop("header", "b", "a/b+c==")}}}}, false},
		{"no authserv-id", "spf=pass (sender IP is 192.0.2.1)\n smtp.mailfrom=example.com; dkim=none", authres.Field{Results: []authres.Result{
			{Method: "spf", Value: "pass", Comment: "sender IP is 192.0.2.1", Properties: []authres.Property{prop("smtp", "mailfrom", "example.com")}}, {Method: "dkim", Value: "none"}}}, true},
		{"a broken result between good ones", "x; spf=pass; =; dkim=pass foo; dmarc=fail", authres.Field{ID: "x", Results: []authres.Result{{Method: "spf", Value: "pass"}, {Method: "dkim", Value: "pass"}, {Method: "dmarc", Value: "fail"}}}, true},
		{"final semicolon", "x; spf=pass;", authres.Field{ID: "x", Results: []authres.Result{{Method: "spf", Value: "pass"}}}, false},
		{"nested comment", "x; spf=pass (a (b) c)", authres.Field{ID: "x", Results: []authres.Result{{Method: "spf", Value: "pass", Comment: "a (b) c"}}}, false},
		{"semicolon in a comment", "x; spf=pass (a; dkim=pass); dkim=fail", authres.Field{ID: "x", Results: []authres.Result{{Method: "spf", Value: "pass", Comment: "a; dkim=pass"}, {Method: "dkim", Value: "fail"}}}, false},
		{"an open quote", `x; spf=pass reason="abc; dkim=pass`, authres.Field{ID: "x", Results: []authres.Result{{Method: "spf", Value: "pass", Reason: "abc; dkim=pass"}}}, true},
		{"an open comment", `x; spf=pass (abc; dkim=pass`, authres.Field{ID: "x", Results: []authres.Result{{Method: "spf", Value: "pass", Comment: "abc; dkim=pass"}}}, true},
		{"no result", "x; spf", authres.Field{ID: "x"}, true},
		{"nothing", "", authres.Field{}, true},
	} {
		f, err := authres.Parse(c.text)
		if d := cmp.Diff(c.want, f); d != "" || (err != nil) != c.broken || err != nil && !errors.Is(err, authres.ErrSyntax) {
			t.Errorf("%s: %v\n%s", c.name, err, d)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	f, _ := authres.Parse("x" + strings.Repeat("; spf=pass"+strings.Repeat(" a.b=c", 200), 5000))
	if len(f.Results) > 100 || len(f.Results[0].Properties) > 100 {
		t.Errorf("%d results, %d properties", len(f.Results), len(f.Results[0].Properties))
	}
	if _, err := authres.Parse("x; spf=pass " + strings.Repeat("(", 1<<20)); err == nil {
		t.Error("a million open comments are fine")
	}
	if _, err := authres.Parse("x; " + strings.Repeat("=;", 1<<20)); len(err.Error()) > 4096 {
		t.Errorf("an error of %d octets", len(err.Error()))
	}
}

func TestLookups(t *testing.T) {
	if !example.IsFrom("MX.example.com") || example.IsFrom("example.com") {
		t.Error("IsFrom")
	}
	if r := example.Of("DKIM"); len(r) != 1 || r[0].Property("Header", "D") != "example.net" || r[0].Property("header", "s") != "" {
		t.Errorf("%+v", r)
	}
}

func FuzzAuthres(f *testing.F) {
	f.Add("mx.example.com; spf=pass (c) reason=\"x\" smtp.mailfrom=a@b.example; dkim/1=fail header.d=x")
	f.Add("spf=pass;;(((a);\"")
	f.Add("@b ") // an address only once it is clean
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		read, err := authres.Parse(s)
		if err != nil && !errors.Is(err, authres.ErrSyntax) {
			t.Error(err)
		}
		// What was read can be written, and means the same again.
		one := read.String()
		back, err := authres.Parse(one)
		if err != nil || back.String() != one {
			t.Errorf("%q, then %q, then %q, %v", s, one, back.String(), err)
		}
		checkContained(t, authres.Field{ID: s, Results: []authres.Result{
			{Method: s, Value: s, Reason: s, Comment: s, Properties: []authres.Property{prop(s, s, s), prop("x", "y", s)}}, {Method: "end", Value: "pass"}}})
	})
}

func BenchmarkWrite(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = example.Folded()
	}
}

func BenchmarkParse(b *testing.B) {
	text := example.String()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := authres.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
