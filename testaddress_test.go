package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"net/netip"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/testaddress"
)

// sendRaw hands a message in as a host of the lab, under TLS, and wants a 250.
func (v village) sendRaw(t *testing.T, from netip.Addr, helo, sender, to, text string) {
	t.Helper()
	conn, err := v.world.DialFrom(t.Context(), from, v.home.address(25))
	if err != nil {
		t.Fatal(err)
	}
	c := smtp.NewClient(conn, smtp.ClientOptions{Name: helo})
	defer c.Close()
	if err := (letter{}).secure(t.Context(), c, v.world); err != nil {
		t.Fatal(err)
	}
	for _, say := range []func() (mail.Reply, error){
		func() (mail.Reply, error) {
			return c.Mail(t.Context(), mail.MustParseAddress(sender), smtp.MailOptions{})
		},
		func() (mail.Reply, error) { return c.Rcpt(t.Context(), mail.MustParseAddress(to), smtp.RcptOptions{}) },
		func() (mail.Reply, error) { return c.Data(t.Context(), strings.NewReader(text)) },
	} {
		if reply, err := say(); err != nil || !reply.IsPositive() {
			t.Fatalf("%s, %v", reply, err)
		}
	}
}

// testAddress runs the command and gives the last document that it printed.
func testAddress(t *testing.T, wantExit int, args ...string) testaddress.Address {
	t.Helper()
	got := allgreen(t, "", append([]string{"test-address", "--lab", "--json"}, args...)...)
	if got.code != wantExit {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
	}
	var a testaddress.Address
	for d := json.NewDecoder(strings.NewReader(got.out)); d.More(); {
		a = testaddress.Address{}
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// statusOf is the colour of a check in a report.
func statusOfCheck(r *finding.Report, id string) finding.Status {
	i := slices.IndexFunc(r.Findings, func(f finding.Finding) bool { return f.Check == id })
	if i < 0 {
		return finding.Unknown
	}
	return r.Findings[i].Status
}

// TestServeTestAddress has a good host of the lab and a bad one write to test addresses,
// and reads the verdicts on the command line.
func TestServeTestAddress(t *testing.T) {
	v := settle(t, "[listen]\nmanagesieve = []\n", lab.Options{})
	good, bad := testAddress(t, 0), testAddress(t, 0)

	text := letter{author: "alice@green.example", to: good.Address, subject: "Good", helo: "mx.green.example"}.text(v.world.Now())
	signer, err := labSigner(mail.MustParseDomain("green.example"))
	if err != nil {
		t.Fatal(err)
	}
	header, body, _ := strings.Cut(text, "\r\n\r\n")
	field, err := signer.Sign(message.ParseHeader(header+"\r\n\r\n"), strings.NewReader(body), v.world.Now())
	if err != nil {
		t.Fatal(err)
	}
	v.sendRaw(t, netip.MustParseAddr("127.10.1.10"), "mx.green.example", "alice@green.example", good.Address, field+text)
	v.sendRaw(t, netip.MustParseAddr("127.10.4.10"), "mx.no-ptr.example", "alice@green.example", bad.Address,
		letter{author: "alice@green.example", to: bad.Address, subject: "Bad", helo: "mx.no-ptr.example"}.text(v.world.Now()))

	for _, c := range []struct {
		name, id string
		exit     int
		want     map[string]finding.Status
		here     string
		google   finding.Status
	}{
		{"good", good.ID, 0, map[string]finding.Status{
			"spf.message": finding.Green, "dkim.signature": finding.Green, "dmarc.message": finding.Green, "rdns.client": finding.Green,
			"helo.client": finding.Green, "message.tls": finding.Green, "message.chain": finding.Green, "message.form": finding.Green,
		}, "inbox", finding.Green},
		{"bad", bad.ID, 1, map[string]finding.Status{
			"spf.message": finding.Red, "dkim.signature": finding.Red, "dmarc.message": finding.Red, "rdns.client": finding.Red,
			"message.tls": finding.Green, "message.form": finding.Green,
		}, "refused", finding.Red},
	} {
		m := testAddress(t, c.exit, c.id, "--wait", "--timeout", "1m").Messages[0]
		for id, want := range c.want {
			if got := statusOfCheck(m.Report, id); got != want {
				t.Errorf("%s: %s is %s, not %s", c.name, id, got, want)
			}
		}
		if m.Report.Verdict.ExitCode() != c.exit {
			t.Errorf("%s: the verdict is %s: %+v", c.name, m.Report.Verdict, m.Report.WorstFirst()[:3])
		}
		if m.Again || m.Arrival.TLS != "TLS 1.3" || m.Arrival.Here.Action != c.here {
			t.Errorf("%s: the session: %+v", c.name, m.Arrival)
		}
		i := slices.IndexFunc(m.Receivers, func(r testaddress.Receiver) bool { return r.ID == "google" })
		if i < 0 || m.Receivers[i].Verdict != c.google {
			t.Errorf("%s: the receivers would say %+v", c.name, m.Receivers)
		}
	}
	if got := allgreen(t, "", "test-address", "--lab", good.ID); got.code != 0 || !strings.Contains(got.out, "alice@green.example") || !strings.Contains(got.out, "TLS 1.3") {
		t.Errorf("for people, exit %d:\n%s%s", got.code, got.out, got.err)
	}
}
