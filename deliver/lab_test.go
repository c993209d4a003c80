package deliver_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// inLab is a post on the lab's Internet.
func inLab(t *testing.T) (*post, *lab.Lab) {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Zones: []string{";lab without _25._tcp.mx.expired-cert.example. TLSA"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := l.World()
	st := storetest.Open(t, schemas...)
	p := &post{t: t, st: st, w: w, clock: &clock{now: w.Now()}, alerts: make(chan deliver.Alert, 100)}
	p.q = queue.New(st, queue.Options{Clock: w.Now})
	p.mailbox = &letterbox{st: st, arrived: make(chan struct{}, 1000)}
	p.options = deliver.Options{Store: st, Queue: p.q, World: w, Reports: p.mailbox,
		HELO:   func(netip.Addr) mail.Domain { return mail.MustParseDomain("mx.sender.example") },
		Alert:  func(_ context.Context, a deliver.Alert) { p.alerts <- a },
		Egress: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil))}
	return p, l
}

// TestLab sends to hosts of every character: where TLS is promised it is used and
// verified, and where a promise is broken nothing is sent.
func TestLab(t *testing.T) {
	p, l := inLab(t)
	p.run()
	for _, tt := range []struct {
		to   string
		kind journal.Kind
		say  string // in the reply, or in the channel of what was sent
	}{
		{"postmaster@green.example", journal.Sent, "dane"},
		{"postmaster@dane-usage.example", journal.Sent, "webpki"}, // no usable TLSA record, and a policy
		{"postmaster@sts-testing.example", journal.Sent, "TLS 1.3"},
		{"postmaster@no-tls.example", journal.Sent, "in the clear"},
		{"postmaster@dane-wrong.example", journal.Deferred, "TLSA"},
		{"postmaster@bad-cert.example", journal.Sent, "dane"}, // the key is right; names do not matter (RFC 7671 section 5.1)
		{"postmaster@expired-cert.example", journal.Deferred, "TLS is demanded here"},
		{"postmaster@sts-wrong.example", journal.Deferred, "may not be used"},
		{"postmaster@bogus.example", journal.Deferred, "could not be found out"},
		{"postmaster@greylist.example", journal.Deferred, "451"},
		{"postmaster@nomail.example", journal.Bounced, "takes no mail"},
		{"nobody-at-all@green.example", journal.Bounced, "5.1.1"},
		{"postmaster@no-such-domain.example", journal.Bounced, "does not exist"},
	} {
		id := p.put(tt.to)
		e := p.event(id, tt.kind, 1)
		if said := e.Fields["reply"] + " " + e.Fields["tls"]; !strings.Contains(said, tt.say) {
			t.Errorf("%s: %q, want %q in it", tt.to, said, tt.say)
		}
	}
	if n := len(l.Mail()); n != 5 {
		t.Errorf("the lab took %d messages, want 5", n)
	}
	kept := 0
	err := p.st.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM deliver_policy WHERE domain = 'dane-usage.example'`).Scan(&kept)
	})
	if err != nil || kept != 1 {
		t.Errorf("%d policies kept, %v", kept, err)
	}
	for _, m := range l.Mail() {
		if m.Helo != "mx.sender.example" {
			t.Errorf("%s was greeted by %q", m.Host, m.Helo)
		}
	}
}
