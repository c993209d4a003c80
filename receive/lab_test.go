package receive_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// oursZone is our domain in the lab's Internet.
const oursZone = `
$ORIGIN ours.example.
$TTL 3600
@ SOA ns1.nameserver.example. hostmaster 2026112101 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
@ MX 10 mx
@ TXT "v=spf1 mx -all"
mx A 127.10.250.10
10.250.10.127.in-addr.arpa. PTR mx
`

// TestRelayBattery has the whole battery of the audit played on a receiver in the
// lab, from outside. Nothing may be accepted, in the clear or over TLS.
func TestRelayBattery(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{Zones: []string{oursZone}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := inLab(t, l)
	audit := check.NewAudit(l.World(), check.Options{Only: []string{"relay", "backscatter", "role"}, Battery: true, Allowed: true, Timeout: time.Minute})
	target, err := check.ParseTarget("ours.example", check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	report := audit.Run(t.Context(), target, nil)
	greens := map[string]bool{}
	for _, f := range report.Findings {
		t.Logf("%-7s %-28s %s %s", f.Status, f.Check, f.Code, f.Summary)
		switch {
		case f.Status == finding.Green:
			greens[f.Check] = true
		case f.Status == finding.Red, f.Status == finding.Yellow:
			t.Errorf("%s %s: %s\n%s", f.Check, f.Code, f.Summary, strings.Join(f.Evidence, "\n"))
		}
	}
	for _, id := range []string{"relay.plain", "relay.percent", "relay.bang", "relay.quoted", "relay.source-route", "relay.double-at", "relay.oddities", "relay.state"} {
		if !greens[id] {
			t.Errorf("%s is not green", id)
		}
	}
	if jobs := h.queued(); len(jobs) > 0 {
		t.Errorf("something is on its way out: %+v", jobs)
	}
}

// inLab sets a receiver into the lab, at the address that the zone gives it.
func inLab(t *testing.T, l *lab.Lab) *house {
	t.Helper()
	certificate, err := l.Certificate(ca.Good, "mx.ours.example")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: storetest.Open(t, append(schemas, account.Schema)...), world: l.World()}
	admin := mail.MustParseAddress("anna@ours.example")
	directory := account.Open(h.store, account.Options{
		Domains: []mail.Domain{ours}, Admin: admin, World: h.world,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) },
	})
	t.Cleanup(directory.Close)
	if _, err := directory.Create(t.Context(), account.New{Address: admin}); err != nil {
		t.Fatal(err)
	}
	h.receiver, err = receive.New(receive.Options{
		Store: h.store, World: h.world, Accounts: directory, Hostname: host, Domains: []mail.Domain{ours},
		Accept: accept.New(accept.Options{Store: h.store, World: h.world, SRS: key}), SRS: key, Marks: []byte("marks"),
		Directory: reputation.NewDirectory(reputation.Options{Now: h.world.Now}), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.server = smtp.NewServer(smtp.ServerOptions{Name: host, Open: h.receiver.Open, TLS: &tls.Config{Certificates: []tls.Certificate{*certificate}}})
	listener, err := h.world.Listen(t.Context(), netip.MustParseAddrPort("127.10.250.10:25"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(context.Background(), listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := h.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
		h.receiver.Close()
	})
	return h
}
