package deliver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/report"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

func TestDelivers(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		one, two := p.server("one.example"), p.server("two.example")
		id := p.put("a@one.example b@one.example c@two.example")
		p.run()
		p.event(id, journal.Sent, 3)
		p.empty()
		got := one.took()
		if len(got) != 1 || len(got[0].rcpt) != 2 || got[0].data != "Subject: hello\r\nMessage-ID: <1@example.com>\r\n\r\nbody\r\n" ||
			!strings.HasPrefix(got[0].mail, "MAIL FROM:<anna@example.com> SIZE=") {
			t.Errorf("one.example took %+v", got)
		}
		if got := two.took(); len(got) != 1 {
			t.Errorf("two.example took %+v", got)
		}
		if hello := one.heard("EHLO"); len(hello) != 1 || hello[0] != "EHLO mx.example.com" {
			t.Errorf("greeted with %q", hello)
		}
		if len(p.mailbox.reports) > 0 {
			t.Errorf("reported although nobody asked: %+v", p.mailbox.reports)
		}
	})
}

// TestAnswers: each recipient for itself, the refused reported, the others kept.
func TestAnswers(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		s := p.server("one.example")
		s.script("RCPT TO:<gone@", "550 5.1.1 no such user")
		s.script("RCPT TO:<busy@", "450 4.2.1 try later")
		id := p.put("ok@one.example gone@one.example busy@one.example")
		p.run()
		e := p.event(id, journal.Bounced, 1)
		if e.To != "gone@one.example" || e.Fields["reply"] != "550 5.1.1 no such user" {
			t.Errorf("journal: %+v", e)
		}
		dsn := p.report(1)
		r := dsn.Recipients[0]
		if len(dsn.Recipients) != 1 || r.Final.String() != "gone@one.example" || r.Action != report.Failed || r.Status.String() != "5.1.1" ||
			!strings.HasPrefix(r.RemoteMTA, "mx.one.example") || r.Diagnostic != "550 5.1.1 no such user" || dsn.OriginalID != "1@example.com" {
			t.Errorf("report: %+v", dsn)
		}
		if p.mailbox.owners[0] != 7 || dsn.To.String() != "anna@example.com" {
			t.Errorf("report for %d, %s", p.mailbox.owners[0], dsn.To)
		}
		why := p.why(id)
		if want := "mx.one.example [127.0.1.11] said 450 4.2.1 try later"; why.LastReply != want || len(why.Job.Recipients) != 1 ||
			why.Job.Attempts != 1 || !strings.Contains(why.Transcript, "C: RCPT TO:<busy@one.example>") {
			t.Errorf("why: %+v", why)
		}
		if wait := why.Next.Sub(start); wait < 40*time.Second || wait > 80*time.Second {
			t.Errorf("the second attempt is after %s", wait)
		}
		s.script("RCPT TO:<busy@", "")
		p.retry()
		p.empty()
		if got := s.took(); len(got) != 2 || len(got[0].rcpt) != 1 || len(got[1].rcpt) != 1 {
			t.Errorf("took %+v", got)
		}
	})
}

// TestTellsWhoIsRefused: what an origin sends to nobody is counted against it, what is
// only put off is not.
func TestTellsWhoIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		told := make(chan int, 1)
		p.options.Refused = func(_ context.Context, origin string, n int) {
			if origin == "" {
				t.Error("nobody's")
			}
			told <- n
		}
		s := p.server("one.example")
		s.script("RCPT TO:<gone", "550 5.1.1 no such user")
		s.script("RCPT TO:<busy@", "450 4.2.1 try later")
		p.put("ok@one.example gone1@one.example gone2@one.example busy@one.example")
		p.run()
		if n := <-told; n != 2 {
			t.Errorf("%d recipients refused, want 2", n)
		}
	})
}

// TestNowhere: what cannot be delivered at all fails at once, in words that tell why.
func TestNowhere(t *testing.T) {
	p := one(t)
	p.zone.add(t, `
null.example. MX 0 .
nodata.example. TXT "x"
nohost.example. MX 10 mx.nohost.example.
private.example. MX 10 mx.private.example.
mx.private.example. A 10.1.2.3
self.example. MX 10 mx.example.com.
mx.example.com. A 127.0.1.9
behind.example. MX 10 mx.example.com.
behind.example. MX 20 mx.other.example.
mx.other.example. A 127.0.1.10
broken.example. MX 10 mx.broken.example.
`)
	p.zone.fail["mx.broken.example. A"] = world.ErrTemporary
	p.zone.fail["temporary.example. MX"] = world.ErrTemporary
	p.run()
	for _, tt := range []struct{ domain, status, text string }{
		{"null.example", "5.1.10", "takes no mail"},
		{"nobody.example", "5.1.2", "does not exist"},
		{"nodata.example", "5.4.4", "no mail server"},
		{"nohost.example", "5.4.4", "has no address"},
		{"private.example", "5.4.4", "not on the Internet"},
		{"self.example", "5.4.6", "this server itself"},
		{"behind.example", "5.4.6", "this server itself"},
	} {
		n := len(p.mailbox.reports) + 1
		id := p.put("a@" + tt.domain)
		e := p.event(id, journal.Bounced, 1)
		dsn := p.report(n)
		if got := dsn.Recipients[0].Status.String(); got != tt.status || !strings.Contains(e.Fields["reply"], tt.text) {
			t.Errorf("%s: %s, %q", tt.domain, got, e.Fields["reply"])
		}
	}
	for _, domain := range []string{"broken.example", "temporary.example"} {
		id := p.put("a@" + domain)
		if e := p.event(id, journal.Deferred, 1); !strings.Contains(e.Fields["reply"], "could not be found out") {
			t.Errorf("%s: %+v", domain, e)
		}
	}
}

// TestHangs: a server that falls silent in any phase costs a time-out, loses nothing,
// and slows nobody else.
func TestHangs(t *testing.T) {
	for _, phase := range []string{"banner", "EHLO", "STARTTLS", "handshake", "MAIL", "RCPT", "DATA", ".", "QUIT"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			p := one(t)
			p.options.Timeouts.Command, p.options.Timeouts.Data = time.Second, time.Second
			hung := p.server("hung.example", func(s *server) {
				s.hang = phase
				if phase == "STARTTLS" || phase == "handshake" {
					s.tls = certificate(t, "mx.hung.example")
				}
				if phase == "RCPT" || phase == "DATA" {
					s.ext = nil // one after the other
				}
			})
			good := p.server("good.example")
			id := p.put("a@hung.example")
			p.run()
			for range 5 {
				p.put("a@good.example")
			}
			for range 5 {
				select {
				case <-good.arrives:
				case <-time.After(time.Minute):
					t.Fatal("others wait for the one that hangs")
				}
			}
			if phase == "QUIT" || phase == "STARTTLS" || phase == "handshake" {
				p.event(id, journal.Sent, 1) // a QUIT is no part of the message, and TLS nobody demands may fail
				return
			}
			p.event(id, journal.Deferred, 1)
			why := p.why(id)
			if why.Job.State != queue.Waiting || !strings.Contains(why.LastReply, "did not answer in time") || why.Transcript == "" {
				t.Errorf("%+v", why)
			}
			if twice := strings.Contains(why.Transcript+why.LastReply, "may arrive twice"); twice != (phase == ".") {
				t.Errorf("it says that the message may arrive twice: %t\n%s", twice, why.LastReply)
			}
			hung.recover()
			p.retry()
			p.event(id, journal.Sent, 1)
		})
	}
}

func TestNobodyListens(t *testing.T) {
	p := one(t)
	p.server("dead.example", func(s *server) { s.hang = "connect" })
	var ids []mail.TraceID
	for range 5 {
		ids = append(ids, p.put("a@dead.example"))
	}
	p.run()
	for _, id := range ids {
		if e := p.event(id, journal.Deferred, 1); !strings.Contains(e.Fields["reply"], "connection refused") {
			t.Errorf("%+v", e)
		}
	}
	lanes := p.d.Lanes()
	if len(lanes) != 1 || lanes[0].Blocked.IsZero() || lanes[0].Limit != 1 {
		t.Errorf("the lane is not blocked: %+v", lanes)
	}
}

// TestSecondHost: a host that does not want us is followed by the next.
func TestSecondHost(t *testing.T) {
	for name, change := range map[string]func(*server){
		"refuses connections": func(s *server) { s.hang = "connect" },
		"421":                 func(s *server) { s.answers["banner"] = "421 too busy" },
		"554":                 func(s *server) { s.answers["banner"] = "554 go away" },
		"hangs up":            func(s *server) { s.cut = "EHLO" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := one(t)
			p.server("first.example", change)
			second := p.server("second.example")
			p.zone.add(t, "both.example. MX 10 mx.first.example.\nboth.example. MX 20 mx.second.example.\n")
			id := p.put("a@both.example")
			p.run()
			p.event(id, journal.Sent, 1)
			if len(second.took()) != 1 {
				t.Error("the second host has nothing")
			}
		})
	}
}

func TestReusesConnections(t *testing.T) {
	p := one(t)
	p.options.Timeouts.Idle = 20 * time.Second // however slow the machine is
	s := p.server("one.example")
	p.putMany("a@one.example", 50)
	p.run()
	p.empty()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) != 50 || s.sessions > 12 {
		t.Errorf("%d messages over %d connections", len(s.messages), s.sessions)
	}
}

// TestServerHangsUpBetweenMessages: the next message goes over a new connection and
// counts no failed attempt.
func TestServerHangsUpBetweenMessages(t *testing.T) {
	p := one(t)
	p.options.Timeouts.Idle = time.Minute
	p.options.Connections = 1
	s := p.server("one.example")
	p.run()
	p.event(p.put("a@one.example"), journal.Sent, 1)
	s.mu.Lock()
	s.once = map[string]string{"MAIL": "421 4.4.2 idle for too long"}
	s.mu.Unlock()
	p.event(p.put("a@one.example"), journal.Sent, 1)
	if n := len(s.heard("MAIL")); n != 3 {
		t.Errorf("MAIL was said %d times, want 3", n)
	}
}

func TestManyRecipients(t *testing.T) {
	p := one(t)
	s := p.server("one.example")
	s.ext = append(s.ext, "LIMITS RCPTMAX=7")
	var to []string
	for i := range 30 {
		to = append(to, fmt.Sprintf("u%d@one.example", i))
	}
	id := p.put(strings.Join(to, " "))
	p.run()
	p.event(id, journal.Sent, 30)
	total := 0
	for _, m := range s.took() {
		total += len(m.rcpt)
		if len(m.rcpt) > 7 {
			t.Errorf("%d recipients at once", len(m.rcpt))
		}
	}
	if total != 30 {
		t.Errorf("%d recipients arrived", total)
	}
}

// TestTooManyRecipients: 452 4.5.3 behind accepted ones asks for another transaction,
// at once.
func TestTooManyRecipients(t *testing.T) {
	p := one(t)
	s := p.server("one.example")
	s.script("RCPT TO:<late@", "452 4.5.3 one at a time")
	id := p.put("first@one.example late@one.example")
	p.run()
	p.event(id, journal.Sent, 1)
	p.wait("another transaction", func() bool { return len(s.heard("MAIL")) >= 2 })
	s.script("RCPT TO:<late@", "")
	p.event(id, journal.Deferred, 1)
	p.retry()
	p.event(id, journal.Sent, 2)
}

func TestParametersAreHonoured(t *testing.T) {
	p := one(t)
	s := p.server("one.example")
	bare := p.server("bare.example", func(s *server) { s.ext = nil })
	change := func(m *queue.Message) {
		m.EightBit, m.Return, m.EnvelopeID = true, "HDRS", "my id"
		m.Recipients[0].Notify, m.Recipients[0].Original = []string{"SUCCESS", "FAILURE"}, "rfc822;orig+2B@example.com"
	}
	p.run()
	p.event(p.put("a@one.example", change), journal.Sent, 1)
	want := []string{"MAIL FROM:<anna@example.com> SIZE=53 BODY=8BITMIME RET=HDRS ENVID=my+20id"}
	if d := cmp.Diff(want, s.heard("MAIL")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"RCPT TO:<a@one.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;orig+2B@example.com"}, s.heard("RCPT")); d != "" {
		t.Error(d)
	}
	if len(p.mailbox.reports) > 0 {
		t.Error("success is reported although the next server does that")
	}
	p.event(p.put("a@bare.example", change), journal.Sent, 1)
	if d := cmp.Diff([]string{"MAIL FROM:<anna@example.com>"}, bare.heard("MAIL")); d != "" {
		t.Error(d)
	}
	dsn := p.report(1)
	if r := dsn.Recipients[0]; r.Action != report.Relayed || r.Status.String() != "2.0.0" || r.Original != "rfc822;orig+@example.com" || dsn.EnvelopeID != "my id" {
		t.Errorf("%+v", dsn)
	}
}

func TestUnfit(t *testing.T) {
	p := one(t)
	p.server("small.example", func(s *server) { s.ext = []string{"SIZE 10"} })
	p.server("ascii.example", func(s *server) { s.ext = nil })
	p.run()
	utf8 := func(m *queue.Message) { m.SMTPUTF8 = true }
	for n, tt := range []struct {
		to, status string
		change     func(*queue.Message)
	}{
		{"a@small.example", "5.3.4", func(*queue.Message) {}},
		{"jürgen@ascii.example", "5.6.7", utf8},
		{"a@ascii.example", "5.7.30", func(m *queue.Message) { m.RequireTLS = true }},
	} {
		id := p.put(tt.to, tt.change)
		p.event(id, journal.Bounced, 1)
		if got := p.report(n + 1).Recipients[0].Status.String(); got != tt.status {
			t.Errorf("%s: %s, want %s", tt.to, got, tt.status)
		}
	}
	p.event(p.put("a@ascii.example", utf8), journal.Sent, 1) // nothing in it needs UTF-8
	id := p.putBody("Subject: grüße\r\n\r\nx\r\n", "a@ascii.example", utf8)
	p.event(id, journal.Bounced, 1)
}

func TestNotifyNever(t *testing.T) {
	p := one(t)
	s := p.server("one.example")
	s.script("RCPT", "550 5.1.1 no")
	p.run()
	p.event(p.put("a@one.example", func(m *queue.Message) { m.Recipients[0].Notify = []string{"NEVER"} }), journal.Bounced, 1)
	p.event(p.put("a@one.example", func(m *queue.Message) { m.From = mail.Address{} }), journal.Bounced, 1)
	p.event(p.put("a@one.example"), journal.Bounced, 1)
	p.report(1)
	if n := len(p.mailbox.reports); n != 1 {
		t.Errorf("%d reports, want one: NEVER and the null reverse-path get none", n)
	}
}

// TestDelayAndExpiry: warned once after four hours, given up after five days.
func TestDelayAndExpiry(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		s := p.server("one.example")
		s.script("RCPT", "451 4.3.0 not now")
		p.run()
		id := p.put("a@one.example")
		p.event(id, journal.Deferred, 1)
		p.clock.add(5 * time.Hour)
		p.retry()
		p.event(id, journal.Deferred, 2)
		r := p.report(1).Recipients[0]
		if r.Action != report.Delayed || !r.RetryUntil.Equal(start.Add(120*time.Hour)) || r.Diagnostic != "451 4.3.0 not now" {
			t.Errorf("%+v", r)
		}
		for n := 3; n < 10; n++ {
			p.clock.add(2 * time.Hour)
			p.retry()
			p.event(id, journal.Deferred, n)
		}
		p.clock.add(120 * time.Hour)
		p.retry()
		p.event(id, journal.Bounced, 1)
		r = p.report(2).Recipients[0]
		if r.Action != report.Failed || r.Status.String() != "4.4.7" || r.Diagnostic != "451 4.3.0 not now" {
			t.Errorf("%+v", r)
		}
		p.empty()
	})
}

// TestReturnPathStays: what our own delivery wrote on top of a message is not for others.
func TestReturnPathStays(t *testing.T) {
	p := one(t)
	s := p.server("one.example")
	p.run()
	id := p.putBody("Return-Path: <joe@sender.example>\r\nSubject: forwarded\r\n\r\nbody\r\n", "a@one.example")
	p.event(id, journal.Sent, 1)
	if got := s.took(); len(got) != 1 || got[0].data != "Subject: forwarded\r\n\r\nbody\r\n" {
		t.Errorf("%+v", got)
	}
}

// TestBrokenBody: a stored message that ends before its end is not sent as a whole one.
func TestBrokenBody(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Dir: dir, Schemas: schemas, Clock: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	p := open(t, st)
	s := p.server("one.example", func(s *server) { s.ext = []string{"PIPELINING"} })
	id := p.putBody("Subject: large\r\n\r\n"+strings.Repeat("a line of some octets\r\n", 20000), "a@one.example")
	files, err := filepath.Glob(filepath.Join(dir, "bodies", "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if err := os.Truncate(files[0], 100_000); err != nil {
		t.Fatal(err)
	}
	p.run()
	p.event(id, journal.Deferred, 1)
	if got := s.took(); len(got) != 0 {
		t.Errorf("%d octets were sent as a message", len(got[0].data))
	}
	if why := p.why(id); !strings.Contains(why.LastReply, "breaks off") {
		t.Error(why.LastReply)
	}
}

// TestStop: a server that does not answer the final dot does not hold up the end, and
// the message is not lost.
func TestStop(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		p.options.Timeouts = deliver.Timeouts{Stop: 200 * time.Millisecond}
		hung := p.server("hung.example", func(s *server) { s.hang = "." })
		before := p.server("early.example", func(s *server) { s.hang = "MAIL" })
		id, early := p.put("a@hung.example"), p.put("a@early.example")
		p.run()
		p.wait("both hang", func() bool { return len(hung.heard("DATA")) > 0 && len(before.heard("MAIL")) > 0 })
		begin := time.Now()
		p.stop()
		if d := time.Since(begin); d > 30*time.Second {
			t.Errorf("stopping took %s", d)
		}
		why := p.why(id)
		if why.Job.State != queue.Waiting || why.Job.Attempts != 1 || !strings.Contains(why.LastReply, "may arrive twice") {
			t.Errorf("%+v", why)
		}
		if why := p.why(early); why.Job.State != queue.Waiting || why.Job.Attempts != 0 {
			t.Errorf("what was not tried is not as before: %+v", why)
		}
	})
}

// TestStopWithoutDatabase: what cannot be settled does not hold up the end, and is in
// the queue afterwards.
func TestStopWithoutDatabase(t *testing.T) {
	p := one(t)
	p.options.Timeouts.Stop = 200 * time.Millisecond
	p.mailbox.fails = store.ErrUnreachable
	s := p.server("one.example")
	s.script("RCPT", "550 5.1.1 no")
	var ids []mail.TraceID
	for range 3 {
		ids = append(ids, p.put("a@one.example"))
	}
	p.run()
	p.wait("all refused", func() bool { return len(s.heard("RCPT")) >= 3 })
	begin := time.Now()
	p.stop()
	if d := time.Since(begin); d > 30*time.Second {
		t.Errorf("stopping took %s", d)
	}
	for _, id := range ids {
		if why := p.why(id); why.Job.State != queue.Waiting {
			t.Errorf("%+v", why)
		}
	}
}
