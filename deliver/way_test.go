package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/report"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// TestEgress: each address says the name that it has, and a message goes from the
// address that it was given.
func TestEgress(t *testing.T) {
	p := one(t)
	p.options.Egress = []netip.Addr{netip.MustParseAddr("127.0.1.101"), netip.MustParseAddr("127.0.1.102")}
	p.options.HELO = func(ip netip.Addr) mail.Domain {
		if !ip.IsValid() {
			return mail.MustParseDomain("mx.example.com")
		}
		return mail.MustParseDomain(fmt.Sprintf("out%d.example.com", ip.As4()[3]))
	}
	s := p.server("one.example")
	p.run()
	p.event(p.put("a@one.example"), journal.Sent, 1)
	p.event(p.put("a@one.example", func(m *queue.Message) { m.Egress = p.options.Egress[1] }), journal.Sent, 1)
	if hello := s.heard("EHLO"); strings.Join(hello, " ") != "EHLO out101.example.com EHLO out102.example.com" {
		t.Errorf("greeted with %q", hello)
	}
	p.zone.add(t, "six.example. MX 10 mx.six.example.\nmx.six.example. AAAA 2001:db8::1\n")
	if e := p.event(p.put("a@six.example"), journal.Deferred, 1); !strings.Contains(e.Fields["reply"], "none of that family") {
		t.Errorf("%+v", e)
	}
}

// TestBehindTranslator: the address that others see is not this machine's own. It cannot be
// bound, and its name is said all the same.
func TestBehindTranslator(t *testing.T) {
	p := one(t)
	p.options.Egress = []netip.Addr{netip.MustParseAddr("192.0.2.7")}
	p.options.Elsewhere = p.options.Egress
	p.options.HELO = func(ip netip.Addr) mail.Domain {
		if ip == p.options.Egress[0] {
			return mail.MustParseDomain("seen.example.com")
		}
		return mail.MustParseDomain("mx.example.com")
	}
	s := p.server("one.example")
	p.run()
	p.event(p.put("a@one.example"), journal.Sent, 1)
	if hello := s.heard("EHLO"); strings.Join(hello, " ") != "EHLO seen.example.com" {
		t.Errorf("greeted with %q", hello)
	}
}

// TestHostOrder: the best preference first, equal ones in any order.
func TestHostOrder(t *testing.T) {
	p := one(t)
	p.options.Timeouts.Idle = time.Millisecond
	servers := []*server{p.server("a.example"), p.server("b.example"), p.server("c.example")}
	p.zone.add(t, "many.example. MX 10 mx.a.example.\nmany.example. MX 10 mx.b.example.\nmany.example. MX 20 mx.c.example.\n")
	p.run()
	for range 30 {
		p.event(p.put("x@many.example"), journal.Sent, 1)
		p.wait("the connection to be over", func() bool { return p.d.Stats().Connections == 0 })
	}
	a, b, c := len(servers[0].took()), len(servers[1].took()), len(servers[2].took())
	if a == 0 || b == 0 || c != 0 || a+b != 30 {
		t.Errorf("%d, %d and %d messages", a, b, c)
	}
}

func TestAddressLiteral(t *testing.T) {
	p := one(t)
	s := p.server("one.example")
	p.run()
	p.event(p.put("a@[127.0.1.11]"), journal.Sent, 1)
	if len(s.took()) != 1 {
		t.Error("it has nothing")
	}
}

// TestSmarthost: everything goes there; the password only over TLS with its name.
func TestSmarthost(t *testing.T) {
	p := one(t)
	s := p.server("smart.example", func(s *server) { s.tls, s.ext = nil, append(s.ext, "AUTH PLAIN") })
	p.options.Smarthost = &deliver.Smarthost{Host: mail.MustParseDomain("mx.smart.example"), Port: 25, User: "us", Password: "secret"}
	p.run()
	id := p.put("a@anywhere.example b@elsewhere.example")
	p.event(id, journal.Deferred, 2)
	if len(s.heard("AUTH")) > 0 {
		t.Fatal("the password was said in the clear")
	}
	p.stop()

	p.w.Roots, s.tls = trusted(t, "mx.smart.example")
	p.run()
	p.retry()
	p.event(id, journal.Sent, 2)
	if auth := s.heard("AUTH"); len(auth) == 0 || !strings.HasPrefix(auth[0], "AUTH PLAIN ") {
		t.Errorf("heard %q", auth)
	}
	why, err := p.q.Why(t.Context(), queue.Selection{All: true}, 10)
	if err != nil || len(why) > 0 {
		t.Errorf("%v, %v", why, err)
	}
}

// TestRequireTLS: only over verified TLS, only to a server that promises the same.
func TestRequireTLS(t *testing.T) {
	p := one(t)
	must := func(m *queue.Message) { m.RequireTLS = true }
	s := p.server("one.example", func(s *server) { s.tls = certificate(t, "mx.one.example"); s.ext = append(s.ext, "REQUIRETLS") })
	p.run()
	p.event(p.put("a@one.example", must), journal.Bounced, 1) // nobody vouches for the certificate
	if got := p.report(1).Recipients[0]; got.Status.String() != "5.7.30" {
		t.Errorf("%+v", got)
	}
	if len(s.heard("MAIL")) > 0 {
		t.Error("it was begun all the same")
	}
}

// TestSlowDestinationsParkTheirSurplus: what one server cannot take stands in nobody's
// way, and is sent when there is room again.
func TestSlowDestinationsParkTheirSurplus(t *testing.T) {
	p := one(t)
	slow, good := p.server("slow.example"), p.server("good.example")
	gate := make(chan struct{})
	slow.gate = gate
	const n = 1500
	p.putMany("a@slow.example", n)
	p.run()
	p.wait("parked messages", func() bool {
		lanes, err := p.q.Lanes(t.Context())
		return err == nil && len(lanes) == 1
	})
	p.event(p.put("a@good.example"), journal.Sent, 1)
	if len(good.took()) != 1 {
		t.Error("the other has nothing")
	}
	close(gate)
	p.empty()
	if got := len(slow.took()); got != n {
		t.Errorf("%d of %d arrived", got, n)
	}
}

// TestBusy: a server that takes only some connections gets only those, and nothing is
// put off for it.
func TestBusy(t *testing.T) {
	p := one(t)
	s := p.server("one.example", func(s *server) { s.most = 2 })
	p.options.Timeouts.Idle = time.Second
	p.putMany("a@one.example", 200)
	p.run()
	p.empty()
	if got := len(s.took()); got != 200 {
		t.Errorf("%d arrived", got)
	}
}

// putMany puts messages that share one transaction.
func (p *post) putMany(to string, n int) {
	p.t.Helper()
	sp := p.st.NewSpool()
	defer sp.Close()
	fmt.Fprint(sp, "a: b\r\n\r\n")
	err := p.st.Write(p.t.Context(), func(tx *store.Tx) error {
		body, err := tx.PutBody(sp)
		for i := 0; i < n && err == nil; i++ {
			err = queue.Put(tx, p.clock.Now(), queue.Message{Trace: mail.TraceID(fmt.Sprint("many", i)), Body: body, Size: 8, Origin: "o",
				From: mail.MustParseAddress("anna@example.com"), Recipients: []queue.Recipient{{To: mail.MustParseAddress(to)}}})
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestTwoProcesses: two deliverers on one database send every message once.
func TestTwoProcesses(t *testing.T) {
	storetest.Each(t, schemas, func(t *testing.T, st *store.Store) {
		if st.Engine() == store.SQLite {
			t.Skip("the embedded engine has one process")
		}
		p := open(t, st)
		s := p.server("one.example")
		p.putMany("a@one.example", 400)
		var running sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			o := p.options
			o.Queue = queue.New(st, queue.Options{Clock: p.clock.Now})
			d := deliver.New(o)
			running.Go(func() { d.Run(ctx) })
		}
		p.empty()
		cancel()
		running.Wait()
		if n := len(s.took()); n != 400 {
			t.Errorf("%d messages arrived, want 400", n)
		}
	})
}

// TestLargeBody: it is streamed, from its file, and arrives whole.
func TestLargeBody(t *testing.T) {
	p := one(t)
	s := p.server("one.example", func(s *server) { s.ext = []string{"SIZE"} })
	body := "Subject: large\r\n\r\n" + strings.Repeat(".a line that begins with a dot\r\n", 100_000)
	id := p.putBody(body, "a@one.example")
	p.run()
	p.event(id, journal.Sent, 1)
	if got := s.took(); len(got) != 1 || got[0].data != body {
		t.Errorf("%d messages, or not the same octets", len(got))
	}
}

// TestReportsReachMailboxes with real accounts: the owner's INBOX, or the
// administrator's when the owner is gone.
func TestReportsReachMailboxes(t *testing.T) {
	all := append([]store.Schema{account.Schema, mailbox.Schema}, schemas...)
	storetest.Each(t, all, func(t *testing.T, st *store.Store) {
		p := open(t, st)
		admin := mail.MustParseAddress("root@example.com")
		accounts := account.Open(st, account.Options{Domains: []mail.Domain{mail.MustParseDomain("example.com")}, Admin: admin, World: world.None(), Created: mailboxOf})
		t.Cleanup(accounts.Close)
		p.options.Reports = &deliver.Owners{Store: st, World: p.w, Accounts: accounts, Accept: accept.New(accept.Options{Store: st, World: p.w})}
		rootID, err := accounts.Create(t.Context(), account.New{Address: admin})
		if err != nil {
			t.Fatal(err)
		}
		anna, err := accounts.Create(t.Context(), account.New{Address: mail.MustParseAddress("anna@example.com")})
		if err != nil {
			t.Fatal(err)
		}
		p.run()
		for _, tt := range []struct {
			owner, gets account.ID
		}{{anna, anna}, {4711, rootID}, {0, rootID}} {
			id := p.put("a@no-such.example", func(m *queue.Message) { m.Owner = int64(tt.owner) })
			p.event(id, journal.Bounced, 1)
			dsn := newest(t, st, tt.gets)
			if len(dsn.Recipients) != 1 || dsn.Recipients[0].Status.String() != "5.1.2" {
				t.Errorf("owner %d: %+v", tt.owner, dsn)
			}
		}
	})
}

func mailboxOf(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) }

// newest reads the newest message of an INBOX as a report.
func newest(t *testing.T, st *store.Store, id account.ID) report.DSN {
	t.Helper()
	var folder mailbox.FolderID
	var uid mailbox.UID
	err := st.Read(t.Context(), func(tx *store.Tx) error {
		folders, err := mailbox.Folders(tx, int64(id))
		if err != nil {
			return err
		}
		for _, f := range folders {
			if f.Role == mailbox.Inbox {
				folder = f.ID
				uid = f.UIDNext - 1
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := mailbox.Open(t.Context(), st, folder, uid)
	if errors.Is(err, mailbox.ErrNoMessage) {
		t.Fatalf("the INBOX of account %d is empty", id)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	dsn, err := report.ReadDSN(body)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}
