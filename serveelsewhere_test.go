package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/smtp"
)

// smarthost takes everything from one login, and keeps it.
type smarthost struct {
	password string

	mu    sync.Mutex
	taken []string // "recipient: message"
	came  chan struct{}
}

type smarthostSession struct {
	host *smarthost
	in   bool
	to   []mail.Address
}

func (s *smarthostSession) Hello(context.Context, smtp.Peer) mail.Reply { return mail.Reply{} }

func (s *smarthostSession) Plain(_ context.Context, _, user, password string) mail.Reply {
	if user != "us" || password != s.host.password {
		return mail.NewReply(535, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 8}, "no")
	}
	s.in = true
	return mail.Reply{}
}

func (s *smarthostSession) SCRAM(context.Context, string) (smtp.ScramKeys, mail.Reply) {
	return smtp.ScramKeys{}, mail.NewReply(535, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 8}, "no")
}

func (s *smarthostSession) Authenticated(context.Context, string, string) mail.Reply {
	return mail.NewReply(535, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 8}, "no")
}

func (s *smarthostSession) Mail(context.Context, mail.Address, smtp.MailOptions) mail.Reply {
	if !s.in {
		return mail.NewReply(530, mail.EnhancedCode{Class: 5, Subject: 7}, "log in first")
	}
	return mail.Reply{}
}

func (s *smarthostSession) Rcpt(_ context.Context, to mail.Address, _ smtp.RcptOptions) mail.Reply {
	s.to = append(s.to, to)
	return mail.Reply{}
}

func (s *smarthostSession) Data(_ context.Context, body io.Reader) []mail.Reply {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	for _, to := range s.to {
		s.host.taken = append(s.host.taken, to.String()+": "+string(text))
	}
	s.host.came <- struct{}{}
	return nil
}

func (s *smarthostSession) Reset() { s.to = nil }
func (s *smarthostSession) Close() {}

// All mail goes to the smarthost, after a login over TLS with its name; where it refuses
// the login, the administrator has a message about that.
func TestServeThroughSmarthost(t *testing.T) {
	smart := lab.Domain{Name: "smart.example", Net: 232, Dark: []string{"mx"}}
	v := settle(t, fmt.Sprintf("[deliver.smarthost]\nhost = %q\nuser = \"us\"\npassword = \"wrong\"\n", smart.Host()), lab.Options{Domains: []lab.Domain{smart}})
	taker := &smarthost{password: "right", came: make(chan struct{}, 10)}
	cert, err := v.Certificate(ca.Good, smart.Host())
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.ServerOptions{
		Name: mail.MustParseDomain(smart.Host()), Submission: true, TLS: &tls.Config{Certificates: []tls.Certificate{*cert}},
		Open: func(context.Context, smtp.Peer) (smtp.Session, mail.Reply) {
			return &smarthostSession{host: taker}, mail.Reply{}
		},
	})
	l, err := v.world.Listen(t.Context(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 10, byte(smart.Net), 10}), 587))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.WithoutCancel(t.Context()), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
	})

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	anna := v.home.settings.Admin
	out := letter{at: v.home.address(465), helo: "laptop.example", user: anna.String(), pass: v.home.password, sender: anna.String(), author: anna.String(), to: "friend@nowhere.example", subject: "out"}
	if reply, err := out.post(ctx, v.world); err != nil || !reply.IsPositive() {
		t.Fatalf("submission: %s, %v", reply, err)
	}
	if _, err := v.home.arrived(ctx, anna, mailbox.Inbox, "[mx.allgreen.example] smarthost-login: "+smart.Host()); err != nil {
		t.Error(err)
	}
	v.rewrite(t, homeConfig+fmt.Sprintf("[deliver.smarthost]\nhost = %q\nuser = \"us\"\npassword = \"right\"\n", smart.Host()))
	if got := allgreen(t, "", "serve", "--reload", "--lab"); got.code != 0 {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if got := allgreen(t, "", "queue", "retry", "--all", "--lab"); got.code != 0 {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
	}
	select {
	case <-taker.came:
	case <-ctx.Done():
		t.Fatal("the smarthost has got nothing")
	}
	taker.mu.Lock()
	defer taker.mu.Unlock()
	if len(taker.taken) != 1 || !strings.HasPrefix(taker.taken[0], "friend@nowhere.example: ") || !strings.Contains(taker.taken[0], "DKIM-Signature") {
		t.Errorf("it has %q", taker.taken)
	}
}

// Large bodies lie in a bucket, come from there into the mailbox, and go from there to
// others.
func TestServeWithBucket(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("mail"); err != nil {
		t.Fatal(err)
	}
	bucket := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(bucket.Close)
	v := settle(t, fmt.Sprintf("[store.s3]\nendpoint = %q\nbucket = \"mail\"\nregion = \"us-east-1\"\nprefix = \"bodies/\"\naccess_key = \"key\"\nsecret_key = \"secret\"\nplaintext = true\n",
		strings.TrimPrefix(bucket.URL, "http://")), lab.Options{})
	anna := v.home.settings.Admin.String()
	c, err := smtp.Dial(t.Context(), v.world, v.home.address(465), smtp.ClientOptions{Name: "laptop.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l := letter{at: v.home.address(465), user: anna, pass: v.home.password}
	if err := l.secure(t.Context(), c, v.world); err != nil {
		t.Fatal(err)
	}
	large := fmt.Sprintf("From: %[1]s\r\nTo: %[1]s, alice@green.example\r\nSubject: large\r\nDate: %s\r\nMessage-ID: <large@allgreen.example>\r\n\r\n", anna, time.Now().Format(time.RFC1123Z)) +
		strings.Repeat("a line of a large message\r\n", 20000)
	for _, say := range []func() (mail.Reply, error){
		func() (mail.Reply, error) { return l.login(t.Context(), c) },
		func() (mail.Reply, error) {
			return c.Mail(t.Context(), v.home.settings.Admin, smtp.MailOptions{})
		},
		func() (mail.Reply, error) {
			return c.Rcpt(t.Context(), v.home.settings.Admin, smtp.RcptOptions{})
		},
		func() (mail.Reply, error) {
			return c.Rcpt(t.Context(), mail.MustParseAddress("alice@green.example"), smtp.RcptOptions{})
		},
		func() (mail.Reply, error) { return c.Data(t.Context(), strings.NewReader(large)) },
	} {
		if reply, err := say(); err != nil || !reply.IsPositive() {
			t.Fatalf("%s, %v", reply, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := v.home.arrived(ctx, v.home.settings.Admin, mailbox.Inbox, "large"); err != nil {
		t.Error(err)
	}
	got, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: large") })
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got.Data), "a line of a large message\r\n"); n != 20000 {
		t.Errorf("%d of 20000 lines went out", n)
	}
	list, err := backend.ListBucket("mail", nil, gofakes3.ListBucketPage{})
	if err != nil || len(list.Contents) != 1 {
		t.Errorf("%d objects in the bucket, %v", len(list.Contents), err)
	}
}

// A sender that is put on hold by itself is reported to the administrator, with the
// command that frees it; the mail waits until that is given.
func TestServeAlertsOfHeld(t *testing.T) {
	v := settle(t, "", lab.Options{})
	eve := mail.Address{Local: "eve", Domain: v.home.settings.Domains[1]}
	v.home.server.noteRefused(t.Context(), eve.String(), 50)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	header, err := v.home.arrived(ctx, v.home.settings.Admin, mailbox.Inbox, "[mx.allgreen.example] "+eve.String()+" is on hold")
	if err != nil {
		t.Fatal(err)
	}
	if header.Value("Auto-Submitted") != "auto-generated" {
		t.Errorf("the alert is no automatic message: %v", header.Fields)
	}
	out := letter{at: v.home.address(465), helo: "laptop.example", user: eve.String(), pass: v.home.password, sender: eve.String(), author: eve.String(), to: "alice@green.example", subject: "held"}
	if reply, err := out.post(ctx, v.world); err != nil || !reply.IsPositive() {
		t.Fatalf("submission: %s, %v", reply, err)
	}
	if got := allgreen(t, "", "queue", "list", "--state", "held", "--lab"); !strings.Contains(got.out, "alice@green.example") {
		t.Errorf("it does not wait: %s%s", got.out, got.err)
	}
	if got := allgreen(t, "", "account", "free", eve.String(), "--lab"); got.code != 0 {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if _, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: held") }); err != nil {
		t.Error(err)
	}
}
