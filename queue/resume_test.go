package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// TestResume: what a person released remembers why it was held, also when it is put
// back; what was resumed does not, and what is not held is left alone.
func TestResume(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		var recorded []string
		h.q = queue.New(h.st, queue.Options{Clock: h.clock.Now, Record: func(_ *store.Tx, c queue.Change, why string, jobs []queue.Job) error {
			recorded = append(recorded, fmt.Sprint(c, " ", len(jobs), " ", why))
			return nil
		}})
		must(t, h.q.Start(h.ctx()))
		held := func(m *queue.Message) { m.Held, m.HeldWhy = true, "gate: no PTR" }
		one, two := h.put("a@one.example", held), h.put("b@two.example", held)
		three := h.put("c@three.example", func(m *queue.Message) { m.Held, m.HeldWhy = true, "stolen" })
		_, err := h.q.Release(h.ctx(), queue.Selection{Trace: one})
		must(t, err)
		jobs, err := h.q.Show(h.ctx(), two)
		must(t, err)
		n, err := h.q.Resume(h.ctx(), []int64{jobs[0].ID, jobs[0].ID + 1000}, "open again")
		must(t, err)
		want(t, "resumed", n, 1)
		n, err = h.q.Resume(h.ctx(), []int64{jobs[0].ID}, "open again")
		must(t, err)
		want(t, "resumed twice", n, 0)
		for _, j := range h.claim(2) {
			want(t, "why "+j.Destination+" was held", j.Released, map[bool]string{true: "gate: no PTR"}[j.Trace == one])
			h.settle(queue.Outcome{Job: &j, Left: j.Recipients, Due: h.clock.Now().Add(time.Minute), Tried: h.clock.Now(), Reply: "451 no"})
		}
		jobs, err = h.q.Show(h.ctx(), one)
		must(t, err)
		want(t, "after an attempt", jobs[0].Released, "gate: no PTR")
		jobs, err = h.q.Show(h.ctx(), three)
		must(t, err)
		want(t, "another's", jobs[0].State, queue.Held)
		want(t, "recorded", recorded, []string{"released 1 ", "released 1 open again"})
	})
}
