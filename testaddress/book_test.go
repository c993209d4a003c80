package testaddress_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/testaddress"
)

var ours = mail.MustParseDomain("ours.example")

// clock stands still until somebody moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// desk is a book with a clock, whose judge notes what it is shown.
type desk struct {
	*testaddress.Book
	t     *testing.T
	store *store.Store
	clock *clock
	seen  chan judged
}

type judged struct {
	known bool
	raw   string
}

func newDesk(t *testing.T, st *store.Store) *desk {
	d := &desk{t: t, store: st, clock: &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}, seen: make(chan judged, 10)}
	d.Book = testaddress.New(testaddress.Options{Store: st, Now: d.clock.Now, Domain: func() mail.Domain { return ours },
		Judge: func(_ context.Context, a *testaddress.Arrival, raw []byte) (testaddress.Verdict, error) {
			d.seen <- judged{a.Known() != nil, string(raw)}
			return testaddress.Verdict{Report: finding.NewReport(a.To, []finding.Finding{{Check: "spf.message", Status: finding.Green, Code: "pass"}})}, nil
		}})
	return d
}

// run judges until the test ends.
func (d *desk) run() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	d.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			d.t.Error(err)
		}
	})
}

func (d *desk) find(address string) (err error) {
	to := mail.MustParseAddress(address)
	_ = d.store.Read(d.t.Context(), func(tx *store.Tx) error {
		err = d.Find(tx, to)
		return nil
	})
	return err
}

// put takes a message in.
func (d *desk) put(address, text string) error {
	spool := d.store.NewSpool()
	defer spool.Close()
	if _, err := spool.WriteString(text); err != nil {
		d.t.Fatal(err)
	}
	a := &testaddress.Arrival{Trace: mail.NewTraceID(d.clock.Now()), Time: d.clock.Now(), Client: netip.MustParseAddr("192.0.2.1"), From: "<>", To: address}
	a.Meet(smtp.Peer{HELO: "mail.sender.example", EHLO: true}, &mailauth.Results{})
	header, _, _ := strings.Cut(text, "\r\n\r\n")
	return d.store.Write(d.t.Context(), func(tx *store.Tx) error {
		body, err := tx.PutBody(spool)
		if err != nil {
			return err
		}
		return d.Put(tx, mail.MustParseAddress(address), a, header, body)
	})
}

func (d *desk) make() testaddress.Address {
	a, err := d.Make(d.t.Context(), netip.Addr{})
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

// await waits until so many messages are judged.
func (d *desk) await(id string, verdicts int) testaddress.Address {
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	for {
		a, err := d.Await(ctx, id, testaddress.MaxMessages, verdicts-1)
		if err != nil || ctx.Err() != nil {
			d.t.Fatal(err, ctx.Err())
		}
		if a.Judged() >= verdicts {
			return a
		}
	}
}

const letter = "From: joe@sender.example\r\nSubject: try\r\n\r\nHello.\r\n"

func TestLife(t *testing.T) {
	storetest.Each(t, []store.Schema{testaddress.Schema}, func(t *testing.T, st *store.Store) {
		d := newDesk(t, st)
		a := d.make()
		other := d.make()
		if a.ID == other.ID || a.Address == other.Address || strings.Contains(a.Address, a.ID[:8]) {
			t.Errorf("the secrets are not secret: %+v %+v", a, other)
		}
		if err := d.find(strings.ToUpper(a.Address[:8]) + a.Address[8:]); err != nil {
			t.Error("a local part in another case:", err)
		}
		d.run()
		if err := d.put(a.Address, letter); err != nil {
			t.Fatal(err)
		}
		got := d.await(a.ID, 1)
		m := got.Messages[0]
		if m.Number != 1 || m.Again || m.Report.Verdict != finding.Green || m.Arrival.HELO != "mail.sender.example" || !strings.Contains(m.Header, "Subject: try") {
			t.Errorf("the verdict is %+v", m)
		}
		if seen := <-d.seen; !seen.known || seen.raw != letter {
			t.Errorf("the judge saw %+v", seen)
		}
		if _, err := d.store.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		var bodies int
		if err := d.store.Read(t.Context(), func(tx *store.Tx) error {
			return tx.Row(`SELECT COUNT(*) FROM store_body WHERE size > 0`).Scan(&bodies)
		}); err != nil || bodies != 0 {
			t.Errorf("%d messages are left after their verdict, %v", bodies, err)
		}

		for range testaddress.MaxMessages - 1 {
			if err := d.put(a.Address, letter); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.find(a.Address); !errors.Is(err, testaddress.ErrFull) {
			t.Error("one message too many is found:", err)
		}
		if err := d.put(a.Address, letter); !errors.Is(err, testaddress.ErrFull) {
			t.Error("one message too many is taken:", err)
		}
		d.await(a.ID, testaddress.MaxMessages)

		d.clock.move(testaddress.Takes)
		if err := d.find(other.Address); !errors.Is(err, testaddress.ErrOver) {
			t.Error("after an hour:", err)
		}
		if got, err := d.Look(t.Context(), other.ID); err != nil || got.Open {
			t.Errorf("after an hour the page shows %+v, %v", got, err)
		}
		d.clock.move(testaddress.Keeps)
		if _, err := d.Look(t.Context(), a.ID); !errors.Is(err, testaddress.ErrNone) {
			t.Error("after thirty days:", err)
		}
		if err := d.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		if err := d.find(a.Address); !errors.Is(err, testaddress.ErrNone) {
			t.Error("after the sweep:", err)
		}
	})
}

// TestProcessGone has another process judge what the first one took: it has not seen the
// session, and says so.
func TestProcessGone(t *testing.T) {
	st := storetest.Open(t, testaddress.Schema)
	first := newDesk(t, st)
	a := first.make()
	if err := first.put(a.Address, letter); err != nil {
		t.Fatal(err)
	}
	second := newDesk(t, st)
	second.clock = first.clock
	if err := second.JudgeLeft(t.Context()); err != nil || len(second.seen) != 0 {
		t.Errorf("it took what another one works on: %d, %v", len(second.seen), err)
	}
	first.clock.move(10 * time.Minute)
	second = newDesk(t, st)
	second.clock.move(10 * time.Minute)
	if err := second.JudgeLeft(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := second.Look(t.Context(), a.ID)
	if err != nil || got.Judged() != 1 || !got.Messages[0].Again {
		t.Errorf("it says %+v, %v", got, err)
	}
	if seen := <-second.seen; seen.known {
		t.Error("nobody could know the session")
	}
	first.run() // and finds that it is done
	first.await(a.ID, 1)
}

// TestWaitingIsBounded has nobody judge, and messages come.
func TestWaitingIsBounded(t *testing.T) {
	d := newDesk(t, storetest.Open(t, testaddress.Schema))
	var busy bool
	for range 20 {
		a := d.make()
		for range testaddress.MaxMessages {
			switch err := d.find(a.Address); {
			case errors.Is(err, testaddress.ErrBusy):
				busy = true
			case err != nil:
				t.Fatal(err)
			}
			if busy {
				return
			}
			if err := d.put(a.Address, letter); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("a hundred messages wait")
}

func TestIsLike(t *testing.T) {
	for address, want := range map[string]bool{
		"test-abcdefghij234567abcd@ours.example":  true,
		"TEST-ABCDEFGHIJ234567abcd@ours.example":  true,
		"test-abcdefghij234567abc@ours.example":   false,
		"test-abcdefghij234567abcde@ours.example": false,
		"test-abcdefghij23456_abcd@ours.example":  false,
		"test-@ours.example":                      false,
		"test@ours.example":                       false,
	} {
		if got := testaddress.IsLike(mail.MustParseAddress(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestStrangersMakeFew(t *testing.T) {
	d := newDesk(t, storetest.Open(t, testaddress.Schema))
	tries := func(ip string) (made int) {
		for range 20 {
			switch _, err := d.Make(t.Context(), netip.MustParseAddr(ip)); {
			case err == nil:
				made++
			case !errors.Is(err, testaddress.ErrTooMany):
				t.Fatal(err)
			}
		}
		return made
	}
	if n := tries("192.0.2.1"); n != 10 {
		t.Errorf("one client made %d", n)
	}
	if n := tries("2001:db8::1") + tries("2001:db8:0:42::2"); n != 10 {
		t.Errorf("one customer made %d", n)
	}
	if n := tries("192.0.2.2"); n != 10 {
		t.Errorf("its neighbour made %d", n)
	}
	d.make() // one of ours is not counted
	d.clock.move(time.Hour)
	if n := tries("192.0.2.1"); n != 10 {
		t.Errorf("in the next hour one client made %d", n)
	}
}
