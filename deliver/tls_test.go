package deliver_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/lab/ca"
)

func certificate(t *testing.T, names ...string) *tls.Config {
	t.Helper()
	authority, err := ca.New(start)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Certificate(ca.Good, names...)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert}}
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
