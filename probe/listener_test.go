package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// anyPort is the machine's network with a free port instead of 25.
type anyPort struct{ world.Network }

func (anyPort) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	host, port, _ := net.SplitHostPort(address)
	if port != "25" {
		return nil, fmt.Errorf("port %s was asked for", port)
	}
	return new(net.ListenConfig).Listen(ctx, network, net.JoinHostPort(host, "0"))
}

func start(t testing.TB) (*Listener, string) {
	t.Helper()
	w := &world.World{Network: anyPort{world.Machine()}}
	l, err := Listen(t.Context(), w, mail.MustParseDomain("probe.example"), netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.socket.String()
}

// dialogue sends lines to the listener as they are and returns the codes of its
// replies, one for each line, the greeting first.
func dialogue(t testing.TB, at string, lines ...string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	codes := []string{code(r)}
	for _, line := range lines {
		io.WriteString(conn, line)
		if !strings.HasPrefix(line, "part:") {
			codes = append(codes, code(r))
		}
	}
	return codes
}

func code(r *bufio.Reader) string {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "closed"
		}
		if len(line) > 3 && line[3] != '-' {
			return line[:3]
		}
	}
}

// wait fails the test unless the token has an event of the kind.
func wait(t *testing.T, l *Listener, token Token, kind Kind) Event {
	t.Helper()
	for _, e := range l.Wait(t.Context(), token, time.Now().Add(5*time.Second), kind) {
		if e.Kind == kind {
			return e
		}
	}
	t.Fatalf("no %s: %+v", kind, l.Events(token))
	return Event{}
}

func TestMessages(t *testing.T) {
	l, at := start(t)
	tests := []struct {
		name, from, header string
		ours               bool
		want               Kind
		automatic          bool
	}{
		{"our own, relayed", "someone@victim.example", "Subject: hello\r\n", true, Delivered, false},
		{"our own with null sender", "", "Subject: hello\r\n", true, Delivered, false},
		{"a delivery report", "", "Content-Type: multipart/report; report-type=delivery-status\r\nAuto-Submitted: auto-replied\r\n", false, Bounced, true},
		{"a report with a sender", "mailer-daemon@host.example", "content-type: Multipart/Report; x=y\r\n", false, Bounced, false},
		{"a challenge", "guard@host.example", "Subject: please confirm\r\nAuto-Submitted: auto-generated (x)\r\n", false, Answered, true},
		{"an old autoresponder", "away@host.example", "Precedence: auto_reply\r\n", false, Answered, true},
		{"a person", "p@host.example", "Auto-Submitted: No\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n", false, Answered, false},
	}
	for _, tt := range tests {
		token := l.Issue()
		header := tt.header
		if tt.ours {
			header += token.Header()
		}
		body := header + "\r\nIn the body stands " + token.Header() + ".dots\r\n..\r\n"
		send(t, at, tt.from, strings.ToUpper(token.String())+"@Probe.Example", body) // some hosts change the case
		e := wait(t, l, token, tt.want)
		if e.Automatic != tt.automatic || e.HELO != "client.example" || e.Client.String() != "127.0.0.1" || e.From != tt.from {
			t.Errorf("%s: %+v", tt.name, e)
		}
		if e.Header != header || e.Size != len(body) {
			t.Errorf("%s: header %q, %d octets of %d", tt.name, e.Header, e.Size, len(body))
		}
		if all := l.Events(token); len(all) != 1 {
			t.Errorf("%s: %d events", tt.name, len(all))
		}
	}
}

// send uses somebody else's client.
func send(t *testing.T, at, from, to, body string) {
	t.Helper()
	c, err := gosmtp.Dial(at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, step := range []func() error{
		func() error { return c.Hello("client.example") },
		func() error { return c.Mail(from, nil) },
		func() error { return c.Rcpt(to, nil) },
		func() error {
			w, err := c.Data()
			if err == nil {
				io.WriteString(w, body)
				err = w.Close()
			}
			return err
		},
		c.Quit,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallouts(t *testing.T) {
	l, at := start(t)
	for name, end := range map[string][]string{
		"quit": {"QUIT\r\n"}, "rset": {"RSET\r\n"}, "hangs up": nil, "hello again": {"EHLO x\r\n"}, "another mail": {"RSET\r\n", "MAIL FROM:<>\r\n"},
	} {
		token := l.Issue()
		dialogue(t, at, append([]string{"EHLO caller.example\r\n", "MAIL FROM:<>\r\n", "RCPT TO:" + token.Address().Path() + "\r\n"}, end...)...)
		e := wait(t, l, token, Callout)
		if !e.Reverse.IsZero() || e.HELO != "caller.example" {
			t.Errorf("%s: %+v", name, e)
		}
		if len(l.Events(token)) != 1 {
			t.Errorf("%s: %+v", name, l.Events(token))
		}
	}
	for _, verb := range []string{"VRFY", "EXPN"} {
		token := l.Issue()
		if got := dialogue(t, at, verb+" "+token.Address().String()+"\r\n"); got[1] != "252" {
			t.Errorf("%s: %q", verb, got)
		}
		wait(t, l, token, Asked)
	}
}

func TestInterrupted(t *testing.T) {
	l, at := start(t)
	token := l.Issue()
	dialogue(t, at, "HELO x\r\n", "MAIL FROM:<>\r\n", "RCPT TO:"+token.Address().Path()+"\r\n", "DATA\r\n", "part: 1\r\n"+token.Header())
	wait(t, l, token, Interrupted)
}

// TestRefusals wants nothing taken but mail for a live token.
func TestRefusals(t *testing.T) {
	l, at := start(t)
	token, gone := l.Issue(), l.Issue()
	l.Revoke(gone)
	for _, rcpt := range []string{
		"<nobody@probe.example>", "<postmaster>", "<postmaster@probe.example>", "<>", "<" + gone.String() + "@probe.example>",
		"<" + token.String() + "@other.example>", "<" + token.String() + "@sub.probe.example>", "<" + token.String() + "@[127.0.0.1]>", "<" + token.String() + ">",
		"<user%other.example@probe.example>", "<\"" + token.String() + "@other.example\"@probe.example>", "<@probe.example:user@other.example>",
		"<" + token.String() + "x@probe.example>", "<other.example!user@probe.example>", token.Address().String(), " " + token.Address().Path(),
		token.Address().Path() + " NOTIFY=NEVER",
	} {
		got := dialogue(t, at, "EHLO x\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:"+rcpt+"\r\n", "DATA\r\n", "QUIT\r\n")
		if want := []string{"220", "250", "250", "5", "503", "221"}; got[3][0] != '5' || !slices.Equal(got[4:], want[4:]) {
			t.Errorf("%s: %q", rcpt, got)
		}
	}
	if n := len(l.Events(token)); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestOrderOfCommands(t *testing.T) {
	l, at := start(t)
	rcpt := "RCPT TO:" + l.Issue().Address().Path() + "\r\n"
	for _, tt := range []struct{ lines, want []string }{
		{[]string{"MAIL FROM:<>\r\n", "EHLO\r\n", "HELO x\r\n", rcpt, "DATA\r\n", "MAIL FROM:<>\r\n", "MAIL FROM:<>\r\n", "DATA\r\n"},
			[]string{"503", "501", "250", "503", "503", "250", "503", "503"}},
		{[]string{"EHLO x\r\n", "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME\r\n", rcpt, "DATA x\r\n", "RSET\r\n", rcpt},
			[]string{"250", "250", "250", "501", "250", "503"}},
		{[]string{"EHLO x\r\n", "MAIL FROM:<> X=1\r\n", "MAIL FROM: <>\r\n", "MAIL FROM:a@b.example\r\n", "MAIL\r\n", "STARTTLS\r\n", "AUTH PLAIN x\r\n", "NOOP\r\n"},
			[]string{"250", "555", "501", "501", "501", "502", "502", "250"}},
	} {
		if got := dialogue(t, at, tt.lines...)[1:]; !slices.Equal(got, tt.want) {
			t.Errorf("%q\ngot  %q\nwant %q", tt.lines, got, tt.want)
		}
	}
}

// TestBounds wants hostile clients to be shown the door.
func TestBounds(t *testing.T) {
	l, at := start(t)
	token := l.Issue()
	open := []string{"EHLO x\r\n", "MAIL FROM:<>\r\n", "RCPT TO:" + token.Address().Path() + "\r\n", "DATA\r\n"}
	tests := map[string]struct {
		lines []string
		want  string // the last code
	}{
		"a bare LF":         {[]string{"EHLO x\n"}, "500"},
		"a bare CR":         {[]string{"EHLO x\ry\r\n"}, "500"},
		"a NUL":             {[]string{"EHLO \x00\r\n"}, "500"},
		"an endless line":   {[]string{strings.Repeat("x", 3*maxLine)}, "500"},
		"too many errors":   {slices.Repeat([]string{"WHAT\r\n"}, maxFaults+2), "closed"},
		"too many commands": {slices.Repeat([]string{"NOOP\r\n"}, maxCommands+1), "421"},
		"a large message":   {append(slices.Clone(open), strings.Repeat("0123456789\r\n", maxMessage/10)+".\r\n"), "552"},
		"a long line":       {append(slices.Clone(open), strings.Repeat("x", maxLine-1)+"\r\n.\r\n"), "250"},
		"a line of a piece": {append(slices.Clone(open), strings.Repeat("x", maxLine-2)+"\r\n.\r\n"), "250"},
		"no message at all": {append(slices.Clone(open), ".\r\n"), "250"},
		"a smuggled end":    {append(slices.Clone(open), "a\n.\nb\n.\r\nc\r\n.\nd\r\n.\r\n"), "250"},
		"too many recipients": {append(slices.Clone(open[:2]),
			slices.Repeat(open[2:3], maxRcpts+1)...), "452"},
	}
	for name, tt := range tests {
		got := dialogue(t, at, tt.lines...)
		if got[len(got)-1] != tt.want {
			t.Errorf("%s: %q, want %s at the end", name, got[max(0, len(got)-3):], tt.want)
		}
	}
	for range 2 * maxEvents {
		dialogue(t, at, open[:3]...)
	}
	l.Close()
	if n := len(l.Events(token)); n != maxEvents {
		t.Errorf("%d events kept", n)
	}
	for _, e := range l.Events(token) {
		if len(e.Header) > maxHeader {
			t.Errorf("%d octets of header kept", len(e.Header))
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	_, at := start(t)
	var refused int
	for range maxConnections + 3 {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if code(bufio.NewReader(conn)) == "421" {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d refused", refused)
	}
}

func TestWait(t *testing.T) {
	l, at := start(t)
	token := l.Issue()
	if got := l.Wait(t.Context(), token, time.Now().Add(-time.Second)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := l.Wait(ctx, token, time.Now().Add(time.Hour)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	dialogue(t, at, "VRFY "+token.String()+"@probe.example\r\n")
	done := make(chan []Event)
	go func() { done <- l.Wait(t.Context(), token, time.Now().Add(time.Hour), Delivered) }()
	send(t, at, "a@b.example", token.Address().String(), token.Header()+"\r\n")
	if got := <-done; len(got) != 2 || got[1].Kind != Delivered {
		t.Errorf("%+v", got)
	}
	go func() { done <- l.Wait(t.Context(), token, time.Now().Add(time.Hour), Bounced) }()
	l.Close()
	if got := <-done; len(got) != 2 {
		t.Errorf("closing freed nobody: %+v", got)
	}
}

func TestTokens(t *testing.T) {
	l, _ := start(t)
	seen := make(map[string]bool)
	for range maxTokens {
		token := l.Issue()
		if s := token.String(); len(s) != 26 || seen[s] || s != strings.ToLower(s) {
			t.Fatalf("token %q", s)
		}
		seen[token.String()] = true
	}
	if token := l.Issue(); token != (Token{}) {
		t.Error("more tokens than the limit")
	}
	if _, live := l.live(mail.Address{Domain: l.Domain()}); live {
		t.Error("the zero token is live")
	}
}

func TestSwaks(t *testing.T) {
	if _, err := exec.LookPath("swaks"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("swaks is missing")
		}
		t.Skip("swaks is missing")
	}
	l, at := start(t)
	token := l.Issue()
	host, port, _ := net.SplitHostPort(at)
	out, err := exec.Command("swaks", "--server", host, "--port", port, "--from", "s@swaks.example", "--to", token.Address().String(),
		"--helo", "swaks.example", "--pipeline", "--header", strings.TrimSpace(token.Header())).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%s", err, out)
	}
	if e := wait(t, l, token, Delivered); e.HELO != "swaks.example" || e.Subject == "" {
		t.Errorf("%+v", e)
	}
}

func TestEvidence(t *testing.T) {
	e := Event{Kind: Bounced, Client: netip.MustParseAddr("192.0.2.1"), HELO: "a\x1b[2Jb", Subject: strings.Repeat("é", 200)}
	if got := e.Evidence(); !strings.HasPrefix(got, "bounced by 192.0.2.1 (a?[2Jb), MAIL FROM:<>, Subject: ?") || len(got) > 300 {
		t.Errorf("%q", got)
	}
}

// FuzzSession plays a client over a pipe: no panic, no mail for others, an end.
func FuzzSession(f *testing.F) {
	l := &Listener{world: world.None(), domain: mail.MustParseDomain("probe.example"), tokens: map[string][]Event{}, changed: make(chan struct{})}
	token := l.Issue()
	to := token.Address().Path()
	f.Add("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:" + to + "\r\nDATA\r\n" + token.Header() + "\r\n.\r\nQUIT\r\n")
	f.Add("HELO x\r\nMAIL FROM:<a@b.c> SIZE=1\r\nRCPT TO:<" + "x@y.z>\r\nVRFY " + token.String() + "@probe.example\r\n")
	f.Fuzz(func(t *testing.T, octets string) {
		ours, theirs := net.Pipe()
		go func() { io.WriteString(theirs, octets); theirs.Close() }()
		go io.Copy(io.Discard, theirs)
		newSession(l, ours).run()
		ours.Close()
	})
}
