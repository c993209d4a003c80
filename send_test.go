package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// A postbox stands for the server: it remembers what was posted.
type postbox struct {
	path string

	mu      sync.Mutex
	query   url.Values
	body    string
	posted  int
	refusal *web.Refusal // answered instead
}

func openPostbox(t *testing.T) *postbox {
	t.Helper()
	p := &postbox{path: filepath.Join(t.TempDir(), "submit.sock")}
	l, err := (&world.World{Network: world.Machine()}).ListenUnix(t.Context(), p.path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- web.Serve(ctx, []net.Listener{l}, p, time.Second, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		stop()
		<-served
	})
	t.Setenv("ALLGREEN_SOCKET", p.path)
	return p
}

func (p *postbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.query, p.body = r.URL.Query(), string(body)
	p.posted++
	w.Header().Set("Content-Type", "application/json")
	if p.refusal != nil {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(p.refusal)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"id": "06gpo8bi0000000000xx"}`)
}

func (p *postbox) last() (url.Values, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.query, p.body
}

// TestSendmailFlags: as cron, mailx, git send-email, PHP and others call it.
func TestSendmailFlags(t *testing.T) {
	p := openPostbox(t)
	for _, tt := range []struct {
		name  string
		args  string
		in    string
		query url.Values
		body  string
	}{
		{"cron", "-FCronDaemon -i -B8BITMIME -oem root", "To: root\n\nx\n.\ny\n", url.Values{"to": {"root"}, "name": {"CronDaemon"}}, "To: root\n\nx\n.\ny\n"},
		{"PHP", "-t -i", "To: a@example.net\n\nx\n", url.Values{"header_recipients": {"true"}}, "To: a@example.net\n\nx\n"},
		{"git send-email", "-f anna@example.com -i b@example.net c@example.net", "x", url.Values{"from": {"anna@example.com"}, "to": {"b@example.net", "c@example.net"}}, "x"},
		{"bsd-mailx", "-i -- b@example.net", "x", url.Values{"to": {"b@example.net"}}, "x"},
		{"s-nail", "-oi -fanna@example.com b@example.net,c@example.net", "x", url.Values{"from": {"anna@example.com"}, "to": {"b@example.net", "c@example.net"}}, "x"},
		{"a vacation", "-f <> a@example.net", "x\n.\ny\n", url.Values{"from": {"<>"}, "to": {"a@example.net"}}, "x\n"},
		{"a dot at the end of a long line", "a@example.net", strings.Repeat("x", 70000) + ".\n.\ny", url.Values{"to": {"a@example.net"}}, strings.Repeat("x", 70000) + ".\n"},
		{"DSN", "-N success,delay -V id1 -R hdrs -bm a@example.net", "x", url.Values{"to": {"a@example.net"}, "notify": {"success,delay"}, "envid": {"id1"}, "ret": {"hdrs"}}, "x"},
		{"old options", "-om -oee -O DeliveryMode=b -odb -U -v -p SMTP:x -h 3 -Lx a@example.net", "x", url.Values{"to": {"a@example.net"}}, "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := allgreen(t, tt.in, append([]string{"sendmail"}, strings.Fields(tt.args)...)...)
			if got.code != 0 || got.out != "" || got.err != "" {
				t.Fatalf("%+v", got)
			}
			query, body := p.last()
			if diff := cmp.Diff(tt.query, query); diff != "" || body != tt.body {
				t.Errorf("%s%.200q", diff, body)
			}
		})
	}
}

func TestSendmailExitCodes(t *testing.T) {
	p := openPostbox(t)
	for code, want := range map[string]int{"bad-message": 65, "no-such-recipient": 67, "not-allowed": 77, "no-such-sender": 77, "rate-limited": 75, "on-hold": 75, "temporary": 75, "something new": 69} {
		p.refusal = &web.Refusal{Code: code, Message: "The reason."}
		if got := allgreen(t, "x", "sendmail", "a@example.net"); got.code != want || got.err != "allgreen: The reason\n" {
			t.Errorf("%s: %+v", code, got)
		}
	}
	p.refusal = nil
	for args, want := range map[string]int{"": 64, "-f": 64, "-Z a@example.net": 64, "-bp": 64, "-bt": 64, "-bi": 0, "-q": 0, "-q30m": 0} {
		if got := allgreen(t, "x", append([]string{"sendmail"}, strings.Fields(args)...)...); got.code != want {
			t.Errorf("%q: %+v", args, got)
		}
	}
	t.Setenv("ALLGREEN_SOCKET", filepath.Join(t.TempDir(), "none"))
	if got := allgreen(t, "x", "sendmail", "a@example.net"); got.code != 75 {
		t.Errorf("no server: %+v", got)
	}
	if got := allgreen(t, "x", "send", "--to", "a@example.net"); got.code != 69 {
		t.Errorf("no server: %+v", got)
	}
}

func TestCalledBySendmailsName(t *testing.T) {
	if got := byName([]string{"/usr/sbin/sendmail", "-t"}); !cmp.Equal(got, []string{"sendmail", "-t"}) {
		t.Error(got)
	}
	if got := byName([]string{"allgreen", "check"}); !cmp.Equal(got, []string{"check"}) {
		t.Error(got)
	}
}

func TestSendmailSpeaksSMTP(t *testing.T) {
	p := openPostbox(t)
	got := allgreen(t, "EHLO x\r\nMAIL FROM:<anna@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n", "sendmail", "-bs")
	if got.code != 0 || !strings.Contains(got.out, "250 2.0.0 accepted as 06gpo8bi0000000000xx\r\n221 ") {
		t.Fatalf("%+v", got)
	}
	query, body := p.last()
	if !cmp.Equal(query, url.Values{"from": {"anna@example.com"}, "to": {"b@example.net"}}) || body != "Subject: x\r\n\r\n.\r\n" {
		t.Errorf("%v %q", query, body)
	}
	p.refusal = &web.Refusal{Code: "not-allowed", Message: "Not yours."}
	got = allgreen(t, "HELO x\nMAIL FROM:<a@example.com>\nRCPT TO:<b@example.net>\nDATA\n\nx\r\n.\r\nQUIT\r\n", "sendmail", "-bs")
	if !strings.Contains(got.out, "550 5.7.0 Not yours") {
		t.Errorf("%+v", got)
	}
}

func TestSend(t *testing.T) {
	p := openPostbox(t)
	file := filepath.Join(t.TempDir(), "bill.pdf")
	if err := os.WriteFile(file, []byte("%PDF"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := allgreen(t, "Grüße\n", "send", "--from", "Anna <anna@example.com>", "--to", "b@example.net,root", "--bcc", "c@example.net", "--subject", "Hällo", "--attach", file)
	if got.code != 0 || got.out != "06gpo8bi0000000000xx\n" {
		t.Fatalf("%+v", got)
	}
	query, body := p.last()
	if !cmp.Equal(query, url.Values{"from": {"anna@example.com"}, "to": {"b@example.net", "root", "c@example.net"}}) {
		t.Error(query)
	}
	for _, want := range []string{"From: Anna <anna@example.com>\r\n", "To: b@example.net, root\r\n", "Subject: =?utf-8?q?H=C3=A4llo?=\r\n", "filename=bill.pdf", "application/pdf", "JVBERg=="} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %q in\n%s", want, body)
		}
	}
	if strings.Contains(body, "c@example.net") {
		t.Error("everybody sees the blind recipient")
	}
	for args, want := range map[string]int{
		"--from anna@example.com":                                     64,
		"--from not/an/address --to a@example.net":                    64,
		"--to a@example.net --attach /nonexistent":                    66,
		"--to a@example.net --server http://127.0.0.1:1":              64,
		"--from a@example.com --to a@example.net --server http://[::": 64,
	} {
		if got := allgreen(t, "x", append([]string{"send"}, strings.Fields(args)...)...); got.code != want {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// TestOthersCallSendmail has other people's programs call ours.
func TestOthersCallSendmail(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sendmail")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mailrc := writeFile(t, "mailrc", "set sendmail="+binary+"\n")
	for _, tt := range []struct {
		program string
		args    []string
		in      string
		want    string
	}{
		{"swaks", []string{"--pipe", binary + " -bs", "--from", "anna@example.com", "--to", "b@example.net", "--body", "Hi"}, "", "Hi"},
		{"python3", []string{"-c", `import subprocess,email.message; m=email.message.EmailMessage(); m["From"]="anna@example.com"; m["To"]="b@example.net"; m.set_content("Hi"); subprocess.run(["` + binary + `","-t","-oi"],input=m.as_bytes(),check=True)`}, "", "Hi"},
		{"mailx", []string{"-s", "Hello", "b@example.net"}, "Hi\n", "Hi"},
	} {
		t.Run(tt.program, func(t *testing.T) {
			if _, err := exec.LookPath(tt.program); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("there is no %s", tt.program)
				}
				t.Skipf("there is no %s", tt.program)
			}
			p := openPostbox(t)
			cmd := exec.CommandContext(t.Context(), tt.program, tt.args...)
			cmd.Env = append(os.Environ(), "MAILRC="+mailrc)
			cmd.Stdin = strings.NewReader(tt.in)
			out, err := cmd.CombinedOutput()
			query, body := p.last()
			if err != nil || p.posted != 1 || !strings.Contains(body, tt.want) {
				t.Errorf("%v, %d posted, %v %q\n%s", err, p.posted, query, body, out)
			}
		})
	}
}

// FuzzSendmailArguments: any arguments mean something or are refused.
func FuzzSendmailArguments(f *testing.F) {
	f.Add("-t\x00-i\x00-f\x00a@example.com")
	f.Add("-oi\x00--\x00-x")
	f.Fuzz(func(t *testing.T, text string) {
		call, err := parseSendmail(strings.Split(text, "\x00"))
		if err != nil {
			return
		}
		for _, to := range call.To {
			if to == "" || strings.Contains(to, ",") {
				t.Errorf("recipient %q of %q", to, text)
			}
		}
	})
}
