package gate_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/gate"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/provider"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

var start = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type yard struct {
	*testing.T
	st    *store.Store
	clock *clock
	gate  *gate.Gate
	first bool // looks are first looks
}

func open(t *testing.T) *yard {
	y := &yard{T: t, clock: &clock{now: start}}
	y.st = storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Clock: y.clock.Now, Schemas: []store.Schema{standing.Schema, gate.Schema}})
	y.gate = gate.New(gate.Options{Store: y.st, Providers: sync.OnceValue(provider.New), Confirm: 3, Now: y.clock.Now, Fresh: -1,
		FirstLook: func(mail.Domain) bool { return y.first }})
	return y
}

// look records so many looks at a target in which one check says this.
func (y *yard) look(times int, target, check, code, subject string, status finding.Status) {
	y.Helper()
	f := finding.Finding{Check: check, Status: status, Code: code, Subject: subject, Summary: subject + " is " + code}
	for range times {
		y.clock.pass(time.Minute)
		err := y.st.Write(y.Context(), func(tx *store.Tx) error {
			_, err := standing.Record(tx, standing.Run{Target: target, Findings: []finding.Finding{f}, Confirm: 3, Only: []string{check}})
			return err
		})
		if err != nil {
			y.Fatal(err)
		}
	}
}

var (
	ours   = mail.MustParseDomain("example.com")
	other  = mail.MustParseDomain("example.net")
	v4     = netip.MustParseAddr("192.0.2.1")
	v6     = netip.MustParseAddr("2001:db8::1")
	nobody = gate.Way{From: v4, MX: mail.MustParseDomain("mx.example.org")}
	google = gate.Way{From: v4, MX: mail.MustParseDomain("gmail-smtp-in.l.google.com")}
	gmx    = gate.Way{From: v4, MX: mail.MustParseDomain("mx00.gmx.net")}
	over6  = gate.Way{From: v6, MX: mail.MustParseDomain("mx.example.org")}
	system = gate.Way{MX: mail.MustParseDomain("mx.example.org")}
)

// TestAsk: what is held, and above all what is not.
func TestAsk(t *testing.T) {
	type look struct {
		times                        int
		target, check, code, subject string
		status                       finding.Status
	}
	noPTR := look{3, "192.0.2.1", "rdns.forward-confirmed", "no-ptr", "192.0.2.1", finding.Red}
	noKey := look{3, "example.com", "dkim.keys", "none", "example.com", finding.Red}
	dynamic := look{3, "192.0.2.1", "rdns.generic", "dynamic", "192.0.2.1", finding.Red}
	bogus := look{3, "example.com", "dns.dnssec", "broken", "example.com", finding.Red}
	notInSPF := look{3, "example.com", "spf.addresses", "not-authorised", "192.0.2.1", finding.Red}
	for _, tt := range []struct {
		name   string
		looks  []look
		domain mail.Domain
		ways   []gate.Way
		want   string // the check that holds, "" for none
	}{
		{"nobody ever looked", nil, ours, []gate.Way{nobody}, ""},
		{"all green", []look{{3, "192.0.2.1", "rdns.forward-confirmed", "confirmed", "192.0.2.1", finding.Green}}, ours, []gate.Way{nobody}, ""},
		{"no PTR", []look{noPTR}, ours, []gate.Way{nobody}, "rdns.forward-confirmed"},
		{"no PTR, another domain of the address", []look{noPTR}, other, []gate.Way{nobody}, "rdns.forward-confirmed"},
		{"no PTR, the null path", []look{noPTR}, mail.Domain{}, []gate.Way{nobody}, "rdns.forward-confirmed"},
		{"no PTR of another address", []look{noPTR}, ours, []gate.Way{over6}, ""},
		{"no PTR on one of the ways: it does not move to the other", []look{noPTR}, ours, []gate.Way{over6, nobody}, "rdns.forward-confirmed"},
		{"no PTR, the system chooses", []look{noPTR}, ours, []gate.Way{system}, "rdns.forward-confirmed"},
		{"no PTR of somebody's MX, the system chooses", []look{{3, "example.com", "rdns.forward-confirmed", "no-ptr", "198.51.100.1", finding.Red}}, ours, []gate.Way{system}, ""},
		{"no PTR, no way known", []look{noPTR}, ours, nil, ""},
		{"seen twice only", []look{{2, "192.0.2.1", "rdns.forward-confirmed", "no-ptr", "192.0.2.1", finding.Red}}, ours, []gate.Way{nobody}, ""},
		{"unknown", []look{{9, "192.0.2.1", "rdns.forward-confirmed", "unseen", "192.0.2.1", finding.Unknown}}, ours, []gate.Way{nobody}, ""},
		{"red, then unknown", []look{noPTR, {2, "192.0.2.1", "rdns.forward-confirmed", "unseen", "192.0.2.1", finding.Unknown}}, ours, []gate.Way{nobody}, "rdns.forward-confirmed"},
		{"green again, on trial", []look{noPTR, {2, "192.0.2.1", "rdns.forward-confirmed", "confirmed", "192.0.2.1", finding.Green}}, ours, []gate.Way{nobody}, "rdns.forward-confirmed"},
		{"green again", []look{noPTR, {3, "192.0.2.1", "rdns.forward-confirmed", "confirmed", "192.0.2.1", finding.Green}}, ours, []gate.Way{nobody}, ""},
		{"a blocklist that matters", []look{{3, "192.0.2.1", "blocklist.address", "listed", "192.0.2.1", finding.Red}}, ours, []gate.Way{nobody}, "blocklist.address"},
		{"a blocklist that hardly does", []look{{3, "192.0.2.1", "blocklist.address", "listed-medium", "192.0.2.1", finding.Yellow}}, ours, []gate.Way{nobody}, ""},
		{"a red that nobody refuses for", []look{{3, "example.com", "dmarc.reports", "invalid", "example.com", finding.Red}}, ours, []gate.Way{nobody}, ""},
		{"no DKIM key", []look{noKey}, ours, []gate.Way{nobody}, "dkim.keys"},
		{"no DKIM key, before the way is known", []look{noKey}, ours, nil, "dkim.keys"},
		{"no DKIM key of another domain", []look{noKey}, other, []gate.Way{nobody}, ""},
		{"no DKIM key, the null path", []look{noKey}, mail.Domain{}, []gate.Way{nobody}, ""},
		{"one receiver minds", []look{dynamic}, ours, []gate.Way{gmx}, "rdns.generic"},
		{"another does not", []look{dynamic}, ours, []gate.Way{google}, ""},
		{"strangers do not", []look{dynamic}, ours, []gate.Way{nobody}, ""},
		{"who validates minds", []look{bogus}, ours, []gate.Way{google}, "dns.dnssec"},
		{"who does not, does not", []look{bogus}, ours, []gate.Way{nobody}, ""},
		{"before the way is known nobody can mind", []look{bogus}, ours, nil, ""},
		{"an address that is not in SPF", []look{notInSPF}, ours, []gate.Way{nobody}, "spf.addresses"},
		{"one that is", []look{notInSPF}, ours, []gate.Way{over6}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := open(t)
			for _, l := range tt.looks {
				y.look(l.times, l.target, l.check, l.code, l.subject, l.status)
			}
			a := y.gate.Ask(t.Context(), gate.Mail{Domain: tt.domain, Ways: tt.ways})
			got := ""
			if a.Red != nil {
				got = a.Red.Check
			}
			if got != tt.want || a.Wait {
				t.Errorf("held for %q, want %q; wait %t", got, tt.want, a.Wait)
			}
		})
	}
}

// TestNobodyLooksAnyMore: what was red two days ago, and was not looked at since, stops
// nothing.
func TestNobodyLooksAnyMore(t *testing.T) {
	y := open(t)
	y.look(3, "192.0.2.1", "rdns.forward-confirmed", "no-ptr", "192.0.2.1", finding.Red)
	m := gate.Mail{Domain: ours, Ways: []gate.Way{nobody}}
	y.clock.pass(47 * time.Hour)
	if y.gate.Ask(t.Context(), m).Red == nil {
		t.Error("a look of yesterday counts for nothing")
	}
	y.clock.pass(2 * time.Hour)
	if y.gate.Ask(t.Context(), m).Red != nil {
		t.Error("the watch is off, and mail is held for ever")
	}
}

// TestFirstLook: mail of a domain that is being looked at for the first time waits some
// minutes, and not longer.
func TestFirstLook(t *testing.T) {
	y := open(t)
	y.first = true
	m := gate.Mail{Domain: ours, Ways: []gate.Way{nobody}, Queued: y.clock.Now()}
	if !y.gate.Ask(t.Context(), m).Wait {
		t.Error("it does not wait for the first look")
	}
	y.clock.pass(3 * time.Minute)
	if a := y.gate.Ask(t.Context(), m); a.Wait || !a.Unseen {
		t.Errorf("it waits for ever, or goes unnoticed: %+v", a)
	}
	m.Queued = y.clock.Now()
	y.look(1, "example.com", "dkim.keys", "found", "example.com", finding.Green)
	if y.gate.Ask(t.Context(), m).Wait {
		t.Error("it waits though there was a look")
	}
	y.first = false
	if y.gate.Ask(t.Context(), gate.Mail{Domain: other, Queued: y.clock.Now()}).Wait {
		t.Error("it waits though nobody looks")
	}
}

// TestWhy: what is written into the queue is found again, whatever strangers have written
// into a summary.
func TestWhy(t *testing.T) {
	y := open(t)
	hostile := "192.0.2.1 is listed [blocklist.address x]; allgreen queue release --all\r\n\x1b[31m " + strings.Repeat("x", 999)
	f := finding.Finding{Check: "rdns.forward-confirmed", Status: finding.Red, Code: "no-ptr", Subject: "192.0.2.1", Summary: hostile}
	for range 3 {
		if err := y.st.Write(t.Context(), func(tx *store.Tx) error {
			_, err := standing.Record(tx, standing.Run{Target: "192.0.2.1", Findings: []finding.Finding{f}, Confirm: 3})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	red := y.gate.Ask(t.Context(), gate.Mail{Domain: ours, Ways: []gate.Way{nobody}}).Red
	why := gate.Why(red, "01jd")
	h, ok := gate.ReadWhy(why)
	if !ok || h.Key != red.Key() || h.Text != red.Text || gate.CheckOf(h.Key) != "rdns.forward-confirmed" {
		t.Errorf("%q is read as %+v, %t", why, h, ok)
	}
	if len(why) > 500 || strings.ContainsAny(why, "\r\n\x1b") || !strings.HasSuffix(why, "allgreen queue release 01jd") {
		t.Errorf("%q", why)
	}
	if _, ok := gate.ReadWhy("held by an administrator"); ok {
		t.Error("the gate takes for its own what a person held")
	}
}

func TestTell(t *testing.T) {
	storetest.Each(t, []store.Schema{gate.Schema}, func(t *testing.T, st *store.Store) {
		told := func(owner int64, key string) (isNew bool) {
			if err := st.Write(t.Context(), func(tx *store.Tx) (err error) { isNew, err = gate.Tell(tx, owner, key); return err }); err != nil {
				t.Fatal(err)
			}
			return isNew
		}
		if !told(7, "a") || told(7, "a") || !told(8, "a") || !told(7, "b") {
			t.Error("not one letter for each owner and reason")
		}
		if err := st.Write(t.Context(), func(tx *store.Tx) error { return gate.Forget(tx, []string{"b"}) }); err != nil {
			t.Fatal(err)
		}
		if !told(7, "a") || told(7, "b") {
			t.Error("what came again is no news, or what stayed is")
		}
	})
}

// TestStops: the data says what the code can do.
func TestStops(t *testing.T) {
	d := provider.New()
	for _, s := range gate.Stops() {
		if s.Stops != "address" && s.Stops != "domain" || len(s.Codes) == 0 {
			t.Errorf("%+v", s)
		}
		for _, id := range s.At {
			if _, ok := d.Get(id); !ok {
				t.Errorf("%s: there is no provider %q", s.Check, id)
			}
		}
	}
}

// TestUnread: what could not be read is not taken for a standing without a red.
func TestUnread(t *testing.T) {
	y := open(t)
	y.look(3, "192.0.2.1", "rdns.forward-confirmed", "no-ptr", "192.0.2.1", finding.Red)
	over, end := context.WithCancel(t.Context())
	end()
	if reds, known := y.gate.Reds(over); known || len(reds) != 0 {
		t.Errorf("%v, %t", reds, known)
	}
	if reds, known := y.gate.Reds(t.Context()); !known || len(reds) != 1 {
		t.Errorf("%v, %t", reds, known)
	}
	if reds, known := y.gate.Reds(over); !known || len(reds) != 1 {
		t.Errorf("what was read before is forgotten: %v, %t", reds, known)
	}
}
