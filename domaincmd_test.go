package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
)

// quiet is a server that listens nowhere, and asks nobody who it is.
const quiet = `[listen]
smtp = []
submission = []
submissions = []
http = []
https = []
imap = []
imaps = []
pop3 = []
pop3s = []
managesieve = []
[edge]
greet = []
stun = []
`

// publishingServer is a quiet server whose zone a BIND holds.
func publishingServer(t *testing.T) (n *peer.Nameserver, s *server, path string) {
	t.Helper()
	n, path, _ = publishing(t, strings.Clone)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(string(text)+quiet), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err = startServer(t.Context(), settings, serverOptions{world: n.World(t), log: newLog(logOf(t), settings.Log), path: path, local: filepath.Join(t.TempDir(), "s.sock")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return n, s, path
}

// TestDomainAdd adds a subdomain that sends while the server runs, with its records, and
// takes it away again.
func TestDomainAdd(t *testing.T) {
	n, s, path := publishingServer(t)
	run := func(want int, args ...string) string {
		t.Helper()
		got := allgreen(t, "", append(append([]string{"domain"}, args...), "--config", path, "--lab")...)
		if got.code != want {
			t.Fatalf("%q: exit %d, want %d\n%s%s", args, got.code, want, got.out, got.err)
		}
		return got.out + got.err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out := run(0, "add", "news.example.com"); !strings.Contains(out, "ag-r1._domainkey") || !strings.Contains(out, "dns publish news.example.com") {
		t.Error(out)
	}
	if signers, err := s.identity.Signers(mail.MustParseDomain("news.example.com")); err != nil || len(signers) != 2 {
		t.Errorf("%v, %v", signers, err)
	}
	if got := allgreen(t, "", "dns", "publish", "example.com", "--yes", "--config", path, "--lab"); got.code != 0 {
		t.Fatalf("the first domain, which has the host: exit %d\n%s", got.code, got.err)
	}
	run(0, "add", "news.example.com", "--publish", "--yes") // again, and this time published
	for _, record := range []string{
		`_dmarc.news.example.com. TXT "v=DMARC1; p=quarantine; rua=mailto:postmaster@news.example.com"`,
		`news.example.com. TXT "v=spf1 ip4:127.20.0.25 -all"`, "news.example.com. MX 10 mx.example.com.",
	} {
		if !n.Has(t, record) {
			t.Errorf("not there: %s", record)
		}
	}
	after, err := os.ReadFile(path)
	if want := strings.Replace(string(before), `["example.com"]`, `["example.com", "news.example.com"]`, 1); err != nil || string(after) != want {
		t.Errorf("%v\n%s", err, after)
	}
	list := decode[struct{ Domains []domainRow }](t, run(0, "list", "--json"))[0].Domains
	if len(list) != 2 || list[1].Domain != "news.example.com" || list[1].DMARC != "quarantine" || len(list[1].Selectors) != 2 {
		t.Errorf("%+v", list)
	}
	run(exitUsage, "add", "nothing")
	run(exitUsage, "remove", "example.org")
	if out := run(exitConfig, "remove", "example.com"); !strings.Contains(out, "admin") {
		t.Errorf("the administrator's domain: %s", out)
	}
	if out := run(0, "remove", "news.example.com"); !strings.Contains(out, "Nothing in the DNS was changed") {
		t.Error(out)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(before) {
		t.Errorf("%v\n%s", err, now)
	}
	if _, err := s.identity.Signers(mail.MustParseDomain("news.example.com")); err == nil {
		t.Error("still ours")
	}
}

// TestDMARCOfALiveDomain has the server see that its domain lives elsewhere, and climb by
// the word of a person, through BIND.
func TestDMARCOfALiveDomain(t *testing.T) {
	n, s, path := publishingServer(t)
	run := func(args ...string) string {
		t.Helper()
		got := allgreen(t, "", append(append([]string{"dmarc"}, args...), "--config", path, "--lab")...)
		if got.code != 0 {
			t.Fatalf("%q: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
		return got.out
	}
	if err := s.upkeep.Look(t.Context(), s.settings.Domains[0]); err != nil {
		t.Fatal(err)
	}
	steps := decode[struct{ Domains []setup.DMARCStep }](t, run("list", "--json"))[0].Domains
	if len(steps) != 1 || steps[0].Policy != "none" || steps[0].Due.Sub(steps[0].Since).Hours() != 30*24 {
		t.Errorf("%+v", steps)
	}
	if out := run(); !strings.Contains(out, "quarantine") || !strings.Contains(out, steps[0].Due.Format("2006-01-02")) {
		t.Error(out)
	}
	if out := run("step", "example.com"); !strings.Contains(out, "p=quarantine") || !n.Has(t, `_dmarc.example.com. TXT "v=DMARC1; p=quarantine"`) {
		t.Error(out)
	}
	if got := allgreen(t, "", "dmarc", "step", "example.com", "--to", "maybe", "--config", path, "--lab"); got.code != exitUsage {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}
