package queue_test

import (
	"context"
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
