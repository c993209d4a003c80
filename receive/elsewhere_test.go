package receive_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// otherStore is an LMTP server in memory: a Session, a Network that leads to it, and
// what it took.
type otherStore struct {
	in     *pipes
	server *smtp.Server

	mu     sync.Mutex
	taken  []string          // "recipient: body"
	answer map[string]string // reply to RCPT, by local part
	atData mail.Reply
	down   bool
	leaves int // so often MAIL is told 421
	conns  []net.Conn
}

func newOtherStore(t *testing.T) *otherStore {
	o := &otherStore{in: newPipes(), answer: map[string]string{}}
	o.server = smtp.NewServer(smtp.ServerOptions{Name: mail.MustParseDomain("store.example"), LMTP: true,
		Open: func(context.Context, smtp.Peer) (smtp.Session, mail.Reply) { return &otherSession{o: o}, mail.Reply{} }})
	served := make(chan error, 1)
	go func() { served <- o.server.Serve(context.Background(), o.in) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = o.server.Shutdown(ctx) // it may have to cut what idles
		<-served
	})
	return o
}

// DialContext is the Network of a world in which there is nothing else.
func (o *otherStore) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down || network != "unix" || address != "/run/other/lmtp" {
		return nil, errors.New("nobody listens there")
	}
	ours, theirs := net.Pipe()
	o.conns = append(o.conns, ours)
	o.in.conns <- &pipe{Conn: theirs, remote: o.in.Addr(), local: o.in.Addr()}
	return ours, nil
}

func (o *otherStore) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, errors.New("not in this world")
}

// hangUp closes all connections, as a store does that restarts.
func (o *otherStore) hangUp() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.conns)
	for _, c := range o.conns {
		c.Close()
	}
	o.conns = nil
	return n
}

func (o *otherStore) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

type otherSession struct {
	o  *otherStore
	to []string
}

func (s *otherSession) Hello(context.Context, smtp.Peer) mail.Reply { return mail.Reply{} }
func (s *otherSession) Mail(context.Context, mail.Address, smtp.MailOptions) mail.Reply {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if s.o.leaves > 0 {
		s.o.leaves--
		return mail.NewReply(421, mail.EnhancedCode{Class: 4, Subject: 3, Detail: 2}, "shutting down")
	}
	return mail.Reply{}
}
func (s *otherSession) Rcpt(_ context.Context, to mail.Address, _ smtp.RcptOptions) mail.Reply {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if text := s.o.answer[to.Local]; text != "" {
		reply, _ := mail.ParseReply([]string{text})
		return reply
	}
	s.to = append(s.to, to.String())
	return mail.Reply{}
}
func (s *otherSession) Data(_ context.Context, body io.Reader) []mail.Reply {
	text, err := io.ReadAll(body)
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if err != nil || !s.o.atData.IsZero() {
		return []mail.Reply{s.o.atData}
	}
	for _, to := range s.to {
		s.o.taken = append(s.o.taken, to+": "+string(text))
	}
	return nil
}
func (s *otherSession) Reset() { s.to = nil }
func (s *otherSession) Close() {}

func TestElsewhere(t *testing.T) {
	o := newOtherStore(t)
	h := newHouse(t, storetest.Open(t, schemas...), func(ro *receive.Options) {
		ro.World.Network = o
		ro.LMTP = &receive.Elsewhere{Socket: "/run/other/lmtp"}
	}, smtp.ServerOptions{})
	p := &player{t: t, h: h}
	run := func(lines string) {
		t.Helper()
		for line := range strings.Lines(lines) {
			verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			if verb == "" {
				continue
			}
			if err := p.step(verb, rest); err != nil {
				t.Fatalf("%s: %s", line, err)
			}
		}
	}
	const message = "C: From: joe@sender.example\nC: Date: Sat, 21 Nov 2026 11:59:00 +0000\nC: Subject: hi\nC: \nC: ..dot\nC: .\n"
	const toAnna = "C: MAIL FROM:<joe@sender.example>\nS: 250\nC: RCPT TO:<anna+work@ours.example>\nS: 250\n"
	run("from 192.0.2.1\nC: EHLO mail.sender.example\nS: 250\n" + toAnna +
		"C: RCPT TO:<bob@ours.example>\nS: 452 4.5.3 [recipient.alone]\nC: DATA\nS: 354\n" + message + "S: 250\nbox anna inbox 0\njournal delivered\n")
	if len(o.taken) != 1 || !strings.HasPrefix(o.taken[0], "anna+work@ours.example: Return-Path: <joe@sender.example>\r\nDelivered-To:") || !strings.HasSuffix(o.taken[0], "\r\n.dot\r\n") {
		t.Fatalf("the other store has %q", o.taken)
	}

	if n := o.hangUp(); n != 1 { // it hangs up while nobody needs it
		t.Errorf("%d connections", n)
	}
	run(toAnna + "C: DATA\nS: 354\n" + message + "S: 250\n")
	o.set(func() { o.leaves = 1 }) // it says so, and is there again
	run(toAnna + "C: DATA\nS: 354\n" + message + "S: 250\n")
	o.set(func() { o.leaves = 2 })
	run(toAnna + "C: DATA\nS: 354\n" + message + "S: 451\n")
	run("C: MAIL FROM:<j\u00f6rg@sender.example> SMTPUTF8\nS: 250\nC: RCPT TO:<anna@ours.example>\nS: 250\nC: DATA\nS: 354\n" + message + "S: 250\n")
	o.set(func() { o.answer["anna+work"] = "550 5.1.1 gone" })
	run(toAnna + "C: DATA\nS: 354\n" + message + "S: 550 5.1.1 gone\n")
	o.set(func() {
		o.answer["anna+work"], o.atData = "", mail.NewReply(452, mail.EnhancedCode{Class: 4, Subject: 2, Detail: 2}, "full")
	})
	run(toAnna + "C: DATA\nS: 354\n" + message + "S: 452 4.2.2 full\n")
	o.set(func() { o.atData, o.down = mail.Reply{}, true })
	o.hangUp()
	run(toAnna + "C: DATA\nS: 354\n" + message + "S: 451\n")
	if len(o.taken) != 4 || len(h.box("anna", mailbox.Inbox)) != 0 {
		t.Errorf("%d taken elsewhere, %d here", len(o.taken), len(h.box("anna", mailbox.Inbox)))
	}
	o.set(func() { o.down = false })
	run("C: MAIL FROM:<joe@sender.example>\nS: 250\nC: RCPT TO:<both@ours.example>\nS: 250\nC: DATA\nS: 354\n" + message + "S: 250\nqueue 1 away@else.example\nC: QUIT\nS: 221\njournal temp-refused elsewhere\njournal refused elsewhere.refused\n")
	p.conn.Close()
}

// TestElsewhereFromAFront: what the other store refuses to one recipient is said of that
// one, and the others, who have the message, do not get it again.
func TestElsewhereFromAFront(t *testing.T) {
	o := newOtherStore(t)
	o.answer["bob"] = "550 5.1.1 gone"
	h := newHouse(t, storetest.Open(t, schemas...), func(ro *receive.Options) {
		ro.World.Network = o
		ro.LMTP = &receive.Elsewhere{Socket: "/run/other/lmtp"}
	}, smtp.ServerOptions{LMTP: true})
	p := &player{t: t, h: h}
	for line := range strings.Lines(`from 127.0.0.1
C: LHLO front.ours.example
S: 250
C: MAIL FROM:<joe@sender.example>
S: 250
C: RCPT TO:<anna@ours.example>
S: 250
C: RCPT TO:<bob@ours.example>
S: 250
C: RCPT TO:<carl@ours.example>
S: 250
C: DATA
S: 354
C: From: joe@sender.example
C: 
C: hello
C: .
S: 250
S: 550 5.1.1 gone
S: 250
C: QUIT
S: 221
journal refused elsewhere.refused
`) {
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if err := p.step(verb, rest); err != nil {
			t.Fatalf("%s: %s", line, err)
		}
	}
	if len(o.taken) != 2 || !strings.HasPrefix(o.taken[0], "anna@") || !strings.HasPrefix(o.taken[1], "carl@") {
		t.Errorf("the other store has %q", o.taken)
	}
}

func TestParseElsewhere(t *testing.T) {
	for in, want := range map[string]string{
		"/run/dovecot/lmtp": "/run/dovecot/lmtp", "unix:/run/dovecot/lmtp": "/run/dovecot/lmtp", "127.0.0.1:24": "127.0.0.1:24", "[::1]:24": "[::1]:24",
		"dovecot": "", "unix:lmtp": "", "localhost:24": "", "": "",
	} {
		e, err := receive.ParseElsewhere(in)
		if want == "" != errors.Is(err, receive.ErrElsewhere) || err == nil && e.String() != want {
			t.Errorf("ParseElsewhere(%q) = %v, %v", in, e, err)
		}
	}
}
