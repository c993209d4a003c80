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
	failed  []queue.Pending         // those done without having been sent
}

func (s *settlement) close() {
	for _, spool := range s.spools {
		spool.Close()
	}
	s.spools = nil
}

// settle writes what became of jobs until the channel is closed. What cannot be written
// waits beside, and the others go on; it is tried again until the context ends, and then
// its lease ends by itself. To give up before would have it sent again.
func (d *Deliverer) settle(ctx context.Context) {
	var late []*unsettled
	for open := true; open || len(late) > 0; {
		in := d.settling
		if len(late) >= manyUnsettled || !open {
			in = nil
		}
		timer := time.NewTimer(untilNext(late))
		select {
		case first, ok := <-in:
			if open = ok; ok {
				late = append(late, d.settleBatch(ctx, d.gather(first))...)
			}
		case <-timer.C:
			late = d.settleLate(ctx, late)
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			d.abandon(late)
			return
		}
	}
}

// abandon forgets what is left; nobody must wait to hand over more of it.
func (d *Deliverer) abandon(late []*unsettled) {
	for _, u := range late {
		u.close()
	}
	for range d.settling {
	}
}

// gather takes what has come meanwhile.
func (d *Deliverer) gather(first *attempt) []*attempt {
	batch := []*attempt{first}
	for len(batch) < settleAtOnce {
		select {
		case a, ok := <-d.settling:
			if !ok {
				return batch
			}
			batch = append(batch, a)
		default:
			return batch
		}
	}
	return batch
}

// settleBatch gives what could not be settled.
func (d *Deliverer) settleBatch(ctx context.Context, batch []*attempt) (late []*unsettled) {
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
		d.log.Warn("messages that were not tried could not be given back; they are found again in some seconds", "error", err)
	}
	if len(all) == 0 {
		return nil
	}
	d.tellRefused(ctx, all)
	if err := d.write(ctx, all); err != nil {
		return d.settleApart(ctx, all, err)
	}
	for i := range all {
		all[i].close()
	}
	return nil
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
