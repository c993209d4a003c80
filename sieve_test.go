package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
)

const annasFilter = `require ["fileinto", "special-use", "vacation", "copy", "imap4flags"];
if header :is "subject" "pass this on" {
	redirect :copy "alice@green.example";
} elsif header :contains "subject" "report" {
	fileinto :specialuse "\\Archive" :flags "\\Seen" "Archive";
	vacation :subject "Away" "Back on Monday.";
} else {
	discard;
}
`

// TestServeFilters is the life of a filter: kept by command, followed for mail from
// elsewhere, its answers signed and sent once, its redirects under a reverse-path of
// ours; read by POP3 and changed by ManageSieve.
func TestServeFilters(t *testing.T) {
	v := settle(t, "", lab.Options{})
	anna := v.home.settings.Admin.String()
	file := filepath.Join(t.TempDir(), "filter.sieve")
	if err := os.WriteFile(file, []byte(annasFilter), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(want int, args ...string) outcome {
		t.Helper()
		got := allgreen(t, "", append([]string{"account", "sieve"}, args...)...)
		if got.code != want {
			t.Fatalf("%q: exit %d, want %d\n%s%s", args, got.code, want, got.out, got.err)
		}
		return got
	}
	command(0, "check", file)
	command(0, "put", anna, file, "--activate", "--lab")
	if got := command(0, "show", anna, "--lab"); got.out != annasFilter {
		t.Errorf("shown: %q", got.out)
	}
	if got := command(0, "list", anna, "--lab"); !strings.Contains(got.out, "main") || !strings.Contains(got.out, "active") {
		t.Errorf("listed: %s", got.out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice := func(subject string) {
		t.Helper()
		l := letter{at: v.home.address(25), from: netip.MustParseAddr("127.10.1.10"), helo: "mx.green.example",
			sender: "alice@green.example", author: "alice@green.example", to: anna, subject: subject}
		if reply, err := l.post(ctx, v.world); err != nil || !reply.IsPositive() {
			t.Fatalf("%s: %s, %v", subject, reply, err)
		}
	}
	alice("first report")
	alice("lottery")
	alice("second report")
	for _, subject := range []string{"first report", "second report"} {
		if _, err := v.home.arrived(ctx, v.home.settings.Admin, mailbox.Archive, subject); err != nil {
			t.Error(err)
		}
	}
	answer, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: Away") })
	if err != nil {
		t.Fatalf("no answer came: %v\n%s", err, allgreen(t, "", "log", "search", "--lab").out)
	}
	v.isAnswer(t, answer)

	alice("pass this on")
	passed, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: pass this on") })
	if err != nil || !strings.HasPrefix(passed.From, "SRS0=") || !strings.HasSuffix(passed.From, "@allgreen.example") {
		t.Errorf("passed on from %s, %v", passed.From, err)
	}
	if _, err := v.home.arrived(ctx, v.home.settings.Admin, mailbox.Inbox, "pass this on"); err != nil {
		t.Error(err)
	}
	answers := 0
	for _, m := range v.Mail() {
		if strings.Contains(string(m.Data), "Subject: Away") {
			answers++
		}
	}
	if answers != 1 {
		t.Errorf("%d answers to one sender", answers)
	}
	v.fetches(t)
	v.manages(t)
	command(1, "remove", anna, "main", "--lab")
	command(0, "activate", anna, "--none", "--lab")
	command(0, "remove", anna, "main", "--lab")
	command(64, "activate", anna, "--lab")
	command(1, "show", anna, "--lab")
	if err := os.WriteFile(file, []byte("keep;\n  frobnicate;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := command(64, "put", anna, file, "--lab"); !strings.Contains(got.err, "line 2, column 3") {
		t.Errorf("a wrong filter: %s", got.err)
	}
	command(1, "check", file)
}

// isAnswer holds an answer against RFC 3834.
func (v village) isAnswer(t *testing.T, m host.Message) {
	t.Helper()
	h := message.ParseHeader(string(m.Data))
	if m.From != "" || !slices.Equal(m.To, []string{"alice@green.example"}) {
		t.Errorf("from <%s> to %q", m.From, m.To)
	}
	if h.Value("Auto-Submitted") != "auto-replied (vacation)" || !strings.HasSuffix(h.Value("In-Reply-To"), "@mx.green.example>") || h.Value("To") != "alice@green.example" {
		t.Errorf("%s", m.Data)
	}
	results, err := dkim.VerifyWithOptions(strings.NewReader(string(m.Data)), &dkim.VerifyOptions{LookupTXT: v.lookupTXT})
	if err != nil || len(results) != 2 {
		t.Fatalf("%d signatures, %v", len(results), err)
	}
	for _, r := range results {
		if r.Err != nil || r.Domain != "allgreen.example" {
			t.Errorf("go-msgauth says of d=%s: %v", r.Domain, r.Err)
		}
	}
}

// talk is a dialogue in lines over TLS, or up to a STARTTLS of its own.
func (v village) talk(t *testing.T, port uint16, implicit bool) (say func(line, until string) string) {
	t.Helper()
	conn, err := v.world.Dial(t.Context(), v.home.address(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	config := &tls.Config{ServerName: "mx.allgreen.example", RootCAs: v.world.Roots, Time: v.world.Now}
	secure := func() { conn = tls.Client(conn, config) }
	if implicit {
		secure()
	}
	in := bufio.NewReader(conn)
	return func(line, until string) (heard string) {
		t.Helper()
		if line == "tls" {
			secure()
			in.Reset(conn)
		} else if line != "" {
			fmt.Fprintf(conn, "%s\r\n", line)
		}
		for {
			got, err := in.ReadString('\n')
			if heard += got; err != nil {
				t.Fatalf("%s: heard %q, %v", line, heard, err)
			}
			if strings.HasPrefix(got, until) {
				return heard
			}
			if strings.HasPrefix(got, "-ERR") || strings.HasPrefix(got, "NO ") || strings.HasPrefix(got, "BYE") {
				t.Fatalf("%s: %s", line, got)
			}
		}
	}
}

// fetches reads the INBOX by POP3.
func (v village) fetches(t *testing.T) {
	say := v.talk(t, 995, true)
	say("", "+OK mx.allgreen.example")
	say("USER "+v.home.settings.Admin.String(), "+OK")
	say("PASS "+v.home.password, "+OK")
	if got := say("RETR 1", ".\r\n"); !strings.Contains(got, "Subject: pass this on\r\n") {
		t.Errorf("fetched %s", got)
	}
	say("DELE 1", "+OK")
	say("QUIT", "+OK")
}

// manages changes the filter by ManageSieve.
func (v village) manages(t *testing.T) {
	say := v.talk(t, 4190, false)
	say("", "OK")
	say("STARTTLS", "OK")
	say("tls", "OK")
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + v.home.settings.Admin.String() + "\x00" + v.home.password))
	say(`AUTHENTICATE "PLAIN" "`+plain+`"`, "OK")
	if got := say("LISTSCRIPTS", "OK"); !strings.Contains(got, `"main" ACTIVE`) {
		t.Errorf("listed %s", got)
	}
	say(`PUTSCRIPT "other" "keep;"`, "OK")
	say(`DELETESCRIPT "other"`, "OK")
	say("LOGOUT", "OK")
}
