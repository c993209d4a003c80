package smtp

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
)

func helloOf(t testing.TB, lines ...string) mail.Reply {
	t.Helper()
	for i := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		lines[i] = "250" + sep + lines[i]
	}
	r, err := mail.ParseReply(lines)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExtensions(t *testing.T) {
	e := ParseExtensions(helloOf(t, "mx.example PIPELINING", "SIZE 26214400", "starttls", "AUTH plain LOGIN",
		"AUTH=LOGIN CRAM-MD5", "SIZE 1", "LIMITS RCPTMAX=20 mailmax=5", "X-ODD  a  b ", "-BAD", ""))
	want := Extensions{"SIZE": "26214400", "STARTTLS": "", "AUTH": "plain LOGIN", "AUTH=LOGIN": "CRAM-MD5",
		"LIMITS": "RCPTMAX=20 mailmax=5", "X-ODD": "a  b"}
	if d := cmp.Diff(want, e); d != "" {
		t.Error(d)
	}
	if n, ok := e.Size(); n != 26214400 || !ok {
		t.Errorf("size %d, %v", n, ok)
	}
	if got := e.AuthMechanisms(); !slices.Equal(got, []string{"CRAM-MD5", "LOGIN", "PLAIN"}) {
		t.Errorf("mechanisms %q", got)
	}
	if d := cmp.Diff(map[string]string{"RCPTMAX": "20", "MAILMAX": "5"}, e.Limits()); d != "" {
		t.Error(d)
	}
	if !e.Has("StartTLS") || e.Has("PIPELINING") {
		t.Error("the server's greeting is no extension, and case does not count")
	}
}

func TestSizeWithoutLimit(t *testing.T) {
	for _, line := range []string{"SIZE", "SIZE 0", "SIZE -1", "SIZE many", "SIZE 99999999999999999999", "NOOP"} {
		if n, ok := ParseExtensions(helloOf(t, "mx.example", line)).Size(); ok {
			t.Errorf("%s: limit %d", line, n)
		}
	}
}

func TestNoExtensions(t *testing.T) {
	for _, r := range []mail.Reply{{}, mail.NewReply(550, mail.EnhancedCode{}, "no"), mail.NewReply(250, mail.EnhancedCode{}, "mx")} {
		if e := ParseExtensions(r); len(e) != 0 {
			t.Errorf("%s: %v", r, e)
		}
	}
	var none Extensions
	if none.Has("SIZE") || len(none.AuthMechanisms()) != 0 || len(none.Keywords()) != 0 {
		t.Error("a nil map announces nothing")
	}
}

func TestNameIn(t *testing.T) {
	for line, want := range map[string]string{"mx.example ESMTP Postfix": "mx.example", "mx.example": "mx.example", "": "", " x": ""} {
		if got := NameIn(mail.NewReply(220, mail.EnhancedCode{}, line)); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func FuzzExtensions(f *testing.F) {
	f.Add("mx.example\nSIZE 1000\nAUTH PLAIN LOGIN\nAUTH=LOGIN")
	f.Add("\n\n\x00 \xff\nSIZE 99999999999999999999\nLIMITS =,== a")
	f.Fuzz(func(t *testing.T, text string) {
		e := ParseExtensions(mail.Reply{Code: 250, Lines: strings.Split(text, "\n")})
		e.Size()
		e.AuthMechanisms()
		e.Limits()
		for _, k := range e.Keywords() {
			if !e.Has(k) || k != strings.ToUpper(k) || strings.ContainsAny(k, " \r\n") {
				t.Errorf("keyword %q", k)
			}
		}
	})
}
