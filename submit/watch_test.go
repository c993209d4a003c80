package submit_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

// TestWatchData holds the thresholds to what the code knows.
func TestWatchData(t *testing.T) {
	w := submit.DefaultWatch()
	known := map[string]bool{"volume": true, "strangers": true, "new-network": true, "networks": true, "unusual-hour": true, "refusals": true}
	for _, s := range w.Signals {
		if !known[s.ID] || s.Points <= 0 || s.Says == "" {
			t.Errorf("signal %+v", s)
		}
		if s.ID == "strangers" && (s.Minutes == 0 || s.AtLeast == 0) || s.ID == "refusals" && s.Minutes == 0 {
			t.Errorf("signal %+v looks nowhere", s)
		}
		if strings.Contains(s.Says, "{") && !strings.Contains(s.Says, "{n}") && !strings.Contains(s.Says, "{network}") {
			t.Errorf("signal %+v says what nobody fills in", s)
		}
	}
	for _, kind := range []string{"login", "device", "token"} {
		if r := w.Limits[kind]; r.Hour <= 0 || r.Day < r.Hour {
			t.Errorf("limits of a %s: %+v", kind, r)
		}
	}
	if w.HoldAt <= 0 {
		t.Error("nothing is ever held")
	}
}

// A pattern is messages as they were recorded, a line each: when, from where, to
// how many recipients, and of what kind they are.
type pattern struct {
	messages []recorded
}

type recorded struct {
	at      time.Duration
	client  string
	to      int
	friends bool
}

// readPattern reads testdata: "+00:01:10 203.0.113.9 5 strangers", "*3" in front
// repeats the line.
func readPattern(t *testing.T, name string) (p pattern) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		var h, m, s int
		var r recorded
		var kind string
		if _, err := fmt.Sscanf(line, "+%d:%d:%d %s %d %s", &h, &m, &s, &r.client, &r.to, &kind); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		r.at = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
		r.friends = kind == "friends"
		p.messages = append(p.messages, r)
	}
	return p
}

// habit lets somebody send for four weeks as it usually does: some messages on each
// working day, to the same people, from one place.
func (h *house) habit(p account.Principal, client string, perDay, to int) {
	h.t.Helper()
	start := noon.AddDate(0, 0, -25)
	h.ok(h.store.Write(h.t.Context(), func(tx *store.Tx) error {
		for day := range 25 {
			for n := range perDay {
				slot := start.AddDate(0, 0, day).Add(time.Duration(n%8)*time.Hour-3*time.Hour).Unix() / 300
				if _, err := tx.Exec(`INSERT INTO submit_tally (principal, slot, messages, recipients, remote, strangers, refused) VALUES ($1, $2, 1, $3, $3, 0, 0)`,
					p.Name, slot, to); err != nil {
					return err
				}
			}
		}
		_, err := tx.Exec(`INSERT INTO submit_network (principal, network, since, last) VALUES ($1, $2, $3, $3)`,
			p.Name, netip.PrefixFrom(netip.MustParseAddr(client), 24).Masked().String(), store.Micros(start))
		return err
	}))
}

// replay sends a recorded pattern from a time on, and gives how many messages went
// out, and how many were held or refused.
func (h *house) replay(p account.Principal, start time.Time, all pattern) (out, held, refused int) {
	h.t.Helper()
	stranger := 0
	for _, r := range all.messages {
		h.clock.set(start.Add(r.at))
		var to []queue.Recipient
		for i := range r.to {
			name := fmt.Sprintf("friend%d@example.net", i)
			if !r.friends {
				stranger++
				name = fmt.Sprintf("stranger%d@example.org", stranger)
			}
			to = append(to, queue.Recipient{To: address(name)})
		}
		id, err := h.Submit(h.t.Context(), submit.Submission{Principal: p, From: p.Senders[0].Address, To: to,
			Client: netip.MustParseAddr(r.client), Body: letter("From: "+p.Senders[0].Address.String(), "", "x")})
		if err != nil {
			refused++
			continue
		}
		if h.queued(id)[0].State == queue.Held {
			held++
		} else {
			out++
		}
	}
	return out, held, refused
}

func TestStolenPasswordIsHeld(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna := h.anna()
		h.habit(anna, "192.0.2.10", 8, 2)
		night := time.Date(2026, 11, 3, 2, 10, 0, 0, time.UTC)
		_, _, _ = h.replay(anna, noon, readPattern(t, "friends.txt")) // her last ordinary messages
		if n := h.heldNow(anna); n != 0 {
			t.Fatalf("%d of her own messages are held", n)
		}
		out, held, _ := h.replay(anna, night, readPattern(t, "stolen.txt"))
		if out > 5 || held < 25 {
			t.Errorf("%d messages went out before the rest, %d, was held", out, held)
		}
		if len(h.alerts) != 1 || h.alerts[0].Principal != anna.Name || h.alerts[0].Held < out {
			t.Fatalf("alerts %+v", h.alerts)
		}
		t.Logf("%d went out and were called back; held: %s", out, h.alerts[0].Why)
		waiting, err := h.queue.List(t.Context(), queue.Selection{Origin: anna.Name, States: []queue.State{queue.Waiting}}, 0, 1000)
		h.ok(err)
		if len(waiting) != 0 {
			t.Errorf("%d of its messages still wait to be sent", len(waiting))
		}
		h.dropAndGoOn(anna, night.Add(12*time.Hour))
	})
}

func (h *house) heldNow(p account.Principal) int {
	h.t.Helper()
	jobs, err := h.queue.List(h.t.Context(), queue.Selection{Origin: p.Name, States: []queue.State{queue.Held}}, 0, 10000)
	h.ok(err)
	return len(jobs)
}

// dropAndGoOn is what the administrator does next, and the owner after that.
func (h *house) dropAndGoOn(p account.Principal, at time.Time) {
	h.t.Helper()
	h.clock.set(at)
	n, err := h.Drop(h.t.Context(), p.Name)
	h.ok(err)
	if n == 0 || h.heldNow(p) != 0 {
		h.t.Errorf("%d dropped, %d left", n, h.heldNow(p))
	}
	out, held, refused := h.replay(p, at, pattern{[]recorded{{0, "192.0.2.10", 2, true}, {time.Minute, "192.0.2.10", 1, false}}})
	if out != 2 {
		h.t.Errorf("after it was freed: %d out, %d held, %d refused", out, held, refused)
	}
}

func TestFreedMailGoesOut(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	anna := h.anna()
	h.habit(anna, "192.0.2.10", 8, 2)
	night := time.Date(2026, 11, 3, 2, 10, 0, 0, time.UTC)
	_, held, _ := h.replay(anna, night, readPattern(t, "stolen.txt"))
	if held == 0 {
		t.Fatal("nothing is held")
	}
	n, err := h.Free(t.Context(), anna.Name)
	h.ok(err)
	if n < held || h.heldNow(anna) != 0 {
		t.Errorf("%d of %d go out, %d are held", n, held, h.heldNow(anna))
	}
	// It was she, and she goes on at once: what was freed is not held again.
	out, held, _ := h.replay(anna, h.clock.Now(), pattern{[]recorded{{time.Second, "203.0.113.9", 1, false}, {time.Minute, "203.0.113.9", 2, false}}})
	if out != 2 {
		t.Errorf("after it was freed: %d out, %d held", out, held)
	}
}

func TestOrdinaryMailIsNotHeld(t *testing.T) {
	token := account.Principal{Kind: account.APIToken, Name: "token:news", Senders: []account.Sender{{Address: address("bob@example.com")}},
		Limits: account.Limits{PerHour: 5000, PerDay: 20000}}
	for _, tt := range []struct {
		name, file string
		who        func(*house) account.Principal
		at         time.Time
	}{
		{"a newsletter by its usual token", "newsletter.txt", func(h *house) account.Principal {
			h.habit(token, "192.0.2.20", 1, 900)
			return token
		}, noon},
		{"the first newsletter of a new token", "newsletter.txt", func(*house) account.Principal { return token }, noon},
		{"a new account", "newcomer.txt", (*house).anna, noon},
		{"a traveller at night", "traveller.txt", func(h *house) account.Principal {
			h.habit(h.anna(), "192.0.2.10", 8, 2)
			return h.anna()
		}, time.Date(2026, 11, 3, 2, 10, 0, 0, time.UTC)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, storetest.Open(t, schemas...))
			out, held, refused := h.replay(tt.who(h), tt.at, readPattern(t, tt.file))
			if held != 0 || refused != 0 {
				t.Errorf("%d out, %d held, %d refused; %+v", out, held, refused, h.alerts)
			}
		})
	}
}

func TestBurstOfRefusalsIsHeld(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna := h.anna()
		for range 9 {
			h.ok(h.NoteRefusals(t.Context(), anna.Name, 1))
		}
		if len(h.alerts) != 0 {
			t.Fatalf("too early: %+v", h.alerts)
		}
		h.ok(h.NoteRefusals(t.Context(), anna.Name, 1))
		if len(h.alerts) != 1 || !strings.Contains(h.alerts[0].Why, "10 of its recipients were refused") {
			t.Errorf("alerts %+v", h.alerts)
		}
		id, err := h.Submit(t.Context(), submit.Submission{Principal: anna, From: address("anna@example.com"), To: recipients("x@example.net"), Body: letter(from, "", "x")})
		h.ok(err)
		if j := h.queued(id)[0]; j.State != queue.Held || j.HeldWhy == "" {
			t.Errorf("sent on: %+v", j)
		}
		_, err = h.Submit(t.Context(), submit.Submission{Principal: anna, From: address("anna@example.com"), To: recipients("bob@example.com"), Body: letter(from, "", "x")})
		refused(t, err, "450 4.7.1")
	})
}

func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna := h.anna()
		anna.Limits = account.Limits{PerHour: 4, PerDay: 6}
		send := func(n int) error {
			var to []string
			for i := range n {
				to = append(to, fmt.Sprintf("f%d@example.net", i))
			}
			_, err := h.Submit(t.Context(), submit.Submission{Principal: anna, From: address("anna@example.com"), To: recipients(to...), Body: letter(from, "", "x")})
			return err
		}
		h.ok(send(3))
		refused(t, send(2), "450 4.7.28 You may write to 4 recipients an hour")
		h.ok(send(1))
		h.clock.pass(65 * time.Minute)
		refused(t, send(3), "450 4.7.28 You may write to 6 recipients a day")
		h.ok(send(2))

		again := submit.New(h.options()) // another process, or this one after a restart
		_, err := again.Submit(t.Context(), submit.Submission{Principal: anna, From: address("anna@example.com"), To: recipients("x@example.net"), Body: letter(from, "", "x")})
		refused(t, err, "450 4.7.28")
		h.ok(h.Sweep(t.Context()))
		h.clock.pass(25 * time.Hour)
		h.ok(send(4))
	})
}

func TestSweepFoldsWithoutLosing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna := h.anna()
		for i := range 5 {
			_, err := h.Submit(t.Context(), submit.Submission{Principal: anna, From: address("anna@example.com"), To: recipients(fmt.Sprintf("x%d@example.net", i)), Body: letter(from, "", "x")})
			h.ok(err)
		}
		count := func() (rows, recipients int) {
			h.ok(h.store.Read(t.Context(), func(tx *store.Tx) error {
				return tx.Row(`SELECT COUNT(*), COALESCE(SUM(recipients), 0) FROM submit_tally`).Scan(&rows, &recipients)
			}))
			return rows, recipients
		}
		h.clock.pass(time.Hour)
		for range 2 {
			h.ok(h.Sweep(t.Context()))
			if rows, n := count(); rows != 1 || n != 5 {
				t.Errorf("%d rows of %d recipients", rows, n)
			}
		}
		h.clock.pass(30 * 24 * time.Hour)
		h.ok(h.Sweep(t.Context()))
		if rows, _ := count(); rows != 0 {
			t.Errorf("%d rows left after a month", rows)
		}
	})
}

func TestWatchIsData(t *testing.T) {
	var w submit.Watch
	if err := json.Unmarshal([]byte(`{"hold_at": 1, "signals": [{"id": "volume", "points": 1, "at_least": 2, "says": "{n}"}]}`), &w); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, storetest.Open(t, schemas...), func(o *submit.Options) { o.Watch = &w })
	out, held, _ := h.replay(h.anna(), noon, pattern{[]recorded{{0, "192.0.2.1", 1, true}, {0, "192.0.2.1", 1, true}}})
	if out != 1 || held != 1 {
		t.Errorf("%d out, %d held", out, held)
	}
}
