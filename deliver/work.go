package deliver

import (
	"context"
	"time"

	"github.com/allgreen-mail/allgreen/queue"
)

// work is one worker: one connection at a time, one message after the other.
func (d *Deliverer) work(ctx context.Context, l *lane, j queue.Job) {
	var c *connection
	for ok := true; ok; j, ok = d.next(l, c != nil) {
		c = d.try(ctx, l, c, j)
	}
	d.hangUp(ctx, l, c)
	<-d.total
	d.mu.Lock()
	defer d.mu.Unlock()
	l.workers--
	d.staff(ctx, l)
	if d.starved {
		d.staffOthers(ctx)
	}
}

// staffOthers gives a place that became free to a lane that had found none. The mutex
// is held.
func (d *Deliverer) staffOthers(ctx context.Context) {
	d.starved = false
	for _, l := range d.lanes {
		if d.staff(ctx, l); d.starved {
			return
		}
	}
}

// next is the next job of a lane; false when there is none for some time, or when the
// lane has more workers than it bears.
func (d *Deliverer) next(l *lane, connected bool) (queue.Job, bool) {
	d.mu.Lock()
	if d.stopping || l.workers > l.pace.connections() {
		d.mu.Unlock()
		return queue.Job{}, false
	}
	if len(l.jobs) > 0 {
		j := l.pop()
		d.waiting--
		low := l.parked && len(l.jobs) < laneRoom/4 || d.waiting == roomInMemory-claimAtOnce
		d.mu.Unlock()
		if low {
			d.signalDrained()
		}
		return j, true
	}
	if !connected {
		d.mu.Unlock()
		return queue.Job{}, false
	}
	mine := make(chan queue.Job, 1)
	l.idle = append(l.idle, mine)
	d.mu.Unlock()
	timer := time.NewTimer(d.options.Timeouts.Idle)
	defer timer.Stop()
	select {
	case j, ok := <-mine:
		return j, ok
	case <-timer.C:
	}
	d.mu.Lock()
	left := l.leave(mine)
	d.mu.Unlock()
	if left {
		return queue.Job{}, false
	}
	j, ok := <-mine
	return j, ok
}

func (d *Deliverer) signalDrained() {
	select {
	case d.drained <- struct{}{}:
	default:
	}
}

// try sends one job over the connection at hand, or over a new one, and gives the
// outcome away. It returns the connection that can be used further.
func (d *Deliverer) try(ctx context.Context, l *lane, c *connection, j queue.Job) *connection {
	if c != nil && !c.fits(&j) {
		d.hangUp(ctx, l, c)
		c = nil
	}
	if d.gated(ctx, c, &j) {
		return c
	}
	a := newAttempt(j, d.options.World.Now())
	for {
		if c == nil {
			var f *failure
			if c, f = d.connect(ctx, &j); f != nil {
				d.unconnected(l, a, f)
				return nil
			}
			c.limits()
			d.connected(l, 1)
		}
		t := d.send(ctx, c, a)
		if t != nil && t.over {
			c.client.Close()
			d.connected(l, -1)
			c = nil
		}
		if t != nil && t.stale {
			continue // the server had closed an idle connection: nothing was said of this message
		}
		d.heed(l, t)
		d.give(a, t)
		return c
	}
}

func (d *Deliverer) connected(l *lane, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.talking += n
}

// unconnected settles a job for which nobody could be talked to. While others of the
// lane talk or still try, the destination is only busy: the job waits for them, and
// one worker less goes on. The last one speaks for the lane: all that waits in it is
// put off.
func (d *Deliverer) unconnected(l *lane, a *attempt, f *failure) {
	now := d.options.World.Now()
	a.fail(f.trouble)
	a.transcript, a.host = f.transcript, f.trouble.host
	d.mu.Lock()
	if !f.trouble.permanent && !f.trouble.stopped && !f.trouble.ours && f.trouble.retryBy.IsZero() && l.workers > 1 {
		l.pace.tooMuch(now)
		l.pace.limit = min(l.pace.limit, float64(max(1, l.workers-1)))
		l.jobs = append([]queue.Job{a.job}, l.jobs...)
		d.waiting++
		d.mu.Unlock()
		return
	}
	var others []*attempt
	if !f.trouble.stopped && !f.trouble.permanent && !f.trouble.ours && !a.job.RequireTLS && !a.job.Egress.IsValid() {
		l.pace.unreachable(now, f.trouble.sentence())
		for _, j := range l.takeAll() {
			d.waiting--
			b := d.putOff(j, now, l.pace.reason)
			b.results[0].trouble.retryBy = f.trouble.retryBy
			others = append(others, b)
		}
	}
	d.mu.Unlock()
	d.give(a, f.trouble)
	for _, b := range others {
		d.settling <- b
	}
}

// heed lets the lane learn from how a message went.
func (d *Deliverer) heed(l *lane, t *trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case t == nil || !t.tooMuch && !t.over:
		l.pace.succeeded()
	case t.stopped:
	default:
		l.pace.tooMuch(d.options.World.Now())
	}
}

// give hands an attempt over to be settled. One that was ended by our own stopping,
// before the final dot, was none.
func (d *Deliverer) give(a *attempt, t *trouble) {
	if t != nil && t.stopped && !t.unsettled {
		a.tried = false
	}
	d.settling <- a
}

// quitTimeout is how long a server may take over its farewell.
const quitTimeout = 2 * time.Second

// hangUp says QUIT and does not care much for the answer.
func (d *Deliverer) hangUp(ctx context.Context, l *lane, c *connection) {
	if c == nil {
		return
	}
	d.connected(l, -1)
	ctx, cancel := context.WithTimeout(ctx, quitTimeout)
	defer cancel()
	c.client.Quit(ctx) // everything was settled before: the answer changes nothing
	c.client.Close()
}
