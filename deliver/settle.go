package deliver

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/report"
	"github.com/allgreen-mail/allgreen/store"
)

// settleAtOnce is how many jobs one transaction settles. While one commits, the next
// gather.
const settleAtOnce = 128

// settlement is an attempt, ready to be written.
type settlement struct {
	outcome queue.Outcome
	events  []journal.Event
	reports []func(*store.Tx) error // into the owner's mailbox
	spools  []*store.Spool          // of the reports, closed when all is written
	tells   []report.Recipient      // what the report is on
	unready bool                    // the report could not be readied, for now
	refused int                     // recipients that the other side does not want, now or ever
}

func (s *settlement) close() {
	for _, spool := range s.spools {
		spool.Close()
	}
	s.spools = nil
}

// settle writes what became of jobs until the channel is closed. A job is never lost
// for want of a database: it is tried again until the context ends, and then its
// lease ends by itself.
func (d *Deliverer) settle(ctx context.Context) {
	for first := range d.settling {
		batch := []*attempt{first}
		for gathering := true; gathering && len(batch) < settleAtOnce; {
			select {
			case a, ok := <-d.settling:
				if gathering = ok; ok {
					batch = append(batch, a)
				}
			default:
				gathering = false
			}
		}
		d.settleBatch(ctx, batch)
	}
}

func (d *Deliverer) settleBatch(ctx context.Context, batch []*attempt) {
	var all []settlement
	var untried []queue.Job
	for _, a := range batch {
		if !a.tried {
			untried = append(untried, a.job)
			continue
		}
		all = append(all, d.settlement(ctx, a))
	}
	if err := d.options.Queue.Return(ctx, untried); err != nil {
		d.log.Warn("messages that were not tried could not be given back; their leases end by themselves", "error", err)
	}
	if len(all) == 0 {
		return
	}
	if err := d.write(ctx, all); err != nil {
		d.writeEach(ctx, all, err)
	}
	for i := range all {
		all[i].close()
	}
	d.tellRefused(ctx, all)
}

// tellRefused adds up what was refused by who sent it.
func (d *Deliverer) tellRefused(ctx context.Context, all []settlement) {
	if d.options.Refused == nil {
		return
	}
	byOrigin := map[string]int{}
	for i := range all {
		if n := all[i].refused; n > 0 {
			byOrigin[all[i].outcome.Job.Origin] += n
		}
	}
	for origin, n := range byOrigin {
		d.options.Refused(ctx, origin, n)
	}
}

// writeEach settles one by one what could not be settled together: one bad report
// must not stop the others.
func (d *Deliverer) writeEach(ctx context.Context, all []settlement, err error) {
	d.log.Warn("settling messages failed and is tried again, one by one", "messages", len(all), "error", err)
	for i := range all {
		d.writeOne(ctx, &all[i])
	}
}

// reportTries is how often a report is tried before its job is settled without it.
const reportTries = 3

func (d *Deliverer) writeOne(ctx context.Context, s *settlement) {
	for n := 1; ; n++ {
		err := d.write(ctx, []settlement{*s})
		if err == nil {
			return
		}
		if len(s.reports) > 0 && n >= reportTries && !store.Temporary(err) {
			d.alert(ctx, Alert{Kind: "report-lost", Destination: s.outcome.Job.Destination,
				Text: "the failure of message " + string(s.outcome.Job.Trace) + " could not be reported to its owner: " + err.Error()})
			s.reports = nil
			continue
		}
		d.log.Error("settling a message failed and is tried again", "trace", s.outcome.Job.Trace, "error", err)
		if !wait(ctx, min(100*time.Millisecond<<min(n, 7), 10*time.Second)) {
			return // its lease ends by itself, and the message is tried again
		}
		if s.unready && len(s.reports) > 0 {
			d.readyReport(ctx, s)
		}
	}
}

// write settles jobs, reports and journal in one transaction. What was not ours any
// more is journalled all the same: it did happen. It is not reported: whoever has it
// now will.
func (d *Deliverer) write(ctx context.Context, all []settlement) error {
	outcomes := make([]queue.Outcome, 0, len(all))
	var events []journal.Event
	for i := range all {
		outcomes = append(outcomes, all[i].outcome)
		events = append(events, all[i].events...)
	}
	var lost atomic.Int64
	err := d.options.Store.Write(ctx, func(tx *store.Tx) error {
		settled, err := d.options.Queue.Settle(tx, outcomes...)
		if err != nil {
			return err
		}
		lost.Store(0)
		for i, ours := range settled {
			if !ours {
				lost.Add(1)
				continue
			}
			for _, report := range all[i].reports {
				if err := report(tx); err != nil {
					return err
				}
			}
		}
		return journal.Add(tx, events...)
	})
	if n := lost.Load(); err == nil && n > 0 {
		d.log.Warn("the leases of messages were lost before they were settled: they may be sent twice", "messages", n)
	}
	return err
}
