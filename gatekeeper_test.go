package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/gate"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
)

// TestGateStopsWhatChecksSay: every check and code of the gate's data is there, and red.
func TestGateStopsWhatChecksSay(t *testing.T) {
	for _, s := range gate.Stops() {
		about, ok := check.Find(s.Check)
		if !ok {
			t.Errorf("there is no check %s", s.Check)
		}
		for _, code := range s.Codes {
			if !slices.ContainsFunc(about.Codes, func(c check.Code) bool { return c.Code == code && c.Status == finding.Red }) {
				t.Errorf("%s does not say %q in red", s.Check, code)
			}
		}
	}
}

// plant records so many looks in which a check says this of a target.
func (v village) plant(t *testing.T, times int, target string, f finding.Finding) {
	t.Helper()
	for range times {
		err := v.home.server.store.Write(t.Context(), func(tx *store.Tx) error {
			_, err := standing.Record(tx, standing.Run{Target: target, Findings: []finding.Finding{f}, Confirm: 3, Only: []string{f.Check}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	v.home.server.gate.look()
}

// post submits a message of somebody of ours.
func (v village) post(t *testing.T, from mail.Address, to, subject string) {
	t.Helper()
	l := letter{at: v.home.address(465), helo: "laptop.example", user: from.String(), pass: v.home.password, sender: from.String(), author: from.String(), to: to, subject: subject}
	if reply, err := l.post(t.Context(), v.world); err != nil || !reply.IsPositive() {
		t.Fatalf("submission: %s, %v", reply, err)
	}
}

// heldOf waits until so many messages are held, and gives them.
func (v village) heldOf(t *testing.T, n int) []web.QueueReason {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		got, err := web.QueueWhy.Do(t.Context(), v.client(), web.QueueQuery{QueueSelection: web.QueueSelection{States: []string{"held"}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == n {
			return got
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%d messages are held, want %d", len(got), n)
		}
	}
}

// TestGateHoldsAndReleases: a red that the watch confirmed holds outgoing mail; sender
// and administrator are told once; queue, journal and readiness give the reason and the
// command; a person can let a message go, and the end of the red lets the others go.
func TestGateHoldsAndReleases(t *testing.T) {
	v := settle(t, "", lab.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	eve := mail.Address{Local: "eve", Domain: v.home.settings.Domains[1]}
	domain := eve.Domain.String()
	red := finding.Finding{Check: "dkim.keys", Group: "dkim", Status: finding.Red, Code: "none", Subject: domain, Summary: domain + " has no DKIM key"}

	v.plant(t, 2, domain, red)
	v.post(t, eve, "alice@green.example", "on trial")
	arrives := func(subject string) {
		t.Helper()
		if _, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: "+subject) }); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	arrives("on trial") // seen twice is not confirmed

	v.plant(t, 1, domain, red)
	v.post(t, eve, "alice@green.example", "first")
	v.post(t, eve, "alice@green.example", "second")
	v.post(t, v.home.settings.Admin, "alice@green.example", "another domain")
	arrives("another domain")
	held := v.heldOf(t, 2)
	for _, r := range held {
		if !strings.Contains(r.Why, "has no DKIM key") || !strings.Contains(r.Why, "allgreen queue release "+r.Entry.Trace) {
			t.Errorf("why: %s", r.Why)
		}
	}
	if got := allgreen(t, "", "queue", "list", "--lab"); !strings.Contains(got.out, "has no DKIM key") {
		t.Errorf("the list does not say why:\n%s", got.out)
	}
	if got := allgreen(t, "", "log", "trace", held[0].Entry.Trace, "--lab"); !strings.Contains(got.out, "held") || !strings.Contains(got.out, "DKIM key") {
		t.Errorf("the journal does not say why:\n%s", got.out)
	}
	if warning := v.home.server.readiness(ctx).Warnings["gate"]; !strings.Contains(warning, "has no DKIM key") || !strings.Contains(warning, "allgreen queue release") {
		t.Errorf("/readyz says %q", warning)
	}
	v.askAssistant(t, held[0].Entry.Trace)

	if _, err := v.home.arrived(ctx, eve, mailbox.Inbox, "[mx.allgreen.example] Your mail to green.example waits"); err != nil {
		t.Fatalf("the sender was not told: %v", err)
	}
	if _, err := v.home.arrived(ctx, v.home.settings.Admin, mailbox.Inbox, "[mx.allgreen.example] outgoing mail is held: "+domain+" has no DKIM key"); err != nil {
		t.Fatalf("the administrator was not told: %v", err)
	}

	if got := allgreen(t, "", "queue", "release", held[0].Entry.Trace, "--lab"); got.code != 0 {
		t.Fatalf("release: %s%s", got.out, got.err)
	}
	arrives("first") // though the red stands
	v.heldOf(t, 1)

	green := red
	green.Status, green.Code, green.Summary = finding.Green, "found", "a key"
	v.plant(t, 3, domain, green)
	arrives("second")
	v.heldOf(t, 0)
	if warning := v.home.server.readiness(ctx).Warnings["gate"]; warning != "" {
		t.Errorf("/readyz still says %q", warning)
	}
}

// askAssistant: the mcp tool tells why, too.
func (v village) askAssistant(t *testing.T, trace string) {
	t.Helper()
	s := inMemory(t, mcpCommand{worldFlags: worldFlags{Lab: true}}, commonFlags{})
	text, _, isError := use(t, s, "queue-why", object{"id": trace})
	if isError || !strings.Contains(text, "It is held at the gate: ") || !strings.Contains(strings.ReplaceAll(text, "\n| ", " "), "has no DKIM key") {
		t.Errorf("the assistant is told: %s", text)
	}
}

// TestGateHoldsAddress: a red of the address holds what would leave from it, when it is
// due to be sent.
func TestGateHoldsAddress(t *testing.T) {
	v := settle(t, "", lab.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	anna, listed := v.home.settings.Admin, v.listed(t)
	for i := range 3 {
		v.post(t, anna, "alice@green.example", fmt.Sprintf("listed %d", i))
	}
	v.heldOf(t, 3)
	subject := "[mx.allgreen.example] outgoing mail is held: " + listed
	if _, err := v.home.arrived(ctx, anna, mailbox.Inbox, subject); err != nil {
		t.Fatalf("the administrator was not told: %v", err)
	}
	if got := allgreen(t, "", "queue", "release", "--all", "--lab"); got.code != 0 {
		t.Fatalf("release: %s%s", got.out, got.err)
	}
	if _, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: listed 2") }); err != nil {
		t.Error(err)
	}
}

// listed plants that our address is on a blocklist, and gives the words for it.
func (v village) listed(t *testing.T) string {
	ip := v.home.settings.Addresses[0].String()
	v.plant(t, 3, ip, finding.Finding{Check: "blocklist.address", Group: "blocklist", Status: finding.Red, Code: "listed", Subject: ip, Summary: ip + " is on a list"})
	return ip + " is on a list"
}

// TestGateWarns: gate = "warn" tells the administrator and lets mail go.
func TestGateWarns(t *testing.T) {
	v := settle(t, `gate = "warn"`+"\n", lab.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	anna, listed := v.home.settings.Admin, v.listed(t)
	v.post(t, anna, "alice@green.example", "warned of")
	if _, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: warned of") }); err != nil {
		t.Fatal(err)
	}
	if _, err := v.home.arrived(ctx, anna, mailbox.Inbox, "[mx.allgreen.example] receivers may refuse our mail: "+listed); err != nil {
		t.Error(err)
	}
}

// TestGateLooksInAnyCase: what another process held before it ended, or was slow to
// commit, is looked at within a quarter of an hour though nothing changes here.
func TestGateLooksInAnyCase(t *testing.T) {
	k := &gatekeeper{}
	for range inAnyCase - 1 {
		k.tick()
	}
	if k.looks.Load() != 0 {
		t.Error("it looks all the time")
	}
	if k.tick(); k.looks.Load() <= 0 {
		t.Error("it never looks again")
	}
}

// TestGateWaitsForTheStanding: after a start that cannot read the standing nothing is let
// go, and nobody is told twice.
func TestGateWaitsForTheStanding(t *testing.T) {
	v := settle(t, "", lab.Options{})
	k := newGatekeeper(v.home.server)
	over, end := context.WithCancel(t.Context())
	end()
	if err := k.tend(over); !errors.Is(err, errUnread) {
		t.Errorf("without a standing: %v", err)
	}
	if err := k.tend(t.Context()); err != nil {
		t.Error(err)
	}
}
