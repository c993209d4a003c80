package deliver

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// Stats counts recipients since the start, and what is under way.
type Stats struct {
	Sent, Failed, Deferred uint64
	Connections            int
	InMemory               int // jobs claimed and waiting for their turn
}

// counts are added to while settling.
type counts struct{ sent, failed, deferred atomic.Uint64 }

func (c *counts) add(f fate) {
	switch f {
	case sent:
		c.sent.Add(1)
	case failed:
		c.failed.Add(1)
	case deferred:
		c.deferred.Add(1)
	}
}

// Stats counts what was done and what is being done.
func (d *Deliverer) Stats() Stats {
	s := Stats{Sent: d.counts.sent.Load(), Failed: d.counts.failed.Load(), Deferred: d.counts.deferred.Load()}
	d.mu.Lock()
	defer d.mu.Unlock()
	s.InMemory = d.waiting
	for _, l := range d.lanes {
		s.Connections += l.talking
	}
	return s
}

// Lane is how one destination is served at this moment.
type Lane struct {
	Name        string
	Waiting     int       // jobs in memory
	Connections int       // open
	Limit       int       // connections that it bears, as far as its answers tell
	Parked      bool      // more jobs stand by in the queue
	Blocked     time.Time // nothing is tried until then; zero: not blocked
	Reason      string    // of Blocked
}

// Lanes are the destinations known at this moment, the busiest first.
func (d *Deliverer) Lanes() []Lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.options.World.Now()
	all := make([]Lane, 0, len(d.lanes))
	for _, l := range d.lanes {
		state := Lane{Name: l.name, Waiting: len(l.jobs), Connections: l.talking, Limit: l.pace.connections(), Parked: l.parked}
		if l.pace.isBlocked(now) {
			state.Blocked, state.Reason = l.pace.blocked, l.pace.reason
		}
		all = append(all, state)
	}
	slices.SortFunc(all, func(a, b Lane) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Name, b.Name))
	})
	return all
}
