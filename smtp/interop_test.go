package smtp

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/allgreen-mail/allgreen/mail"
)

// Clients and servers by other people; whole mail servers are in foreign_test.go.

// program finds a program of somebody else's. A person's machine may lack it.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// foreign runs a program that must succeed.
func foreign(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %s\n%s", name, err, out)
	}
}

// hard is a message with everything that is hard to carry, without an end of its own.
const hard = "From: a@a.example\r\nSubject: hard\r\n\r\n.\r\n..\r\n.dot\r\nGr\xc3\xbc\xc3\x9fe\r\n\r\nlast\r\n"

// ways are the three channels of a server with logins, each on a port of its own.
type ways struct {
	shelf                  *shelf
	plain, starttls, onTLS netip.AddrPort
	ca                     string // a file
	config                 *tls.Config
}

func openWays(t *testing.T) *ways {
	t.Helper()
	w := &ways{shelf: &shelf{}}
	o := ServerOptions{Open: w.shelf.openLogin, DSN: true, RequireTLSExt: true}
	_, w.plain = serveOn(t, o)
	o.Submission = true
	w.config = withTLS(t, &o)
	_, w.starttls = serveOn(t, o)
	o.ImplicitTLS = true
	_, w.onTLS = serveOn(t, o)
	w.ca = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: o.TLS.Certificates[0].Certificate[0]}
	if err := os.WriteFile(w.ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// arrived wants exactly these protocols to have brought the message.
func (w *ways) arrived(t *testing.T, text string, want ...string) {
	t.Helper()
	var got []string
	for _, l := range w.shelf.taken() {
		how := l.peer.Via(l.login != "", l.mail.SMTPUTF8)
		got = append(got, how)
		if !strings.Contains(l.text, text) {
			t.Errorf("by %s came %q", how, l.text)
		}
		if len(l.to) != 1 || l.to[0].String() != "b@mx.example" {
			t.Errorf("by %s for %v", how, l.to)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("messages by %q, want %q", got, want)
	}
}

func TestSwaksClient(t *testing.T) {
	t.Parallel()
	swaks := program(t, "swaks")
	w := openWays(t)
	file := filepath.Join(t.TempDir(), "hard.eml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(hard, "\r\n", "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	common := []string{"--helo", "client.example", "--from", "a@a.example", "--to", "nobody@mx.example,b@mx.example", "--data", "@" + file, "--timeout", "20s", "--hide-all"}
	try := func(at netip.AddrPort, more ...string) {
		t.Helper()
		foreign(t, swaks, append(append([]string{"--server", at.Addr().String(), "--port", strconv.Itoa(int(at.Port()))}, common...), more...)...)
	}
	auth := []string{"--auth-user", testUser, "--auth-password", testPassword, "--auth"}
	try(w.plain)
	try(w.plain, "--pipeline")
	try(w.starttls, "--tls")
	try(w.starttls, append(auth, "PLAIN", "--tls")...)
	try(w.starttls, append(auth, "LOGIN", "--tls")...)
	try(w.onTLS, append(auth, "PLAIN", "--tls-on-connect")...)
	w.arrived(t, "\r\n\r\n.\r\n..\r\n.dot\r\nGr\xc3\xbc\xc3\x9fe\r\n\r\nlast\r\n", "ESMTP", "ESMTP", "ESMTPS", "ESMTPSA", "ESMTPSA", "ESMTPSA")
}

// smtplibScript sends the message once by each way.
const smtplibScript = `
import smtplib, ssl, sys
plain, starttls, tls, ca, user, password = sys.argv[1:]
hard = sys.stdin.buffer.read()
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
def send(s, options=[]):
    refused = s.sendmail('a@a.example', ['nobody@mx.example', 'b@mx.example'], hard, mail_options=options)
    assert list(refused) == ['nobody@mx.example'], refused
    assert s.verify('b@mx.example')[0] == 252
    assert s.noop()[0] == 250
    s.quit()
send(smtplib.SMTP('127.0.0.1', int(plain), timeout=20))
send(smtplib.SMTP('127.0.0.1', int(plain), timeout=20), ['SMTPUTF8', 'BODY=8BITMIME'])
s = smtplib.SMTP('127.0.0.1', int(starttls), timeout=20)
s.starttls(context=context)
s.login(user, password)
send(s)
s = smtplib.SMTP_SSL('127.0.0.1', int(tls), timeout=20, context=context)
try:
    s.login(user, 'wrong')
    assert False
except smtplib.SMTPAuthenticationError as e:
    assert e.smtp_code == 535
s.login(user, password)
send(s, ['BODY=8BITMIME'])
`

func TestSmtplibClient(t *testing.T) {
	t.Parallel()
	python := program(t, "python3")
	w := openWays(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	port := func(at netip.AddrPort) string { return strconv.Itoa(int(at.Port())) }
	cmd := exec.CommandContext(ctx, python, "-c", smtplibScript, port(w.plain), port(w.starttls), port(w.onTLS), w.ca, testUser, testPassword)
	cmd.Stdin = strings.NewReader(hard)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s", err, out)
	}
	w.arrived(t, hard, "ESMTP", "UTF8SMTP", "ESMTPSA", "ESMTPSA")
}

func TestGoSMTPClient(t *testing.T) {
	w := openWays(t)
	config := &tls.Config{ServerName: "mx.example", RootCAs: w.config.RootCAs}
	send := func(c *gosmtp.Client, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		o := &gosmtp.MailOptions{Size: int64(len(hard)), Body: gosmtp.Body8BitMIME, Return: gosmtp.DSNReturnHeaders, EnvelopeID: "id+1"}
		if err := c.Mail("a@a.example", o); err != nil {
			t.Fatal(err)
		}
		if err := c.Rcpt("b@mx.example", &gosmtp.RcptOptions{Notify: []gosmtp.DSNNotify{gosmtp.DSNNotifyFailure}, OriginalRecipientType: gosmtp.DSNAddressTypeRFC822, OriginalRecipient: "b+x@mx.example"}); err != nil {
			t.Fatal(err)
		}
		body, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(body, hard)
		if err := body.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Quit(); err != nil {
			t.Fatal(err)
		}
	}
	send(gosmtp.Dial(w.plain.String()))
	send(gosmtp.DialStartTLS(w.starttls.String(), config))
	send(gosmtp.DialTLS(w.onTLS.String(), config))
	w.arrived(t, hard, "ESMTP", "ESMTPS", "ESMTPS")
	l := w.shelf.taken()[0]
	if l.mail.EnvelopeID != "id+1" || l.mail.Return != "HDRS" || l.rcpt[0].Notify[0] != "FAILURE" ||
		l.rcpt[0].OriginalRecipient.String() != "b+x@mx.example" || l.rcpt[0].Original != "RFC822;b+2Bx@mx.example" && l.rcpt[0].Original != "rfc822;b+2Bx@mx.example" {
		t.Errorf("%+v %+v", l.mail, l.rcpt)
	}
}

// TestGoSMTPServerLMTP delivers to a foreign LMTP server, in one flight, twice over one
// connection.
func TestGoSMTPServerLMTP(t *testing.T) {
	p := &peer{}
	srv := gosmtp.NewServer(lmtpPeer{p})
	srv.LMTP, srv.Domain, srv.ErrorLog = true, "store.example", quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	c := dialTest(t, netip.MustParseAddrPort(l.Addr().String()), ClientOptions{LMTP: true})
	ctx := t.Context()
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	sendTwice(t, c, p)
}

type lmtpPeer struct{ *peer }

func (p lmtpPeer) NewSession(*gosmtp.Conn) (gosmtp.Session, error) {
	return lmtpSession{&peerSession{p.peer}}, nil
}

type lmtpSession struct{ *peerSession }

func (s lmtpSession) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	err := s.Data(r)
	status.SetStatus("b@mx.example", err)
	status.SetStatus("full@mx.example", &gosmtp.SMTPError{Code: 452, EnhancedCode: gosmtp.EnhancedCode{4, 2, 2}, Message: "full"})
	return err
}

// TestGoSMTPServer is the same over SMTP.
func TestGoSMTPServer(t *testing.T) {
	p, addr, _ := startPeer(t)
	c := dialTest(t, addr, ClientOptions{})
	expect(t, 220)(c.Greet(t.Context()))
	expect(t, 250)(c.Hello(t.Context()))
	sendTwice(t, c, p)
}

// TestOurServerFromOurClient sends to our own server, DATA and BDAT, SMTP and LMTP.
func TestOurServerFromOurClient(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		kept := &shelf{answer: func(l letter) []mail.Reply {
			if !lmtp {
				return nil
			}
			return []mail.Reply{{}, mail.NewReply(452, mail.EnhancedCode{Class: 4, Subject: 2, Detail: 2}, "full")}
		}}
		_, addr := serveOn(t, ServerOptions{Open: kept.open, LMTP: lmtp})
		c := dialTest(t, addr, ClientOptions{LMTP: lmtp})
		expect(t, 220)(c.Greet(t.Context()))
		expect(t, 250)(c.Hello(t.Context()))
		sendTwice(t, c, nil)
		for _, l := range kept.taken() {
			if l.text != hard {
				t.Errorf("%q", l.text)
			}
		}
	}
}

// sendTwice sends to one recipient who exists, one who does not, and one whose mailbox
// is full, by DATA and by BDAT.
func sendTwice(t *testing.T, c *Client, p *peer) {
	t.Helper()
	for _, chunks := range []bool{false, true} {
		e := Envelope{From: mail.MustParseAddress("a@a.example"), Chunks: chunks}
		for _, to := range []string{"b@mx.example", "nobody@mx.example", "full@mx.example"} {
			e.To = append(e.To, Recipient{Address: mail.MustParseAddress(to)})
		}
		fates, err := c.Send(t.Context(), e, strings.NewReader(hard))
		full := 250
		if c.options.LMTP {
			full = 452
		}
		if err != nil || fates[0].Reply.Code != 250 || fates[1].Reply.Code != 550 || fates[2].Reply.Code != full {
			t.Fatalf("%v, %v\n%s", fates, err, c.Transcript())
		}
	}
	expect(t, 221)(c.Quit(t.Context()))
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.messages {
		if text != hard {
			t.Errorf("came as %q", text)
		}
	}
	if len(p.messages) != 2 {
		t.Errorf("%d messages", len(p.messages))
	}
}
