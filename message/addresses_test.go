package message

import (
	"errors"
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddressList(t *testing.T) {
	tests := []struct {
		in   string
		want []string // Group:Name <address>, what Mailbox says
		err  string   // part of the error, "" for none
	}{
		{"a@b.example", []string{"a@b.example"}, ""},
		{"<a@b.example>", []string{"a@b.example"}, ""},
		{"Jane Doe <jane@B.Example>", []string{"Jane Doe <jane@b.example>"}, ""},
		{`"Doe, Jane" <jane@b.example>, joe@c.example`, []string{"Doe, Jane <jane@b.example>", "joe@c.example"}, ""},
		{"jane@b.example (Jane (the) Doe)", []string{"Jane (the) Doe <jane@b.example>"}, ""},
		{"John Q. Public <john@b.example>", []string{"John Q. Public <john@b.example>"}, ""},
		{"=?utf-8?q?J=C3=A9r=C3=B4me?= <j@b.example>", []string{"Jérôme <j@b.example>"}, ""},
		{`"=?utf-8?q?J=C3=A9?=" <j@b.example>`, []string{"Jé <j@b.example>"}, ""},
		{"Jérôme <j@bücher.example>", []string{"Jérôme <j@xn--bcher-kva.example>"}, ""},
		{"почта@пример.рф", []string{"почта@xn--e1afmkfd.xn--p1ai"}, ""},
		{`"odd local"@b.example`, []string{`"odd local"@b.example`}, ""},
		{`"a\"b" <x@b.example>`, []string{`a"b <x@b.example>`}, ""},
		{"a@[192.0.2.1], b@[IPv6:2001:db8::1]", []string{"a@[192.0.2.1]", "b@[IPv6:2001:db8::1]"}, ""},
		{"A Group:Chris <c@a.example>,joe@where.example;", []string{"A Group: Chris <c@a.example>", "A Group: joe@where.example"}, ""},
		{"undisclosed recipients:;", nil, ""},
		{"Undisclosed recipients:;, a@b.example", []string{"a@b.example"}, ""},
		{" , a@b.example,, ", []string{"a@b.example"}, ""},
		{"<@x.example,@y.example:a@b.example>", []string{"a@b.example"}, ""},
		{"a . b @ c . example", []string{"a.b@c.example"}, ""},
		{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", []string{"Pete <pete@silly.test>"}, ""},
		{"Mary Smith\r\n <mary@b.example>,\r\n\tjoe@c.example", []string{"Mary Smith <mary@b.example>", "joe@c.example"}, ""},
		{`"a@evil.example" <b@good.example>`, []string{"a@evil.example <b@good.example>"}, ""},
		{"a@b.example.", []string{"a@b.example"}, ""},
		{`"" <a@b.example>`, []string{"a@b.example"}, ""},

		{"", nil, "no address"},
		{"  ", nil, "no address"},
		{"nobody", nil, "has no @"},
		{"Jane <>", nil, "has no @"},
		{"Jane <jane>, joe@c.example", []string{"joe@c.example"}, "has no @"},
		{"a@evil.example <b@good.example>", nil, "follows an address"},
		{"a@b.example c@d.example", nil, "follows an address"},
		{"<a@b.example> <c@d.example>, e@f.example", []string{"e@f.example"}, "follows an address"},
		{"a@foo_bar.example, c@d.example", []string{"c@d.example"}, "not a domain name"},
		{"a..b@c.example", nil, "no local part"},
		{".a@c.example", nil, "no local part"},
		{"a@", nil, "not a domain name"},
		{"@b.example", nil, "no local part"},
		{"a@b@c.example", nil, "follows an address"},
		{`"a <b@c.example>`, nil, "quote is not closed"},
		{"(a b@c.example", nil, "comment is not closed"},
		{"Jane <jane@b.example", nil, "not closed"},
		{"g: a@b.example", []string{"g: a@b.example"}, "group is not closed"},
		{"a@b.example; c@d.example", []string{"a@b.example", "c@d.example"}, "outside a group"},
		{"a@[192.0.2.300]", nil, "address literal"},
		{"a@[192.0.2.1", nil, "address literal"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			found, err := ParseAddressList(tt.in)
			var got []string
			for _, m := range found {
				s := m.String()
				if m.Group != "" {
					s = m.Group + ": " + s
				}
				got = append(got, s)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			switch {
			case tt.err == "" && err != nil:
				t.Errorf("error %v", err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestFrom(t *testing.T) {
	h := ParseHeader("From: a@b.example\r\nFrom: c@d.example\r\n")
	found, err := h.From()
	if len(found) != 1 || !errors.Is(err, ErrAddressList) {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := (Header{}).From(); !errors.Is(err, ErrAddressList) {
		t.Errorf("error %v", err)
	}
	h = ParseHeader("To: a@b.example\r\nTo: c@d.example\r\n")
	if all, err := h.Addresses("To"); len(all) != 2 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

// What net/mail reads must read the same here, as far as both take it.
func FuzzAddressList(f *testing.F) {
	for _, s := range []string{
		"a@b.example", `"Doe, Jane" <jane@b.example>, x@y.example`, "g:a@b.example,c@d.example;", "a@b.example (c)",
		"<@x.example:a@b.example>", "=?utf-8?b?w6k=?= <a@b.example>", `"a\"b"@c.example`, "a . b@c.example", "(((", `"`, "<a@[IPv6:::1]>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		found, err := ParseAddressList(s)
		for _, m := range found {
			if m.Address.Local == "" || m.Address.Domain.IsZero() && !m.Address.Literal.IsValid() {
				t.Fatalf("%q gave a mailbox without an address: %+v", s, m)
			}
			if !utf8.ValidString(m.Name) {
				t.Fatalf("%q gave a name that is not UTF-8", s)
			}
		}
		theirs, theirErr := mail.ParseAddressList(s)
		if err != nil || theirErr != nil || len(theirs) != len(found) {
			return
		}
		for i := range found {
			at := strings.LastIndexByte(theirs[i].Address, '@')
			if local := theirs[i].Address[:at]; local != found[i].Address.Local {
				t.Fatalf("%q: net/mail reads the local part %q, we %q", s, local, found[i].Address.Local)
			}
		}
	})
}
