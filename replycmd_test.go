package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/provider"
)

const answerKeys = "code enhanced permanence class scope provider advice hold"

func TestClassifyReply(t *testing.T) {
	line := "postfix/smtp[1]: 4A: to=<x@hotmail.com>, relay=hotmail-com.olc.protection.outlook.com[192.0.2.1]:25, dsn=5.7.515, status=bounced (host hotmail-com.olc.protection.outlook.com[192.0.2.1] said: 550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level. (in reply to end of DATA command))"
	for _, tt := range []struct {
		name, stdin string
		args        []string
		want        object
	}{
		{"an argument", "", []string{"classify-reply", "--json", "550 5.7.515 Access denied, sending domain"},
			object{"code": 550.0, "enhanced": "5.7.515", "permanence": "permanent", "class": "auth.bulk", "scope": "domain", "provider": "outlook", "hold": "1h"}},
		{"words", "", []string{"classify-reply", "--json", "452", "4.2.2", "mailbox", "full"},
			object{"code": 452.0, "permanence": "transient", "class": "rcpt.full", "provider": "", "hold": "4h", "guessed": false}},
		{"a line of a log", line, []string{"classify-reply", "--json"},
			object{"class": "auth.bulk", "provider": "outlook", "host": "hotmail-com.olc.protection.outlook.com"}},
		{"a host", "", []string{"classify-reply", "--json", "--host", "mx3.qq.com", "550 Ip frequency limited"},
			object{"class": "rate.volume", "permanence": "transient", "provider": "qq", "hold": "1h"}},
		{"guessed", "", []string{"explain", "--json", "554 hm"}, object{"class": "unknown.permanent", "guessed": true, "hold": "0s"}},
		{"explained", "", []string{"explain", "--json", "421 4.7.0 [TSS04] Messages from 192.0.2.5 temporarily deferred"}, object{"provider": "yahoo", "hold": "2h"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := allgreen(t, tt.stdin, tt.args...)
			if got.code != 0 {
				t.Fatalf("exit %d: %s", got.code, got.err)
			}
			o := decode[object](t, got.out)[0]
			has(t, "the answer", o, answerKeys, "means link checks rule guessed host text")
			for key, want := range tt.want {
				if o[key] != want {
					t.Errorf("%s is %v, want %v", key, o[key], want)
				}
			}
		})
	}
}

func TestClassifyReplyForPeople(t *testing.T) {
	got := allgreen(t, "", "explain", "550 5.7.25 \x1b[31mno PTR record")
	for _, word := range []string{"550 5.7.25 permanent", "dns.ptr", "rdns.forward-confirmed", "PTR record set", `\x1b`} {
		if !strings.Contains(got.out, word) {
			t.Errorf("it does not say %q:\n%s", word, got.out)
		}
	}
	if got := allgreen(t, " \n", "classify-reply"); got.code != exitNoInput || !strings.Contains(got.err, "hint:") {
		t.Errorf("no reply: exit %d, %s", got.code, got.err)
	}
	if got := allgreen(t, "", "explain", "no", "such", "thing"); got.code != exitUsage || !strings.Contains(got.err, "hint:") {
		t.Errorf("words that are no reply: exit %d, %s%s", got.code, got.out, got.err)
	}
	if got := allgreen(t, "", "classify-reply", "--host", "@", "550 x"); got.code != exitUsage {
		t.Errorf("a host that is none: exit %d", got.code)
	}
}

func TestProviderCommand(t *testing.T) {
	list := decode[[]provider.Provider](t, allgreen(t, "", "provider", "list", "--json").out)[0]
	if len(list) < 40 {
		t.Errorf("only %d providers", len(list))
	}
	for _, name := range []string{"google", "aspmx.l.google.com", "gmail.com"} {
		if p := decode[provider.Provider](t, allgreen(t, "", "provider", "show", name, "--json").out)[0]; p.ID != "google" {
			t.Errorf("%s is %q", name, p.ID)
		}
	}
	if got := allgreen(t, "", "provider", "show", "t-online"); !strings.Contains(got.out, "tobr@rx.t-online.de") {
		t.Errorf("whom to write to is missing:\n%s", got.out)
	}
	if got := allgreen(t, "", "provider", "show", "nobody.example"); got.code != exitUsage {
		t.Errorf("an unknown one: exit %d", got.code)
	}
}

// TestChecksOfReplies: every check that an answer names can be explained.
func TestChecksOfReplies(t *testing.T) {
	d := provider.New()
	for _, text := range []string{"550 5.7.25 no PTR record", "550 5.7.26 x", "554 blocked using zen.spamhaus.org"} {
		a, err := classify(d, text, "")
		if err != nil || len(a.Checks) == 0 {
			t.Errorf("%s: %v names no check", text, err)
		}
	}
	for _, id := range d.Checks() {
		if got := allgreen(t, "", "explain", id); got.code != 0 {
			t.Errorf("there is no check %q", id)
		}
	}
}

// TestOwnRefusals: what our server says to others is understood too, so that
// "explain" helps whoever is refused by one.
func TestOwnRefusals(t *testing.T) {
	d, n := provider.New(), 0
	for _, dir := range []string{"policy", "receive", "accept"} {
		for _, reply := range repliesIn(t, dir) {
			n++
			m := d.Classify(reply, mail.Domain{})
			if m.Class == "unknown" || m.Class == "unknown.permanent" {
				t.Errorf("%s: %s is not understood", dir, reply)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d refusals were found in the code", n)
	}
}

// repliesIn are the replies that a package makes from a literal code and text.
func repliesIn(t *testing.T, dir string) (replies []mail.Reply) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			code, isCode := literal(call.Args[0], token.INT)
			text, isText := literal(call.Args[len(call.Args)-1], token.STRING)
			if number, _ := strconv.Atoi(code); isCode && isText && number >= 400 && number < 600 {
				replies = append(replies, mail.NewReply(number, mail.EnhancedCode{}, strings.Trim(text, `"`)))
			}
			return true
		})
	}
	return replies
}

func literal(e ast.Expr, kind token.Token) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != kind {
		return "", false
	}
	return l.Value, true
}
