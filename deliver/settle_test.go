package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

func TestReportThatCannotBeStored(t *testing.T) {
	p := one(t)
	p.mailbox.fails = errors.New("no such account")
	s := p.server("one.example")
	s.script("RCPT", "550 5.1.1 no")
	id := p.put("a@one.example")
	p.run()
	p.event(id, journal.Bounced, 1)
	if a := <-p.alerts; a.Kind != "report-lost" {
		t.Errorf("%+v", a)
	}
}

// slowMailer cannot ready the first reports.
type slowMailer struct {
	deliver.Mailer
	fails atomic.Int32
}

func (m *slowMailer) Report(ctx context.Context, r deliver.Report) (func(*store.Tx) error, error) {
	if m.fails.Add(-1) >= 0 {
		return nil, fmt.Errorf("look up the owner: %w", store.ErrUnreachable)
	}
	return m.Mailer.Report(ctx, r)
}

// TestReportReadiedLater: a report that could not be readied for want of a database is
// readied anew, and stops nobody for ever.
func TestReportReadiedLater(t *testing.T) {
	p := one(t)
	mailer := &slowMailer{Mailer: p.mailbox}
	mailer.fails.Store(2)
	p.options.Reports = mailer
	p.server("one.example").script("RCPT", "550 5.1.1 no")
	p.server("two.example")
	id := p.put("a@one.example")
	p.run()
	p.report(1)
	p.event(id, journal.Bounced, 1)
	p.event(p.put("a@two.example"), journal.Sent, 1)
	p.empty()
}

// refusingMailer cannot take the reports about one message.
type refusingMailer struct {
	deliver.Mailer
	about atomic.Value // mail.TraceID
}

func (m *refusingMailer) Report(ctx context.Context, r deliver.Report) (func(*store.Tx) error, error) {
	if r.About == m.about.Load() {
		return nil, fmt.Errorf("look up the owner: %w", store.ErrUnreachable)
	}
	return m.Mailer.Report(ctx, r)
}

// TestOneThatCannotBeSettled: it keeps its lease and is tried again; the others are
// settled meanwhile.
func TestOneThatCannotBeSettled(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		mailer := &refusingMailer{Mailer: p.mailbox}
		p.options.Reports = mailer
		bad := p.server("bad.example")
		bad.script("RCPT", "550 5.1.1 no")
		p.server("one.example")
		id := p.put("a@bad.example")
		mailer.about.Store(id)
		p.run()
		p.wait("the refusal", func() bool { return len(bad.heard("RCPT")) == 1 })
		for range 5 {
			p.event(p.put("a@one.example"), journal.Sent, 1)
		}
		p.event(p.put("b@bad.example"), journal.Bounced, 1) // with its report
		if why := p.why(id); why.Job.State != queue.Leased {
			t.Errorf("it is %s", why.Job.State)
		}
		mailer.about.Store(mail.TraceID("another"))
		p.event(id, journal.Bounced, 1)
		p.report(2)
		p.empty()
		if n := len(bad.heard("RCPT")); n != 2 {
			t.Errorf("tried %d times", n)
		}
	})
}

// TestNobodyToTell: a failure is not lost because the administrator has no account yet.
func TestNobodyToTell(t *testing.T) {
	p := one(t)
	p.mailbox.fails = fmt.Errorf("mailbox of owner 0: %w", account.ErrNoAdmin)
	p.server("one.example").script("RCPT TO:<gone@", "550 5.1.1 no such user")
	id := p.put("ok@one.example gone@one.example")
	p.run()
	p.event(id, journal.Sent, 1)
	e := p.event(id, journal.Held, 1)
	if !strings.Contains(e.Fields["why"], "nobody to tell") || e.Fields["reply"] != "550 5.1.1 no such user" {
		t.Errorf("%+v", e)
	}
	if why := p.why(id); why.Job.State != queue.Held || len(why.Job.Recipients) != 1 || why.Job.Recipients[0].To.Local != "gone" {
		t.Errorf("%+v", why)
	}
	p.stop()
	p.mailbox.fails = nil
	p.run()
	if _, err := p.q.Release(t.Context(), queue.Selection{Trace: id}); err != nil {
		t.Fatal(err)
	}
	p.event(id, journal.Bounced, 1)
	p.report(1)
	p.empty()
}

// TestStoreOutageIsNoAttempt: a message that could not be read from our own store was not
// tried, and is tried again soon.
func TestStoreOutageIsNoAttempt(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Dir: dir, Schemas: schemas, Clock: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	p := open(t, st)
	s := p.server("one.example")
	id := p.putBody("Subject: large\r\n\r\n"+strings.Repeat("a line of some octets\r\n", 20000), "a@one.example")
	bodies := filepath.Join(dir, "bodies")
	if err := os.Rename(bodies, bodies+".gone"); err != nil {
		t.Fatal(err)
	}
	p.run()
	p.event(id, journal.Deferred, 1)
	why := p.why(id)
	if why.Job.Attempts != 0 || why.Next.Sub(start) > 2*time.Minute || !strings.Contains(why.LastReply, "could not be read") {
		t.Errorf("%+v", why)
	}
	if err := os.Rename(bodies+".gone", bodies); err != nil {
		t.Fatal(err)
	}
	p.retry()
	p.event(id, journal.Sent, 1)
	if len(s.took()) != 1 {
		t.Error("it was not sent")
	}
}
