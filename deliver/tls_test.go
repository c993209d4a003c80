package deliver_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

func certificate(t *testing.T, names ...string) *tls.Config {
	t.Helper()
	_, config := trusted(t, names...)
	return config
}

// trusted is a certificate and the roots that vouch for it.
func trusted(t *testing.T, names ...string) (*x509.CertPool, *tls.Config) {
	t.Helper()
	authority, err := ca.New(start)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Certificate(ca.Good, names...)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authority.Roots())) {
		t.Fatal("no roots")
	}
	return roots, &tls.Config{Certificates: []tls.Certificate{*cert}}
}

func TestTLSIsUsedWhereOffered(t *testing.T) {
	p := one(t)
	s := p.server("one.example", func(s *server) { s.tls = certificate(t, "another.example") })
	p.run()
	e := p.event(p.put("a@one.example"), journal.Sent, 1)
	if m := s.took(); len(m) != 1 || !m[0].tls || e.Fields["tls"] != "TLS 1.3, opportunistic" {
		t.Errorf("%+v, %+v", m, e)
	}
}

// TestLostTLS: what had TLS and has it no more waits, alerts, and then goes.
func TestLostTLS(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		s := p.server("one.example", func(s *server) { s.tls = certificate(t, "mx.one.example") })
		p.run()
		p.event(p.put("a@one.example"), journal.Sent, 1)
		p.wait("the connection to be over", func() bool { return len(s.heard("QUIT")) > 0 })
		s.tls = nil
		id := p.put("b@one.example")
		e := p.event(id, journal.Deferred, 1)
		if !strings.Contains(e.Fields["reply"], "offered TLS before") {
			t.Errorf("%+v", e)
		}
		if a := <-p.alerts; a.Kind != "tls-lost" || a.Destination != "one.example" {
			t.Errorf("%+v", a)
		}
		if next := p.why(id).Next; next.After(start.Add(time.Hour)) {
			t.Errorf("the next attempt is at %s", next)
		}
		p.clock.add(20 * time.Minute)
		p.retry()
		p.event(id, journal.Deferred, 2)
		if next := p.why(id).Next; next.After(start.Add(time.Hour)) {
			t.Errorf("the next attempt is at %s", next)
		}
		p.clock.add(11 * time.Minute)
		p.retry()
		if e := p.event(id, journal.Sent, 1); e.Fields["tls"] != "in the clear" {
			t.Errorf("%+v", e)
		}
		if len(p.alerts) > 0 || len(p.mailbox.reports) > 0 {
			t.Errorf("told more than once, or the sender: %d alerts, %d reports", len(p.alerts), len(p.mailbox.reports))
		}
	})
}

// TestKeptPolicy: an MTA-STS policy that lasts holds although the domain, or whoever
// answers for it, does not show it any more.
func TestKeptPolicy(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		s := p.server("one.example", func(s *server) { s.tls = certificate(t, "mx.one.example") })
		keep := func(mode, mx string, lasts time.Duration) {
			t.Helper()
			err := p.st.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(`INSERT INTO deliver_policy (domain, id, body, fetched, expires) VALUES ($1, $2, $3, $4, $5)
					ON CONFLICT (domain) DO UPDATE SET body = excluded.body, expires = excluded.expires`, "one.example", "1",
					[]byte("version: STSv1\nmode: "+mode+"\nmx: "+mx+"\nmax_age: 86400\n"), store.Micros(start), store.Micros(start.Add(lasts)))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		refused := func(words string) {
			t.Helper()
			p.run()
			e := p.event(p.put("a@one.example"), journal.Deferred, 1)
			p.stop()
			if !strings.Contains(e.Fields["reply"], words) {
				t.Errorf("%q, want %q in it", e.Fields["reply"], words)
			}
		}
		keep("enforce", "mx.other.example", time.Hour)
		refused("may not be used")
		keep("enforce", "mx.one.example", time.Hour)
		refused("with MTA-STS), and it failed")
		if len(s.heard("MAIL")) > 0 {
			t.Error("it was begun all the same")
		}
		keep("enforce", "mx.other.example", -time.Second)
		p.run()
		p.event(p.put("a@one.example"), journal.Sent, 1)
	})
}

// TestDoubtAboutPolicy: whoever suppresses the answer whether a domain has an MTA-STS
// policy gains a delay first. It ends when the answer comes, and when it stays away.
func TestDoubtAboutPolicy(t *testing.T) {
	p := one(t)
	p.server("one.example")
	p.server("two.example")
	p.zone.setFail("_mta-sts.one.example. TXT", world.ErrTemporary)
	p.zone.setFail("_mta-sts.two.example. TXT", world.ErrTemporary)
	p.run()
	first, second := p.put("a@one.example"), p.put("a@two.example")
	for _, id := range []mail.TraceID{first, second} {
		if e := p.event(id, journal.Deferred, 1); !strings.Contains(e.Fields["reply"], "MTA-STS policy") {
			t.Errorf("%+v", e)
		}
		if next := p.why(id).Next; next.After(start.Add(5 * time.Minute)) {
			t.Errorf("the next attempt is at %s", next)
		}
	}
	p.zone.setFail("_mta-sts.one.example. TXT", nil)
	p.clock.add(5 * time.Minute)
	p.retry()
	p.event(first, journal.Sent, 1)
	p.event(second, journal.Deferred, 2)
	p.clock.add(11 * time.Minute)
	p.retry()
	p.event(second, journal.Sent, 1)
	p.event(p.put("b@two.example"), journal.Sent, 1)
}
