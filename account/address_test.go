package account_test

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
)

func TestSplitDetail(t *testing.T) {
	for local, want := range map[string][2]string{
		"anna": {"anna", ""}, "anna+x": {"anna", "x"}, "anna+x+y": {"anna", "x+y"}, "anna+": {"anna", ""},
		"+x": {"+x", ""}, "++x": {"++x", ""}, "+": {"+", ""}, "": {"", ""},
	} {
		if user, detail := account.SplitDetail(local); [2]string{user, detail} != want {
			t.Errorf("SplitDetail(%q) = %q, %q, want %q", local, user, detail, want)
		}
	}
}

// FuzzNormal: whatever an address is, its normal form is one, stays one, and reads back.
func FuzzNormal(f *testing.F) {
	for _, seed := range []string{"Anna@example.com", "u\u0308@example.com", `"a\"B"@example.com`, "\u0130@example.com", "a+B@[192.0.2.1]", "\u1e9e\u03a3@example.com", "\u212a@example.com"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.ParseAddress(s)
		if err != nil {
			return
		}
		n := account.Normal(a)
		if again := account.Normal(n); again != n {
			t.Errorf("%q becomes %q and then %q", a, n, again)
		}
		if upper := (mail.Address{Local: strings.ToUpper(a.Local), Domain: a.Domain, Literal: a.Literal}); isASCII(a.Local) && account.Normal(upper) != n {
			t.Errorf("%q and %q are two", a, upper)
		}
		if back, err := mail.ParseAddress(n.String()); err == nil && back != n {
			t.Errorf("%q reads back as %q", n, back)
		}
		user, detail := account.SplitDetail(n.Local)
		if joined := user + "+" + detail; detail != "" && joined != n.Local {
			t.Errorf("%q came apart as %q and %q", n.Local, user, detail)
		}
		if n.Local != "" && user == "" {
			t.Errorf("%q has no user", n.Local)
		}
	})
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) }

// FuzzParseSender: what is read is written so that it reads the same.
func FuzzParseSender(f *testing.F) {
	for _, seed := range []string{"anna@example.com", "@example.com", "example.com", "", "@", "a@", `"x y"@example.com`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sender, err := account.ParseSender(s)
		if err != nil {
			return
		}
		again, err := account.ParseSender(sender.String())
		if err != nil || again != sender {
			t.Errorf("%q is written as %q, read as %q, %v", s, sender, again, err)
		}
		if sender.Allows(mail.Address{}) {
			t.Errorf("%q allows the null reverse-path", s)
		}
	})
}
