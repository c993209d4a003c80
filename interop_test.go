package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
)

// interopTime is how long a message may take through two servers of a busy machine.
const interopTime = 2 * time.Minute

// umlaut is a mailbox of ours that only SMTPUTF8 can name.
var umlaut = mail.Address{Local: "jürgen", Domain: mail.MustParseDomain("allgreen.example")}

// cargo is a message with all that is hard to carry; the subject tells it from others.
func cargo(from, to, subject string) string {
	return "From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject + "\r\nDate: " + time.Now().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <" + strconv.FormatInt(time.Now().UnixNano(), 36) + "@" + from[strings.LastIndex(from, "@")+1:] + ">\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		".\r\n..\r\n.dot\r\nFrom here on\r\nGr\xc3\xbc\xc3\x9fe, \xe2\x98\x83\r\ntrailing blanks  \t\r\n" +
		strings.Repeat("l", 990) + "\r\n\r\n\r\nlast line\r\n"
}

// unixLines is a message as servers keep it in a Maildir.
func unixLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// stranger is a server of somebody else's, the MX of a domain of the lab.
type stranger struct {
	domain lab.Domain
	start  func(testing.TB, peer.Options) *peer.Peer
	tls    bool // STARTTLS as a server
	clear  bool // none as a client
	utf8   bool // SMTPUTF8
	dsn    bool // reports success when it is asked to
}

func strangers() []stranger {
	at := func(name string, net int) lab.Domain {
		return lab.Domain{Name: name, Net: net, Dark: []string{"mx"}}
	}
	return []stranger{
		{domain: at("postfix-clear.example", 230), start: peer.Postfix, clear: true, utf8: true, dsn: true},
		{domain: at("postfix-tls.example", 231), start: peer.Postfix, tls: true, utf8: true, dsn: true},
		{domain: at("exim-clear.example", 232), start: peer.Exim, clear: true, utf8: true, dsn: true},
		{domain: at("exim-tls.example", 233), start: peer.Exim, tls: true, utf8: true, dsn: true},
		{domain: at("opensmtpd-clear.example", 234), start: peer.OpenSMTPD, clear: true},
		{domain: at("opensmtpd-tls.example", 235), start: peer.OpenSMTPD}, // as a client only
	}
}

// zone takes back the promise of TLS of a domain whose server has none.
func (s stranger) zone() string {
	if s.tls {
		return ""
	}
	return fmt.Sprintf(";lab without _25._tcp.%s. TLSA\n;lab without _mta-sts.%s. TXT\n", s.domain.Host(), s.domain.Name)
}

// Mail goes both ways between our server and those that most of the Internet runs,
// and comes out as it went in.
func TestInteroperation(t *testing.T) {
	var o lab.Options
	for _, s := range strangers() {
		o.Domains = append(o.Domains, s.domain)
		if z := s.zone(); z != "" {
			o.Zones = append(o.Zones, z)
		}
	}
	v := settle(t, "", o)
	if _, err := v.home.server.accounts.Create(t.Context(), account.New{Address: umlaut, Password: v.home.password}); err != nil {
		t.Fatal(err)
	}
	t.Run("servers", func(t *testing.T) {
		for _, s := range strangers() {
			t.Run(s.domain.Name, func(t *testing.T) {
				t.Parallel()
				p := v.welcome(t, s)
				t.Run("out", func(t *testing.T) { v.exports(t, s, p) })
				t.Run("in", func(t *testing.T) { v.imports(t, s, p) })
			})
		}
	})
	t.Run("clients", func(t *testing.T) {
		for name, send := range map[string]func(*testing.T, letter, string, string){
			"swaks": v.bySwaks, "smtplib": v.bySmtplib, "go-smtp": v.byGoSMTP,
		} {
			t.Run(name, func(t *testing.T) { v.submits(t, name, send) })
		}
	})
}

// welcome starts a stranger where the lab expects it; what it has for others comes to us.
func (v village) welcome(t *testing.T, s stranger) *peer.Peer {
	port := v.File().Ports[25]
	o := peer.Options{
		Address: netip.AddrFrom4([4]byte{127, 10, byte(s.domain.Net), 10}), Port: port, Hostname: s.domain.Host(), Domains: []string{s.domain.Name},
		Users: []string{"user", "postmaster"}, OpenRelay: true, NextHop: netip.AddrPortFrom(v.home.settings.Addresses[0], port), Clear: s.clear,
	}
	if s.utf8 {
		o.Users = append(o.Users, "käthe")
	}
	if s.tls {
		o.CertFile, o.KeyFile = certificateOf(t, v.Lab, s.domain.Host())
	}
	if s.dsn && strings.HasPrefix(s.domain.Name, "exim") {
		o.Extra = append(o.Extra, "dsn_advertise_hosts = *")
	}
	return s.start(t, o)
}

// login is a session of anna's on port 465.
func (v village) login(t *testing.T) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(t.Context(), v.world, v.home.address(465), smtp.ClientOptions{Name: "laptop.example"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	l := letter{user: v.home.settings.Admin.String(), pass: v.home.password}
	if err := l.secure(t.Context(), c, v.world); err != nil {
		t.Fatal(err)
	}
	if reply, err := l.login(t.Context(), c); err != nil || !reply.IsPositive() {
		t.Fatal(reply, err)
	}
	return c
}

// mustSend sends one message and wants it taken.
func mustSend(t *testing.T, c *smtp.Client, e smtp.Envelope, text string) {
	t.Helper()
	fates, err := c.Send(t.Context(), e, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, fate := range fates {
		if !fate.Reply.IsPositive() {
			t.Fatalf("at %s: %s\n%s", fate.At, fate.Reply, c.Transcript())
		}
	}
}

// exports has anna write to a stranger.
func (v village) exports(t *testing.T, s stranger, p *peer.Peer) {
	anna, c := v.home.settings.Admin, v.login(t)
	to := mail.MustParseAddress("user@" + s.domain.Name)
	plain := cargo(anna.String(), to.String(), "eight bits for "+s.domain.Name)
	e := smtp.Envelope{From: anna, Options: smtp.MailOptions{Body: smtp.Body8BitMIME}, To: []smtp.Recipient{{Address: to}}}
	want := []string{plain}
	if s.dsn {
		e.Options.Return, e.Options.EnvelopeID = "HDRS", "envelope-1"
		e.To[0].Options = smtp.RcptOptions{Notify: []string{"SUCCESS", "FAILURE"}, Original: "rfc822;first@" + s.domain.Name}
	}
	mustSend(t, c, e, plain)
	if s.utf8 {
		käthe := mail.Address{Local: "käthe", Domain: mail.MustParseDomain(s.domain.Name)}
		text := cargo(anna.String(), käthe.String(), "Überraschung für "+s.domain.Name)
		mustSend(t, c, smtp.Envelope{From: anna, Options: smtp.MailOptions{SMTPUTF8: true, Body: smtp.Body8BitMIME}, To: []smtp.Recipient{{Address: käthe}}}, text)
		want = append(want, text)
	}
	came := p.AwaitMessages(t, len(want))
	for _, text := range want {
		if !someEndWith(came, unixLines(text)) {
			t.Errorf("not among what came:\n%s\n-- came:\n%s", text, strings.Join(came, "\n--\n"))
		}
	}
	if secured := strings.Contains(came[0], "SMTPS id") || strings.Contains(came[0], "esmtps") || strings.Contains(came[0], "using TLS"); secured != s.tls {
		t.Errorf("over TLS: %t\n%.1500s", secured, came[0])
	}
	if s.dsn {
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(p.Log())
			}
		})
		report := v.awaitText(t, anna, "Original-Recipient: rfc822;first@"+s.domain.Name)
		for _, field := range []string{"Original-Envelope-Id: envelope-1", "Action: delivered"} {
			if !strings.Contains(strings.ToLower(report), strings.ToLower(field)) {
				t.Errorf("no %q in the report:\n%s", field, report)
			}
		}
	}
}

func someEndWith(messages []string, text string) bool {
	for _, m := range messages {
		if strings.HasSuffix(strings.TrimRight(m, "\n"), strings.TrimRight(text, "\n")) {
			return true
		}
	}
	return false
}

// imports hands messages for us to a stranger, by DATA or BDAT as it likes best.
func (v village) imports(t *testing.T, s stranger, p *peer.Peer) {
	c, err := smtp.Dial(t.Context(), machineWorld(), p.Addr, smtp.ClientOptions{Name: "client.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, say := range []func(context.Context) (mail.Reply, error){c.Greet, c.Hello} {
		if reply, err := say(t.Context()); err != nil || !reply.IsPositive() {
			t.Fatal(reply, err)
		}
	}
	from, anna := mail.MustParseAddress("user@"+s.domain.Name), v.home.settings.Admin
	chunks := c.Extensions().Has("CHUNKING")
	text := cargo(from.String(), anna.String(), "eight bits from "+s.domain.Name)
	mustSend(t, c, smtp.Envelope{From: from, Options: smtp.MailOptions{Body: smtp.Body8BitMIME}, To: []smtp.Recipient{{Address: anna}}, Chunks: chunks}, text)
	v.arrivesWhole(t, s, p, anna, text, "eight bits from "+s.domain.Name)
	if s.utf8 {
		text := cargo(from.String(), umlaut.String(), "Überraschung von "+s.domain.Name)
		mustSend(t, c, smtp.Envelope{From: from, Options: smtp.MailOptions{SMTPUTF8: true, Body: smtp.Body8BitMIME}, To: []smtp.Recipient{{Address: umlaut}}, Chunks: chunks}, text)
		v.arrivesWhole(t, s, p, umlaut, text, "Überraschung von "+s.domain.Name)
	}
}

func (v village) arrivesWhole(t *testing.T, s stranger, p *peer.Peer, to mail.Address, text, subject string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.Log())
		}
	})
	got := v.awaitText(t, to, "Subject: "+subject)
	if !strings.HasSuffix(got, text) {
		t.Errorf("came as\n%s\nwant at its end\n%s", got, text)
	}
	if secured := strings.Contains(got, "with ESMTPS") || strings.Contains(got, "with UTF8SMTPS"); secured == s.clear {
		t.Errorf("over TLS: %t\n%.1500s", secured, got)
	}
}

// awaitText waits for a message that contains a text in an inbox of ours.
func (v village) awaitText(t *testing.T, to mail.Address, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), interopTime)
	defer cancel()
	a, err := v.home.server.accounts.Get(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	watch := v.home.server.store.Watch(mailbox.Topic(int64(a.ID)))
	defer watch.Close()
	for {
		all := v.inbox(t, a.ID)
		for _, m := range all {
			if strings.Contains(m, text) {
				return m
			}
		}
		select {
		case <-watch.C():
		case <-ctx.Done():
			t.Fatalf("%q came not to %s, among %d messages", text, to, len(all))
		}
	}
}

// inbox reads all messages of an inbox of ours.
func (v village) inbox(t *testing.T, id account.ID) (texts []string) {
	t.Helper()
	st := v.home.server.store
	var all []mailbox.Message
	err := st.Read(t.Context(), func(tx *store.Tx) error {
		folder, err := mailbox.FolderOf(tx, int64(id), mailbox.Inbox)
		if err != nil {
			return err
		}
		all, err = mailbox.Messages(tx, folder.ID, 0, 1<<20)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		body, err := st.OpenBody(t.Context(), m.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// submits has a program of others log in and write to eve, by both ways in.
func (v village) submits(t *testing.T, name string, send func(t *testing.T, l letter, caFile, text string)) {
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, []byte(v.File().Roots), 0o600); err != nil {
		t.Fatal(err)
	}
	anna, eve := v.home.settings.Admin, mail.MustParseAddress("eve@evergreen.example")
	for _, port := range []uint16{465, 587} {
		subject := fmt.Sprintf("%s on %d", name, port)
		text := cargo(anna.String(), eve.String(), subject)
		at := netip.AddrPortFrom(v.home.settings.Addresses[0], v.File().Ports[port])
		send(t, letter{at: at, user: anna.String(), pass: v.home.password, sender: anna.String(), to: eve.String(), subject: subject}, caFile, text)
		got := v.awaitText(t, eve, "Subject: "+subject)
		if !strings.HasSuffix(got, text) {
			t.Errorf("came as\n%s\nwant at its end\n%s", got, text)
		}
		if !strings.Contains(got, "with ESMTPSA") && !strings.Contains(got, "with UTF8SMTPSA") {
			t.Errorf("not by a login over TLS:\n%s", got)
		}
	}
}

// implicit reports whether TLS comes first.
func (v village) implicit(l letter) bool { return l.at.Port() == v.File().Ports[465] }

func (v village) bySwaks(t *testing.T, l letter, caFile, text string) {
	file := filepath.Join(t.TempDir(), "message.eml")
	if err := os.WriteFile(file, []byte(strings.TrimSuffix(unixLines(text), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	secure := "--tls"
	if v.implicit(l) {
		secure = "--tls-on-connect"
	}
	foreign(t, "", "swaks", "--server", l.at.Addr().String(), "--port", strconv.Itoa(int(l.at.Port())), "--helo", "laptop.example", secure,
		"--tls-ca-path", caFile, "--tls-sni", "mx.allgreen.example", "--auth", "PLAIN", "--auth-user", l.user, "--auth-password", l.pass,
		"--from", l.sender, "--to", l.to, "--data", "@"+file, "--timeout", "20s", "--hide-all")
}

const smtplibScript = `
import smtplib, ssl, sys
host, port, implicit, ca, user, password, to = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
if implicit == "true":
    s = smtplib.SMTP_SSL(host, int(port), local_hostname="laptop.example", timeout=20, context=context)
else:
    s = smtplib.SMTP(host, int(port), local_hostname="laptop.example", timeout=20)
    s.starttls(context=context)
s.login(user, password)
refused = s.sendmail(user, [to], sys.stdin.buffer.read(), mail_options=["BODY=8BITMIME"])
assert not refused, refused
s.quit()
`

func (v village) bySmtplib(t *testing.T, l letter, caFile, text string) {
	foreign(t, text, "python3", "-c", smtplibScript, l.at.Addr().String(), strconv.Itoa(int(l.at.Port())), strconv.FormatBool(v.implicit(l)), caFile, l.user, l.pass, l.to)
}

// foreign runs a program of somebody else's, which must succeed.
func foreign(t *testing.T, in, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), interopTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %s\n%s", name, err, out)
	}
}

// plainLogin is AUTH PLAIN (RFC 4616) as go-smtp wants it.
type plainLogin letter

func (l plainLogin) Start() (string, []byte, error) {
	return "PLAIN", []byte("\x00" + l.user + "\x00" + l.pass), nil
}

func (plainLogin) Next([]byte) ([]byte, error) {
	return nil, fmt.Errorf("there is nothing more to say")
}

func (v village) byGoSMTP(t *testing.T, l letter, _, text string) {
	config := &tls.Config{ServerName: "mx.allgreen.example", RootCAs: v.world.Roots}
	dial := gosmtp.DialStartTLS
	if v.implicit(l) {
		dial = gosmtp.DialTLS
	}
	c, err := dial(l.at.String(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(plainLogin(l)); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(l.sender, &gosmtp.MailOptions{Body: gosmtp.Body8BitMIME, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(l.to, &gosmtp.RcptOptions{Notify: []gosmtp.DSNNotify{gosmtp.DSNNotifyFailure}}); err != nil {
		t.Fatal(err)
	}
	body, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(body, text); err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}

// With one line of configuration Dovecot keeps the mailboxes: it gets each message
// whole, and what it refuses is refused while the sender is still there.
func TestInteroperationDovecot(t *testing.T) {
	p := peer.Dovecot(t, peer.Options{Domains: []string{"allgreen.example"}, Users: []string{"anna"}, Hostname: "store.allgreen.example"})
	v := settle(t, fmt.Sprintf("[receive]\nlmtp = \"unix:%s\"\n", p.Socket()), lab.Options{Bare: true})
	if _, err := v.home.server.accounts.Create(t.Context(), account.New{Address: umlaut, Password: v.home.password}); err != nil {
		t.Fatal(err)
	}
	anna := v.home.settings.Admin
	c := v.session(t)
	for i := range 2 {
		text := cargo("postmaster@green.example", anna.String(), fmt.Sprintf("Überraschung %d", i))
		e := smtp.Envelope{To: []smtp.Recipient{{Address: anna}}, Options: smtp.MailOptions{Body: smtp.Body8BitMIME, SMTPUTF8: true}, Chunks: i == 1}
		mustSend(t, c, e, text)
		if came := p.AwaitMessages(t, i+1); !someEndWith(came, unixLines(text)) {
			t.Errorf("not among what came:\n%s\n-- came:\n%s", text, strings.Join(came, "\n--\n"))
		}
	}
	eve := mail.MustParseAddress("eve@evergreen.example")
	for to, want := range map[mail.Address]string{eve: "550 5.1.1 ", umlaut: "550 5.6.7 "} { // Dovecot lacks the one, and words for the other
		e := smtp.Envelope{To: []smtp.Recipient{{Address: to}}, Options: smtp.MailOptions{SMTPUTF8: true}}
		fates, err := c.Send(t.Context(), e, strings.NewReader(cargo("postmaster@green.example", to.String(), "for nobody")))
		if err != nil || !strings.HasPrefix(fates[0].Reply.String(), want) {
			t.Errorf("for %s: %s, %v", to, fates[0].Reply, err)
		}
	}
	a, err := v.home.server.accounts.Get(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(v.inbox(t, a.ID)); n != 0 {
		t.Errorf("%d messages are in our own store", n)
	}
	p.Stop()
	fates, err := c.Send(t.Context(), smtp.Envelope{To: []smtp.Recipient{{Address: anna}}}, strings.NewReader(cargo("postmaster@green.example", anna.String(), "too late")))
	if err != nil || fates[0].Reply.Code != 451 {
		t.Errorf("while Dovecot is gone: %s, %v", fates[0].Reply, err)
	}
}
