package deliver

import (
	"context"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
)

// Passage is one way that a message may take.
type Passage struct {
	From netip.Addr  // our address; zero: the system chooses
	MX   mail.Domain // the host there; zero: an address without a name
}

// Verdict is what the gate says of a message. The zero value lets it go.
type Verdict struct {
	Hold string // not empty: it waits for a person, and why
	Wait string // not empty: it is asked about again in some seconds, and why
}

// waitAtGate is when a message is asked about again that is to wait.
const waitAtGate = 10 * time.Second

// gated asks the gate about a message before anybody is talked to, over the connection
// at hand or on all the ways there are. It settles what may not go, and reports that.
// Behind a smarthost the ways are not ours to judge.
func (d *Deliverer) gated(ctx context.Context, c *connection, j *queue.Job) bool {
	if d.options.Gate == nil {
		return false
	}
	var passages []Passage
	switch {
	case d.options.Smarthost != nil:
	case c != nil:
		passages = append(passages, Passage{c.way.from, c.way.host})
	default:
		ways, _ := d.ways(ctx, j.Destination, j.Egress) // what is wrong with them is found again
		for i := range ways {
			passages = append(passages, Passage{ways[i].from, ways[i].host})
		}
	}
	v := d.options.Gate(ctx, j, passages)
	if v.Hold == "" && v.Wait == "" {
		return false
	}
	now := d.options.World.Now()
	a := newAttempt(*j, now)
	a.hold = v.Hold
	t := fromStore("%s", v.Wait)
	t.retryBy = now.Add(waitAtGate)
	a.fail(t)
	d.settling <- a
	return true
}

// heldSettlement is that of a message that was not tried, because the gate holds it.
func (d *Deliverer) heldSettlement(a *attempt) settlement {
	now := d.options.World.Now()
	s := settlement{outcome: queue.Outcome{Job: &a.job, Left: a.job.Recipients, Due: now, Reply: a.job.LastReply, HoldWhy: a.hold}}
	for i := range a.job.Recipients {
		s.events = append(s.events, journal.Event{Trace: a.job.Trace, Time: now, Kind: journal.Held, From: a.job.From.String(),
			To: a.job.Recipients[i].To.String(), Fields: map[string]string{"reason": a.hold}})
	}
	return s
}
