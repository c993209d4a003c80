package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: start} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is a store with one queue on it.
type house struct {
	t     *testing.T
	st    *store.Store
	q     *queue.Queue
	clock *clock
	n     int
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	storetest.Each(t, []store.Schema{queue.Schema}, func(t *testing.T, st *store.Store) {
		h := &house{t: t, st: st, clock: newClock()}
		h.q = queue.New(st, queue.Options{Clock: h.clock.Now, Worker: "first"})
		if err := h.q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		f(t, h)
	})
}

func (h *house) ctx() context.Context { return h.t.Context() }

func addresses(list string) []queue.Recipient {
	var to []queue.Recipient
	for _, a := range strings.Fields(list) {
		to = append(to, queue.Recipient{To: mail.MustParseAddress(a)})
	}
	return to
}

// put queues a message for the addresses.
func (h *house) put(to string, change ...func(*queue.Message)) mail.TraceID {
	h.t.Helper()
	h.n++
	m := queue.Message{
		Trace: mail.TraceID(fmt.Sprintf("trace%05d", h.n)), Size: 8, Origin: "anna@example.com", Owner: 7,
		From: mail.MustParseAddress("anna@example.com"), Recipients: addresses(to),
	}
	for _, f := range change {
		f(&m)
	}
	sp := h.st.NewSpool()
	defer sp.Close()
	fmt.Fprint(sp, "a: b\r\n\r\n")
	err := h.st.Write(h.ctx(), func(tx *store.Tx) (err error) {
		if m.Body, err = tx.PutBody(sp); err != nil {
			return err
		}
		return queue.Put(tx, h.clock.Now(), m)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return m.Trace
}

func (h *house) claim(limit int) []queue.Job { return h.claimWant(queue.Want{Limit: limit}) }

func (h *house) claimWant(w queue.Want) []queue.Job {
	h.t.Helper()
	jobs, err := h.q.Claim(h.ctx(), w)
	if err != nil {
		h.t.Fatal(err)
	}
	return jobs
}

func (h *house) settle(outcomes ...queue.Outcome) []bool {
	h.t.Helper()
	var settled []bool
	err := h.st.Write(h.ctx(), func(tx *store.Tx) (err error) {
		settled, err = h.q.Settle(tx, outcomes...)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return settled
}

func (h *house) stats() queue.Stats {
	h.t.Helper()
	s, err := h.q.Stats(h.ctx())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func recipients(jobs []queue.Job) []string {
	var all []string
	for _, j := range jobs {
		line := j.Destination + ":"
		for _, r := range j.Recipients {
			line += " " + r.To.String()
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestGroupsByDestination(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.put("a@one.example b@two.example c@one.example d@[192.0.2.7] e@[192.0.2.7]")
		got := h.claim(10)
		want(t, "jobs", recipients(got), []string{
			"[192.0.2.7]: d@[192.0.2.7] e@[192.0.2.7]", "one.example: a@one.example c@one.example", "two.example: b@two.example"})
		want(t, "claimed again", len(h.claim(10)), 0)
		want(t, "waiting", h.stats().Waiting, 3)
	})
}

func TestManyRecipientsAreSeveralJobs(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		var to []queue.Recipient
		for i := range 1201 {
			to = append(to, queue.Recipient{To: mail.MustParseAddress(fmt.Sprintf("u%d@one.example", i))})
		}
		for i := range 250 {
			to = append(to, queue.Recipient{To: mail.MustParseAddress(fmt.Sprintf("u@d%d.example", i))})
		}
		h.put("x@x.example", func(m *queue.Message) { m.Recipients = to })
		jobs := h.claim(1024)
		n := 0
		for _, j := range jobs {
			n += len(j.Recipients)
			if len(j.Recipients) > 500 {
				t.Errorf("a job of %d recipients", len(j.Recipients))
			}
		}
		want(t, "recipients", n, 1451)
		want(t, "jobs", len(jobs), 253)
	})
}

// TestEnvelopeSurvives compares everything that was put with what is claimed.
func TestEnvelopeSurvives(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.put(`"odd,one"@bücher.example`, func(m *queue.Message) {
			m.From = mail.Address{}
			m.EnvelopeID, m.Return, m.RequireTLS, m.SMTPUTF8, m.EightBit = "id 1+", "HDRS", true, true, true
			m.Egress.UnmarshalText([]byte("2001:db8::7"))
			m.Recipients[0].Notify = []string{"SUCCESS", "DELAY"}
			m.Recipients[0].Original = "rfc822;x@example.com"
		})
		jobs := h.claim(1)
		if len(jobs) != 1 {
			t.Fatal("nothing claimed")
		}
		j := jobs[0]
		if !j.From.IsZero() || j.EnvelopeID != "id 1+" || j.Return != "HDRS" || !j.RequireTLS || !j.SMTPUTF8 || !j.EightBit ||
			j.Egress.String() != "2001:db8::7" || j.Trace != id || j.Owner != 7 || j.Origin != "anna@example.com" || j.Size != 8 ||
			!j.Queued.Equal(start) || j.Attempts != 0 || j.Destination != "xn--bcher-kva.example" {
			t.Errorf("claimed %+v", j)
		}
		r := j.Recipients[0]
		want(t, "recipient", r.To.String(), `"odd,one"@xn--bcher-kva.example`)
		want(t, "orcpt", r.Original, "rfc822;x@example.com")
		if !r.WantsSuccess() || !r.WantsDelay() || r.WantsFailure() {
			t.Errorf("NOTIFY %v is not honoured", r.Notify)
		}
	})
}

func TestPutRefuses(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for name, m := range map[string]queue.Message{
			"no recipient": {Trace: "x"},
			"no trace":     {Recipients: addresses("a@one.example")},
			"no domain":    {Trace: "x", Recipients: []queue.Recipient{{To: mail.Address{Local: "postmaster"}}}},
		} {
			err := h.st.Write(h.ctx(), func(tx *store.Tx) error { return queue.Put(tx, start, m) })
			if !errors.Is(err, queue.ErrMessage) {
				t.Errorf("%s: %v", name, err)
			}
		}
		want(t, "waiting", h.stats(), queue.Stats{})
	})
}

func TestSettle(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.put("a@one.example b@one.example")
		h.put("a@two.example")
		jobs := h.claim(10)
		due := start.Add(5 * time.Minute)
		left := jobs[0].Recipients[1:]
		left[0].Reply, left[0].Host = "450 4.2.1 busy", "mx.one.example"
		settled := h.settle(
			queue.Outcome{Job: &jobs[0], Left: left, Due: due, Tried: start, Reply: "450 4.2.1 busy", Transcript: "S: 220 hello"},
			queue.Outcome{Job: &jobs[1]})
		want(t, "settled", settled, []bool{true, true})
		want(t, "stats", h.stats(), queue.Stats{Waiting: 1, Deferred: 1, Oldest: start})
		want(t, "too early", len(h.claim(10)), 0)
		h.clock.add(5 * time.Minute)
		again := h.claim(10)
		want(t, "again", recipients(again), []string{"one.example: b@one.example"})
		j := again[0]
		if j.Attempts != 1 || !j.Tried.Equal(start) || j.LastReply != "450 4.2.1 busy" ||
			j.Recipients[0].Reply != "450 4.2.1 busy" || j.Recipients[0].Host != "mx.one.example" {
			t.Errorf("%+v", j)
		}
		h.settle(queue.Outcome{Job: &j})
		want(t, "stats", h.stats(), queue.Stats{})
	})
}

// TestLeasesOfOneAreNotSettledByAnother covers the worker that comes back from the
// dead.
func TestLeasesOfOneAreNotSettledByAnother(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.put("a@one.example")
		h.put("a@two.example")
		old := h.claim(10)
		must(t, h.q.Leave(h.ctx()))
		second := queue.New(h.st, queue.Options{Clock: h.clock.Now, Worker: "second"})
		must(t, second.Start(h.ctx()))
		got, err := second.Claim(h.ctx(), queue.Want{Limit: 1})
		must(t, err)
		want(t, "taken over", len(got), 1)
		settled := h.settle(queue.Outcome{Job: &old[0]}, queue.Outcome{Job: &old[1], Left: old[1].Recipients, Due: start})
		want(t, "settled", settled, []bool{false, false})
		want(t, "waiting", h.stats().Waiting, 2)
		if _, err := h.q.Claim(h.ctx(), queue.Want{Limit: 1}); !errors.Is(err, queue.ErrNotStarted) {
			t.Errorf("claim after Leave: %v", err)
		}
	})
}

func TestRestartTakesOverAtOnce(t *testing.T) {
	st := storetest.Open(t, queue.Schema)
	h := &house{t: t, st: st, clock: newClock()}
	h.q = queue.New(st, queue.Options{Clock: h.clock.Now})
	must(t, h.q.Start(t.Context()))
	h.put("a@one.example")
	want(t, "claimed", len(h.claim(1)), 1)
	h.q = queue.New(st, queue.Options{Clock: h.clock.Now})
	must(t, h.q.Start(t.Context()))
	want(t, "claimed after the restart", len(h.claim(1)), 1)
}

func TestParkedLanes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for range 5 {
			h.put("a@slow.example")
		}
		h.put("a@other.example")
		jobs := h.claim(16)
		want(t, "claimed", len(jobs), 6)
		must(t, h.q.Park(h.ctx(), "slow", jobs[2:5]))
		must(t, h.q.Return(h.ctx(), jobs[5:]))
		want(t, "due", recipients(h.claim(16)), []string{"other.example: a@other.example"})
		lanes, err := h.q.Lanes(h.ctx())
		must(t, err)
		want(t, "lanes", lanes, []string{"slow"})
		parked := h.claimWant(queue.Want{Lanes: map[string]int{"slow": 2}})
		want(t, "parked, the oldest first", []int64{parked[0].ID, parked[1].ID}, []int64{jobs[2].ID, jobs[3].ID})
		h.clock.add(5 * time.Hour)
		must(t, h.q.Tend(h.ctx()))
		want(t, "looked at again", len(h.claim(16)), 1)
	})
}

func TestHeldWaitForEver(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		var alerts []int
		h.q = queue.New(h.st, queue.Options{Clock: h.clock.Now, Alert: func(_ context.Context, held int) { alerts = append(alerts, held) }})
		must(t, h.q.Start(h.ctx()))
		id := h.put("a@one.example", func(m *queue.Message) { m.Held, m.HeldWhy = true, "anna sends too much" })
		h.clock.add(1000 * time.Hour)
		must(t, h.q.Tend(h.ctx()))
		must(t, h.q.Tend(h.ctx()))
		want(t, "claimed", len(h.claim(1)), 0)
		want(t, "alerts", alerts, []int{1})
		want(t, "stats", h.stats(), queue.Stats{Held: 1})
		c, err := h.q.Release(h.ctx(), queue.Selection{Trace: id})
		must(t, err)
		want(t, "released", c, queue.Changed{Jobs: 1})
		want(t, "claimed", len(h.claim(1)), 1)
	})
}

func TestChanges(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		var recorded []string
		h.q = queue.New(h.st, queue.Options{Clock: h.clock.Now, Record: func(_ *store.Tx, c queue.Change, why string, jobs []queue.Job) error {
			recorded = append(recorded, fmt.Sprint(c, " ", len(jobs), " ", why))
			return nil
		}})
		must(t, h.q.Start(h.ctx()))
		bert := func(m *queue.Message) { m.Origin = "bert@example.com" }
		h.put("a@one.example a@two.example")
		h.put("a@one.example", bert)
		h.put("a@three.example", bert)
		busy := h.claim(1)
		c, err := h.q.Hold(h.ctx(), queue.Selection{Destination: "one.example"}, "one is being moved")
		must(t, err)
		want(t, "held by destination", c, queue.Changed{Jobs: 1, Busy: 1})
		h.settle(queue.Outcome{Job: &busy[0], Left: busy[0].Recipients, Due: start, Tried: start, Reply: "451 no"})
		want(t, "held", h.stats().Held, 2)
		c, err = h.q.Drop(h.ctx(), queue.Selection{Origin: "bert@example.com"})
		must(t, err)
		want(t, "dropped by origin", c, queue.Changed{Jobs: 2})
		c, err = h.q.Release(h.ctx(), queue.Selection{All: true})
		must(t, err)
		want(t, "released", c, queue.Changed{Jobs: 1})
		held, err := h.q.List(h.ctx(), queue.Selection{All: true, States: []queue.State{queue.Held}}, 0, 10)
		must(t, err)
		want(t, "still held", len(held), 0)
		if _, err := h.q.Drop(h.ctx(), queue.Selection{States: []queue.State{queue.Waiting}}); !errors.Is(err, queue.ErrSelection) {
			t.Errorf("an empty selection: %v", err)
		}
		want(t, "left", recipients(h.claim(10)), []string{"one.example: a@one.example", "two.example: a@two.example"})
		want(t, "recorded", recorded, []string{"held 1 one is being moved", "dropped 2 ", "released 1 "})
	})
}

func TestRetryComesBeforeItsTime(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.put("a@one.example")
		j := h.claim(1)
		h.settle(queue.Outcome{Job: &j[0], Left: j[0].Recipients, Due: start.Add(time.Hour), Tried: start, Reply: "x"})
		c, err := h.q.Retry(h.ctx(), queue.Selection{Trace: id})
		must(t, err)
		want(t, "changed", c, queue.Changed{Jobs: 1})
		got := h.claim(1)
		if len(got) != 1 || !got[0].Due.IsZero() {
			t.Errorf("claimed %+v, want one job that a person asked for", got)
		}
	})
}

func TestWhy(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.put("a@one.example")
		why := func() queue.Reason {
			t.Helper()
			r, err := h.q.Why(h.ctx(), queue.Selection{Trace: id}, 10)
			if err != nil || len(r) != 1 {
				t.Fatalf("%v, %v", r, err)
			}
			return r[0]
		}
		want(t, "new", why().Sentence, "It was accepted and waits for its first attempt, which is due now.")
		j := h.claim(1)
		want(t, "leased", why().Sentence, "It is being delivered to one.example at this moment.")
		long := strings.Repeat("C: RCPT TO:<somebody@one.example>\n", 10000) + "S: 450 the end"
		h.settle(queue.Outcome{Job: &j[0], Left: j[0].Recipients, Due: start.Add(30 * time.Hour), Tried: start,
			Reply: "mx.one.example said 450 4.2.1 busy", Transcript: "S: 220 the beginning\n" + long})
		r := why()
		want(t, "deferred", r.Sentence,
			"The attempt of 12:00:00 UTC did not succeed (mx.one.example said 450 4.2.1 busy); the next one, number 2, is at 2 March 18:00 UTC.")
		want(t, "next", r.Next.UTC(), start.Add(30*time.Hour))
		want(t, "last reply", r.LastReply, "mx.one.example said 450 4.2.1 busy")
		if !strings.HasPrefix(r.Transcript, "S: 220 the beginning\n") || !strings.HasSuffix(r.Transcript, "S: 450 the end") || len(r.Transcript) > 70<<10 {
			t.Errorf("transcript of %d octets: %.40q ... ", len(r.Transcript), r.Transcript)
		}
		_, err := h.q.Hold(h.ctx(), queue.Selection{Trace: id}, "too many refusals")
		must(t, err)
		want(t, "held", why().Sentence, "It is held until somebody releases or drops it: too many refusals.")
	})
}

func TestClockJumps(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.put("a@one.example")
		h.clock.add(240 * time.Hour) // the clock is wrong now
		j := h.claim(1)
		h.settle(queue.Outcome{Job: &j[0], Left: j[0].Recipients, Due: h.clock.Now().Add(time.Minute), Tried: h.clock.Now(), Reply: "x"})
		if h.q.Schedule().Expired(h.clock.Now(), j[0].Queued, 1) {
			t.Error("a message is given up after its first attempt, because the clock jumped")
		}
		h.clock.add(-240 * time.Hour) // and right again
		want(t, "before tending", len(h.claim(1)), 0)
		must(t, h.q.Tend(h.ctx()))
		want(t, "after tending", len(h.claim(1)), 1)
	})
}

// TestTwoWorkers lets two queues claim from one database at the same time: no job
// goes to both.
func TestTwoWorkers(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if h.st.Engine() == store.SQLite {
			t.Skip("the embedded engine has one process")
		}
		const n = 300
		for i := range n {
			h.put(fmt.Sprintf("a@d%d.example", i%7))
		}
		second := queue.New(h.st, queue.Options{Clock: h.clock.Now, Worker: "second"})
		must(t, second.Start(h.ctx()))
		var mu sync.Mutex
		claimed := map[int64]int{}
		var wg sync.WaitGroup
		for _, q := range []*queue.Queue{h.q, second, h.q, second} {
			wg.Go(func() {
				for {
					jobs, err := q.Claim(h.ctx(), queue.Want{Limit: 8})
					if err != nil {
						t.Error(err)
						return
					}
					if len(jobs) == 0 {
						return
					}
					mu.Lock()
					for _, j := range jobs {
						claimed[j.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for id, times := range claimed {
			if times != 1 {
				t.Errorf("job %d was claimed %d times", id, times)
			}
		}
		want(t, "claimed", len(claimed)+len(h.claim(1024)), n)
	})
}

// TestDeadWorkersAreTakenOver uses a short lease and the real time.
func TestDeadWorkersAreTakenOver(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if h.st.Engine() == store.SQLite {
			t.Skip("the embedded engine has one process")
		}
		h.put("a@one.example")
		want(t, "claimed", len(h.claim(1)), 1) // and never heard of again
		const lease = 200 * time.Millisecond
		second := queue.New(h.st, queue.Options{Clock: h.clock.Now, Worker: "second", Lease: lease})
		must(t, second.Start(h.ctx()))
		begin := time.Now()
		ctx, cancel := context.WithTimeout(h.ctx(), time.Minute)
		defer cancel()
		go second.Run(ctx)
		watch := h.st.Watch(queue.Topic)
		defer watch.Close()
		for {
			jobs, err := second.Claim(ctx, queue.Want{Limit: 1})
			must(t, err)
			if len(jobs) == 1 {
				break
			}
			select {
			case <-watch.C():
			case <-ctx.Done():
				t.Fatal("never taken over")
			}
		}
		if d := time.Since(begin); d < lease {
			t.Errorf("taken over after %s, before the lease of %s was over", d, lease)
		}
		for !second.Alive() { // on a busy machine a beat may come late
			if ctx.Err() != nil {
				t.Fatal("the living one does not know that it lives")
			}
			must(t, second.Beat(ctx))
		}
	})
}

func TestScheduleSpreadsAndGrows(t *testing.T) {
	s := queue.Schedule{}
	for n, around := range map[int]time.Duration{1: time.Minute, 5: 30 * time.Minute, 10: 4 * time.Hour, 50: 4 * time.Hour} {
		spread := map[time.Duration]bool{}
		for range 20 {
			d := s.Next(start, n).Sub(start)
			if d < around*8/10 || d > around*12/10 {
				t.Errorf("attempt %d: %s, want about %s", n, d, around)
			}
			spread[d] = true
		}
		if len(spread) < 10 {
			t.Errorf("attempt %d: %d different delays of 20", n, len(spread))
		}
	}
	if s.Expired(start.Add(119*time.Hour), start, 40) || !s.Expired(start.Add(121*time.Hour), start, 40) {
		t.Error("five days are not five days")
	}
}
