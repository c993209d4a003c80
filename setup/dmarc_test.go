package setup_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/zone"
)

// reports are what receivers have said.
type reports struct{ say setup.DMARCVerdict }

func (r *reports) DMARCVerdict(context.Context, mail.Domain, time.Time) (setup.DMARCVerdict, error) {
	return r.say, nil
}

// climbing is a ladder over a zone, and what it told the operator.
type climbing struct {
	*setup.Upkeep
	*zoneWorld
	t       *testing.T
	reports *reports
	told    []string
}

func newClimbing(t *testing.T, publishes bool, records ...string) *climbing {
	c := &climbing{zoneWorld: newZoneWorld(records...), t: t, reports: &reports{}}
	var provider zone.Provider
	if publishes {
		provider = c.zoneWorld
	}
	c.Upkeep = setup.NewUpkeep(setup.UpkeepOptions{
		World: c.world(), Identity: c.someone(t), Provider: provider, Reports: c.reports,
		Tell: func(_ context.Context, subject, text string) { c.told = append(c.told, subject+"\n"+text) },
	})
	return c
}

// after turns the clock and looks once.
func (c *climbing) after(d time.Duration) setup.DMARCStep {
	c.t.Helper()
	c.turn(d)
	if err := c.Look(c.t.Context(), domain); err != nil {
		c.t.Fatal(err)
	}
	return c.DMARC(domain)
}

func (c *climbing) policy(want string) {
	c.t.Helper()
	if !c.has("_dmarc.example.com.", "TXT", "p="+want) {
		c.t.Errorf("published is %v, want p=%s", c.get("_dmarc.example.com.", "TXT").Values, want)
	}
}

const sends = `example.com. 3600 TXT "v=spf1 include:_spf.other.example ~all"`

func TestDMARCBegins(t *testing.T) {
	for _, tt := range []struct {
		name    string
		records []string
		want    dmarc.Policy
	}{
		{"a new domain", nil, dmarc.Quarantine},
		{"one that takes and sends no mail", []string{"example.com. 3600 MX 0 .", `example.com. 3600 TXT "v=spf1 -all"`}, dmarc.Quarantine},
		{"one that is ours already", []string{"example.com. 3600 MX 10 mx.example.com.", `example.com. 3600 TXT "v=spf1 ip4:203.0.113.7 -all"`}, dmarc.Quarantine},
		{"one that others send for", []string{sends}, dmarc.None},
		{"one that others take mail for", []string{"example.com. 3600 MX 10 mx.other.example."}, dmarc.None},
		{"one that is strict already", []string{sends, `_dmarc.example.com. 3600 TXT "v=DMARC1; p=reject"`}, dmarc.Reject},
		{"one that is lax already", []string{`_dmarc.example.com. 3600 TXT "v=DMARC1; p=none"`}, dmarc.None},
	} {
		c := newClimbing(t, true, tt.records...)
		if s := c.after(0); s.Policy != tt.want || !strings.Contains(s.Record, "p="+string(tt.want)) {
			t.Errorf("%s: %+v", tt.name, s)
		}
		if c.written != 0 {
			t.Errorf("%s: looking has written", tt.name)
		}
	}
}

// TestDMARCClimbs takes a domain that sends from the bottom to the top, by time, then by
// the word of a person.
func TestDMARCClimbs(t *testing.T) {
	c := newClimbing(t, true, sends)
	if s := c.after(0); s.Policy != dmarc.None || !s.Due.IsZero() {
		t.Errorf("before it is published: %+v", s)
	}
	c.publish(t, c.Identity)
	c.policy("none")
	s := c.after(time.Hour)
	if !s.Due.Equal(s.Since.Add(30*day)) || !s.Top.Equal(s.Since.Add(60*day)) || s.Asks || s.Next != dmarc.Quarantine {
		t.Errorf("%+v", s)
	}
	if c.after(30*day - time.Second); c.DMARC(domain).Policy != dmarc.None {
		t.Error("too early")
	}
	s = c.after(time.Second)
	c.policy("quarantine")
	if s.Policy != dmarc.Quarantine || !s.Asks || !s.Due.Equal(s.Since.Add(30*day)) {
		t.Errorf("%+v", s)
	}
	s = c.after(40 * day)
	c.policy("quarantine")
	c.after(time.Hour)
	if !strings.Contains(s.Held, "a person decides") || len(c.told) != 1 || !strings.Contains(c.told[0], "p=reject; rua=mailto:postmaster@example.com") {
		t.Errorf("%+v; told %q", s, c.told)
	}
	if s, err := c.StepDMARC(t.Context(), domain, ""); err != nil || s.Policy != dmarc.Reject || s.Next != "" {
		t.Errorf("%+v, %v", s, err)
	}
	c.policy("reject")
	if s := c.after(400 * day); s.Policy != dmarc.Reject || s.Held != "" {
		t.Errorf("%+v", s)
	}
}

func TestDMARCObeysReports(t *testing.T) {
	c := newClimbing(t, true, `_dmarc.example.com. 3600 TXT "v=DMARC1; p=none; rua=mailto:d@other.example; adkim=s"`)
	c.after(0)
	c.reports.say = setup.DMARCVerdict{Known: true, Why: "12 % would fail"}
	if s := c.after(50 * day); s.Policy != dmarc.None || !strings.Contains(s.Held, "12 % would fail") {
		t.Errorf("%+v", s)
	}
	c.policy("none")
	c.reports.say = setup.DMARCVerdict{Known: true, Allows: true}
	if s := c.after(time.Hour); s.Policy != dmarc.Quarantine || s.Held != "" {
		t.Errorf("%+v", s)
	}
	if s := c.after(30 * day); s.Policy != dmarc.Reject {
		t.Errorf("%+v", s)
	}
	if !c.has("_dmarc.example.com.", "TXT", "v=DMARC1; p=reject; rua=mailto:d@other.example; adkim=s") {
		t.Error("more than the policy was changed")
	}
}

// TestDMARCByHand has nobody who publishes: the operator is told once, and what they
// write counts, up and down.
func TestDMARCByHand(t *testing.T) {
	c := newClimbing(t, false, `_dmarc.example.com. 3600 TXT "v=DMARC1; p=none"`)
	c.after(0)
	s := c.after(31 * day)
	c.after(time.Hour)
	if s.Policy != dmarc.None || !strings.Contains(s.Held, "by hand") || len(c.told) != 1 || !strings.Contains(c.told[0], "v=DMARC1; p=quarantine\n") {
		t.Fatalf("%+v; told %q", s, c.told)
	}
	if _, err := c.StepDMARC(t.Context(), domain, ""); !errors.Is(err, setup.ErrNoPublisher) || !strings.Contains(err.Error(), "p=quarantine") {
		t.Errorf("%v", err)
	}
	set := func(p string) {
		c.put(zone.Set{Name: "_dmarc.example.com.", Type: "TXT", Values: []string{`"v=DMARC1; p=` + p + `"`}})
	}
	set("quarantine")
	if s := c.after(time.Hour); s.Policy != dmarc.Quarantine || s.Held != "" || !s.Since.Equal(c.now) {
		t.Errorf("%+v", s)
	}
	set("none") // a name server that lags behind, perhaps
	if s := c.after(time.Hour); s.Policy != dmarc.Quarantine {
		t.Errorf("%+v", s)
	}
	if s := c.after(24 * time.Hour); s.Policy != dmarc.None {
		t.Errorf("the operator went back: %+v", s)
	}
	c.put(zone.Set{Name: "_dmarc.example.com.", Type: "TXT"})
	if s := c.after(60 * day); s.Policy != dmarc.None {
		t.Errorf("without a record: %+v", s)
	}
	if _, err := c.StepDMARC(t.Context(), domain, ""); !errors.Is(err, setup.ErrNoRecord) {
		t.Errorf("%v", err)
	}
}

func TestDMARCWriteFails(t *testing.T) {
	c := newClimbing(t, true, `_dmarc.example.com. 3600 TXT "v=DMARC1; p=none"`)
	c.after(0)
	c.turn(31 * day)
	c.fails = zone.ErrRefused
	if err := c.Look(t.Context(), domain); !errors.Is(err, zone.ErrRefused) {
		t.Error(err)
	}
	c.fails = nil
	if s := c.after(time.Hour); s.Policy != dmarc.Quarantine {
		t.Errorf("%+v", s)
	}
	c.policy("quarantine")
}

func TestGentle(t *testing.T) {
	z := newZoneWorld(sends)
	id := z.someone(t)
	wanted := id.Records(domain)
	life, err := setup.LookAtLife(t.Context(), z.world(), domain, wanted)
	if err != nil || !life.Sends || life.Elsewhere {
		t.Fatalf("%+v, %v", life, err)
	}
	changed := 0
	for i, r := range life.Gentle(wanted) {
		if r != wanted[i] {
			changed++
			if !strings.Contains(r.Value, "p=none; rua=mailto:postmaster@example.com") {
				t.Errorf("%+v", r)
			}
		}
	}
	if changed != 1 {
		t.Errorf("%d records changed", changed)
	}
}

func TestDMARCAnnotates(t *testing.T) {
	if !slices.ContainsFunc(check.All(), func(c check.Check) bool { return c.About().ID == "dmarc.policy" }) {
		t.Fatal("no check has that id")
	}
	c := newClimbing(t, true, `_dmarc.example.com. 3600 TXT "v=DMARC1; p=none"`)
	summary := func(id, subject string, status finding.Status) string {
		f := finding.Finding{Check: id, Subject: subject, Status: status, Summary: "p=none"}
		c.Annotate(&f)
		return f.Summary
	}
	if got := summary("dmarc.policy", "example.com", finding.Yellow); got != "p=none" {
		t.Errorf("before it was looked at: %q", got)
	}
	c.after(0)
	if got, want := summary("dmarc.policy", "example.com", finding.Yellow), "p=none; p=quarantine is planned for 2026-12-22"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.reports.say = setup.DMARCVerdict{Known: true, Why: "12 % would fail"}
	c.after(31 * day)
	if got := summary("dmarc.policy", "example.com", finding.Yellow); got != "p=none; p=quarantine waits: reports: 12 % would fail" {
		t.Errorf("%q", got)
	}
	for _, other := range []string{summary("dmarc.record", "example.com", finding.Yellow), summary("dmarc.policy", "example.net", finding.Yellow), summary("dmarc.policy", "example.com", finding.Green)} {
		if other != "p=none" {
			t.Errorf("%q", other)
		}
	}
}
