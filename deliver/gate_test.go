package deliver_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/queue"
)

// TestGate: what the gate holds is not sent, counts as no attempt, and goes when a
// person says so.
func TestGate(t *testing.T) {
	each(t, func(t *testing.T, p *post) {
		s := p.server("one.example")
		p.options.Gate = func(_ context.Context, j *queue.Job, passages []deliver.Passage) deliver.Verdict {
			if len(passages) != 1 || passages[0].MX.String() != "mx.one.example" {
				t.Errorf("asked about %v", passages)
			}
			if strings.HasPrefix(j.Released, "gate: ") || j.From.Local != "anna" {
				return deliver.Verdict{}
			}
			return deliver.Verdict{Hold: "gate: no PTR"}
		}
		id := p.put("x@one.example y@one.example")
		free := p.put("z@one.example", func(m *queue.Message) { m.From.Local = "eve" })
		p.run()
		if e := p.event(id, journal.Held, 2); e.Fields["reason"] != "gate: no PTR" {
			t.Errorf("the journal says %v", e.Fields)
		}
		p.event(free, journal.Sent, 1)
		r := p.why(id)
		if r.Job.State != queue.Held || r.Job.Attempts != 0 || !r.Job.Tried.IsZero() || len(r.Job.Recipients) != 2 || !strings.Contains(r.Sentence, "gate: no PTR") {
			t.Errorf("it stands in the queue as %+v", r)
		}
		if n := len(s.took()); n != 1 {
			t.Errorf("%d messages were sent", n)
		}
		if _, err := p.q.Resume(t.Context(), []int64{r.Job.ID}, "open again"); err != nil {
			t.Fatal(err)
		}
		p.event(id, journal.Held, 4) // what nobody released is held again
		if c, err := p.q.Release(t.Context(), queue.Selection{Trace: id}); err != nil || c.Jobs != 1 {
			t.Fatal(c, err)
		}
		p.event(id, journal.Sent, 2)
		p.empty()
	})
}

// TestGateWaits: what is to wait is asked about again soon, and that is no attempt.
func TestGateWaits(t *testing.T) {
	p := one(t)
	p.server("one.example")
	asked := make(chan bool, 100)
	p.options.Gate = func(context.Context, *queue.Job, []deliver.Passage) deliver.Verdict {
		asked <- true
		if len(asked) < 2 {
			return deliver.Verdict{Wait: "the first look is under way"}
		}
		return deliver.Verdict{}
	}
	id := p.put("x@one.example")
	p.run()
	p.event(id, journal.Deferred, 1)
	r := p.why(id)
	if wait := r.Next.Sub(p.clock.Now()); r.Job.Attempts != 0 || wait > time.Minute {
		t.Errorf("%d attempts, the next after %s", r.Job.Attempts, wait)
	}
	p.retry()
	p.event(id, journal.Sent, 1)
}
