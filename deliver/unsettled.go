package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/store"
)

// unsettled is a settlement that could not be written.
type unsettled struct {
	settlement
	tries int
	again time.Time // monotonic
}

const (
	// manyUnsettled is from how many on no more is settled: while a database is gone, no
	// more messages must go out than somebody will write down.
	manyUnsettled = 64
	// reportTries is how often a report is tried before its job is settled without it.
	reportTries = 3
)

// untilNext is how long until one of them is tried again.
func untilNext(late []*unsettled) time.Duration {
	next := time.Hour
	for _, u := range late {
		next = min(next, time.Until(u.again)) // elapsed
	}
	return max(next, 0)
}

// settleApart settles one by one what could not be settled together, and gives those that
// cannot be settled at all for now: one bad report must not stop the others.
func (d *Deliverer) settleApart(ctx context.Context, all []settlement, err error) (late []*unsettled) {
	d.log.Warn("settling messages failed and is tried again, one by one", "messages", len(all), "error", err)
	for i := range all {
		if u := (&unsettled{settlement: all[i]}); !d.settleOne(ctx, u) {
			late = append(late, u)
		}
	}
	return late
}

// settleLate tries those again whose time has come, and gives those that are left.
func (d *Deliverer) settleLate(ctx context.Context, late []*unsettled) []*unsettled {
	return slices.DeleteFunc(late, func(u *unsettled) bool {
		if time.Until(u.again) > 0 || ctx.Err() != nil { // elapsed
			return false
		}
		if u.unready && len(u.reports) > 0 {
			d.readyReport(ctx, &u.settlement)
		}
		return d.settleOne(ctx, u)
	})
}

// settleOne reports whether it is settled. A report that cannot be stored is given up
// after some tries, and somebody is told; one that has nobody to go to waits with its
// message.
func (d *Deliverer) settleOne(ctx context.Context, u *unsettled) bool {
	err := d.write(ctx, []settlement{u.settlement})
	u.tries++
	switch {
	case err == nil:
		u.close()
		return true
	case len(u.reports) == 0:
	case errors.Is(err, account.ErrNoAdmin):
		u.holdForNobody()
		return d.settleOne(ctx, u)
	case u.tries >= reportTries && !store.Temporary(err):
		d.alert(ctx, Alert{Kind: "report-lost", Destination: u.outcome.Job.Destination,
			Text: "the failure of message " + string(u.outcome.Job.Trace) + " could not be reported to its owner: " + err.Error()})
		u.reports = nil
		return d.settleOne(ctx, u)
	}
	d.log.Error("settling a message failed and is tried again", "trace", u.outcome.Job.Trace, "error", err)
	u.again = time.Now().Add(min(100*time.Millisecond<<min(u.tries, 7), 10*time.Second)) // elapsed
	return false
}

// nobodyToTell is why a message is held that failed while there was no account to tell.
const nobodyToTell = "it failed, and there is nobody to tell: make the administrator's account, then release it"

// holdForNobody keeps a message whose failure has nobody to be told to. Who releases it,
// once there is somebody, has it tried again, and the failure reported.
func (s *settlement) holdForNobody() {
	s.close()
	s.reports = nil
	if len(s.failed) == 0 {
		return // a delay, or a success: worth no more than the journal
	}
	for _, p := range s.failed {
		s.outcome.Reply = p.Reply
	}
	s.outcome.Left = append(s.outcome.Left, s.failed...)
	s.outcome.HoldWhy, s.outcome.Due = nobodyToTell, s.outcome.Tried
	j := s.outcome.Job
	s.events = slices.DeleteFunc(s.events, func(e journal.Event) bool { return e.Kind == journal.Bounced })
	s.events = append(s.events, journal.Event{Trace: j.Trace, Time: s.outcome.Tried, Kind: journal.Held, From: j.From.String(),
		Fields: map[string]string{"why": nobodyToTell, "reply": shorten(s.outcome.Reply, maxJournal)}})
}
