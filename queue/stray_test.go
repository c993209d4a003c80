package queue_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// TestStrays: leases in our name that nobody here holds are freed, those that somebody
// holds are not.
func TestStrays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.put("a@one.example")
		h.put("b@two.example")
		held := h.claim(2)
		h.put("c@three.example")
		must(t, h.st.Write(h.ctx(), func(tx *store.Tx) error { // a claim whose answer was lost
			_, err := tx.Exec(`UPDATE queue_job SET state = 1, worker = (SELECT worker FROM queue_worker) WHERE state = 0`)
			return err
		}))
		gone, cancel := context.WithCancel(h.ctx())
		cancel()
		if err := h.q.Park(gone, "two.example", held[1:]); err == nil {
			t.Fatal("parked without a database")
		}
		must(t, h.q.Tend(h.ctx()))
		want(t, "looked at once", len(h.claim(10)), 0)
		must(t, h.q.Tend(h.ctx()))
		want(t, "looked at twice", recipients(h.claim(10)), []string{"three.example: c@three.example", "two.example: b@two.example"})
		must(t, h.q.Tend(h.ctx()))
		must(t, h.q.Tend(h.ctx()))
		want(t, "claimed anew", len(h.claim(10)), 0)
		want(t, "settled by who had it all the time", h.settle(queue.Outcome{Job: &held[0]}), []bool{true})
	})
}

// TestReleaseOfBusy: what was to be held when it comes back, and is released before, is
// not held.
func TestReleaseOfBusy(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.put("a@one.example")
		j := h.claim(1)
		_, err := h.q.Hold(h.ctx(), queue.Selection{Origin: "anna@example.com"}, "stolen")
		must(t, err)
		c, err := h.q.Release(h.ctx(), queue.Selection{Origin: "anna@example.com", States: []queue.State{queue.Held}})
		must(t, err)
		want(t, "released", c, queue.Changed{Busy: 1})
		h.settle(queue.Outcome{Job: &j[0], Left: j[0].Recipients, Due: start.Add(time.Minute), Tried: start, Reply: "451 no"})
		jobs, err := h.q.Show(h.ctx(), id)
		must(t, err)
		want(t, "state", jobs[0].State, queue.Waiting)
	})
}

// TestUncertainClaims: whatever becomes of a claim whose caller went away while it was
// being written, its messages are claimed again; so are those that could not be given back.
func TestUncertainClaims(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		const n = 12
		for range n {
			h.put("a@one.example")
		}
		for range n - 1 {
			gone, leave := context.WithCancel(h.ctx())
			claimed := make(chan error, 1)
			go func() {
				_, err := h.q.Claim(gone, queue.Want{Limit: 1})
				claimed <- err
			}()
			leave()
			<-claimed // with an error or with a message: nobody keeps it
		}
		gone, leave := context.WithCancel(h.ctx())
		held := h.claim(1)
		leave()
		if err := h.q.Return(gone, held); err == nil && len(held) > 0 {
			t.Fatal("given back without a database")
		}
		must(t, h.q.Leave(h.ctx())) // also those that Claim gave to who did not listen
		must(t, h.q.Start(h.ctx()))
		must(t, h.q.Tend(h.ctx()))
		must(t, h.q.Tend(h.ctx()))
		want(t, "claimed in the end", len(h.claim(16)), n)
	})
}

// TestDamagedRow: a row that cannot be read stops nobody else's message; a person sees it.
func TestDamagedRow(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.put("a@one.example")
		bad := h.put("b@two.example")
		h.put("c@three.example")
		must(t, h.st.Write(h.ctx(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE queue_job SET envelope = '{"from": 7' WHERE trace = $1`, string(bad))
			return err
		}))
		want(t, "claimed", recipients(h.claim(10)), []string{"one.example: a@one.example", "three.example: c@three.example"})
		jobs, err := h.q.Show(h.ctx(), bad)
		must(t, err)
		if len(jobs) != 1 || jobs[0].State != queue.Held || !strings.Contains(jobs[0].HeldWhy, "the row is damaged") {
			t.Errorf("%+v", jobs)
		}
		c, err := h.q.Drop(h.ctx(), queue.Selection{Trace: bad})
		must(t, err)
		want(t, "dropped", c.Jobs, 1)
	})
}
