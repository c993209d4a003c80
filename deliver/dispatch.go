package deliver

import (
	"context"
	"time"

	"github.com/allgreen-mail/allgreen/queue"
)

const (
	roomInMemory = 2048 // jobs in all lanes
	claimAtOnce  = 256
	lookForLanes = 15 * time.Second // parked by other processes, or before a restart
	maxSleep     = 30 * time.Second // clocks are set, wake-ups are lost
	laneForgets  = 10 * time.Minute
)

// dispatch claims jobs and puts them into their lanes until the context ends. Workers
// live on in sending.
func (d *Deliverer) dispatch(ctx, sending context.Context) {
	watch := d.options.Store.Watch(queue.Topic)
	defer watch.Close()
	looked := time.Time{}
	for ctx.Err() == nil {
		if time.Since(looked) > lookForLanes { // elapsed
			d.findLanes(ctx)
			looked = time.Now() // elapsed
		}
		jobs, err := d.claim(ctx)
		if err != nil && ctx.Err() == nil {
			d.log.Error("messages cannot be claimed; trying again", "error", err)
			wait(ctx, time.Second)
			continue
		}
		if len(jobs) > 0 {
			d.distribute(ctx, sending, jobs)
			continue
		}
		timer := time.NewTimer(d.sleep(ctx))
		select {
		case <-watch.C():
		case <-d.drained:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// findLanes learns which lanes have parked jobs, and forgets unused ones.
func (d *Deliverer) findLanes(ctx context.Context) {
	names, err := d.options.Queue.Lanes(ctx)
	if err != nil {
		d.log.Warn("full lanes cannot be asked for", "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		d.lane(name).parked = true
	}
	for name, l := range d.lanes {
		if l.workers == 0 && len(l.jobs) == 0 && !l.parked && time.Since(l.used) > laneForgets { // elapsed
			delete(d.lanes, name)
		}
	}
}

// claim asks the queue for as much as there is room for.
func (d *Deliverer) claim(ctx context.Context) ([]queue.Job, error) {
	if !d.options.Queue.Alive() {
		return nil, nil
	}
	d.mu.Lock()
	want := queue.Want{Limit: min(claimAtOnce, roomInMemory-d.waiting), Lanes: map[string]int{}}
	for name, l := range d.lanes {
		if l.parked && len(l.jobs) < laneRoom/4 && len(want.Lanes) < 16 && !l.pace.isBlocked(d.options.World.Now()) {
			want.Lanes[name] = laneRoom / 2
		}
	}
	d.mu.Unlock()
	if want.Limit <= 0 && len(want.Lanes) == 0 {
		return nil, nil
	}
	jobs, err := d.options.Queue.Claim(ctx, want)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range want.Lanes { // a lane that gave less than it was asked for is empty
		n := 0
		for i := range jobs {
			if jobs[i].Lane == name {
				n++
			}
		}
		d.lanes[name].parked = n >= laneRoom/2
	}
	return jobs, nil
}

// lane is the lane of a name, made on first use. The mutex is held.
func (d *Deliverer) lane(name string) *lane {
	l, ok := d.lanes[name]
	if !ok {
		l = &lane{name: name, pace: newPace(d.options.Connections)}
		d.lanes[name] = l
	}
	l.used = time.Now() // elapsed
	return l
}

// laneOf is the name of the lane of a job. One day it will be the provider that is
// behind the MX hosts.
func (d *Deliverer) laneOf(j *queue.Job) string {
	if d.options.Smarthost != nil {
		return d.options.Smarthost.Host.String()
	}
	return j.Destination
}

// distribute puts claimed jobs into their lanes. Those of a lane that is full are
// parked, those of a destination that nobody could talk to a moment ago are put off.
func (d *Deliverer) distribute(ctx, sending context.Context, jobs []queue.Job) {
	parked := map[string][]queue.Job{}
	var blocked []*attempt
	now := d.options.World.Now()
	d.mu.Lock()
	for _, j := range jobs {
		name := d.laneOf(&j)
		l := d.lane(name)
		switch {
		case l.pace.isBlocked(now) && !j.Due.IsZero() && l.workers == 0:
			blocked = append(blocked, d.putOff(j, now, l.pace.reason))
		case len(l.jobs) >= laneRoom && d.options.Queue.Schedule().WarningDue(now, &j):
			blocked = append(blocked, d.putOff(j, now, name+" takes messages more slowly than they come"))
		case len(l.jobs) >= laneRoom:
			parked[name] = append(parked[name], j)
			l.parked = true
		default:
			before := len(l.jobs)
			l.put(j)
			d.waiting += len(l.jobs) - before
			d.staff(sending, l)
		}
	}
	d.mu.Unlock()
	for name, jobs := range parked {
		if err := d.options.Queue.Park(ctx, name, jobs); err != nil {
			d.log.Warn("messages could not be parked", "lane", name, "error", err)
		}
	}
	for _, a := range blocked {
		d.settling <- a
	}
}

// putOff is the attempt of a job that was not tried, because another one just found
// nobody to talk to or because it must be told that it waits. It counts: the
// destination had its chance.
func (d *Deliverer) putOff(j queue.Job, now time.Time, why string) *attempt {
	a := newAttempt(j, now)
	a.fail(temporary(code(4, 4, 1), "%s", why))
	return a
}

// staff gives a lane the workers that it may have. The mutex is held.
func (d *Deliverer) staff(ctx context.Context, l *lane) {
	for l.wantsWorker() && !d.stopping {
		select {
		case d.total <- struct{}{}:
		default:
			d.starved = true // a worker that ends looks again
			return
		}
		l.workers++
		j := l.pop()
		d.waiting--
		d.workers.Go(func() { d.work(ctx, l, j) })
	}
}

// sleep is how long there is nothing to do.
func (d *Deliverer) sleep(ctx context.Context) time.Duration {
	next, err := d.options.Queue.NextDue(ctx)
	if err != nil || next.IsZero() {
		return maxSleep
	}
	return min(max(next.Sub(d.options.World.Now()), 100*time.Millisecond), maxSleep)
}

// stop ends the waiting of idle workers and forgets what waits: it is given back with
// all leases.
func (d *Deliverer) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = true
	for _, l := range d.lanes {
		l.takeAll()
		for _, c := range l.idle {
			close(c)
		}
		l.idle = nil
	}
	d.waiting = 0
}
