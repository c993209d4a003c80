package deliver

import (
	"context"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/report"
)

// fate is what is decided about one recipient.
type fate int

const (
	sent fate = iota
	failed
	deferred
)

// settlement decides what becomes of an attempt: which recipients are done, when the
// others are tried again, what the journal and the owner are told.
func (d *Deliverer) settlement(ctx context.Context, a *attempt) settlement {
	if a.hold != "" {
		return d.heldSettlement(a)
	}
	now := d.options.World.Now()
	schedule := d.options.Queue.Schedule()
	attempts := a.job.Attempts + 1
	expired := schedule.Expired(now, a.job.Queued, attempts)
	s := settlement{outcome: queue.Outcome{Job: &a.job, Tried: a.at, Transcript: a.transcript}}
	if a.isOurs() {
		s.outcome.Tried, expired = time.Time{}, false // the destination had no chance
	}
	told := telling{now: now, attempt: a}
	for i := range a.results {
		switch decide(a.results[i].trouble, expired) {
		case sent:
			told.success(i)
		case failed:
			told.failure(i, expired)
			s.failed = append(s.failed, pendingAfter(&a.job.Recipients[i], a.results[i].trouble))
			if t := a.results[i].trouble; t.permanent && t.reply.IsPermanent() {
				s.refused++
			}
		case deferred:
			t := a.results[i].trouble
			s.outcome.Left = append(s.outcome.Left, pendingAfter(&a.job.Recipients[i], t))
			s.outcome.Reply = t.sentence()
			s.outcome.Due = retryAt(schedule, now, attempts, s.outcome.Due, t)
		}
		d.counts.add(decide(a.results[i].trouble, expired))
	}
	if len(s.outcome.Left) > 0 {
		told.delay(&s.outcome, schedule)
	}
	s.events = told.events
	if len(told.recipients) > 0 {
		d.addReport(ctx, &s, told.recipients)
	}
	return s
}

// pendingAfter is a recipient with what it was told.
func pendingAfter(r *queue.Pending, t *trouble) queue.Pending {
	left := *r
	left.Reply, left.Host = t.text, t.host
	return left
}

func decide(t *trouble, expired bool) fate {
	switch {
	case t == nil:
		return sent
	case t.permanent || expired:
		return failed
	}
	return deferred
}

// retryAt is the earliest of what the schedule says and what the trouble demands.
func retryAt(s queue.Schedule, now time.Time, attempts int, already time.Time, t *trouble) time.Time {
	at := already
	if at.IsZero() {
		at = s.Next(now, attempts)
	}
	if t.ours && t.retryBy.IsZero() {
		return now.Add(retryOurs)
	}
	if !t.retryBy.IsZero() && t.retryBy.Before(at) && t.retryBy.After(now) {
		at = t.retryBy
	}
	return at
}

// retryOurs is when a message is tried again for which we could not do our part.
const retryOurs = time.Minute

// telling gathers what the journal and the owner are told of an attempt.
type telling struct {
	now        time.Time
	attempt    *attempt
	events     []journal.Event
	recipients []report.Recipient
}

func (t *telling) event(kind journal.Kind, to string, fields map[string]string) {
	j := &t.attempt.job
	t.events = append(t.events, journal.Event{Trace: j.Trace, Time: t.now, Kind: kind, From: j.From.String(), To: to, Fields: fields})
}

// maxJournal bounds what the journal keeps of a reply.
const maxJournal = 500

func (t *telling) fields(reply string) map[string]string {
	f := map[string]string{"reply": shorten(reply, maxJournal)}
	if t.attempt.host != "" {
		f["host"], f["tls"] = t.attempt.host, t.attempt.channel
	}
	return f
}

func (t *telling) success(i int) {
	r := &t.attempt.job.Recipients[i]
	reply := t.attempt.results[i].reply
	t.event(journal.Sent, r.To.String(), t.fields(reply.String()))
	if r.WantsSuccess() && !t.attempt.dsn { // a server with DSN reports itself (RFC 3461 section 5.2.2)
		t.recipients = append(t.recipients, report.Recipient{
			Original: report.DecodeOriginal(r.Original), Final: r.To, Action: report.Relayed, Status: code(2, 0, 0),
			RemoteMTA: t.attempt.host, Diagnostic: reply.String(), LastAttempt: t.attempt.at})
	}
}

func (t *telling) failure(i int, expired bool) {
	r, trouble := &t.attempt.job.Recipients[i], t.attempt.results[i].trouble
	status, text := trouble.status, trouble.text
	if !trouble.permanent && expired {
		status = code(4, 4, 7)
		if trouble.reply.IsZero() {
			text = fmt.Sprintf("it was tried for %s, the last time: %s", age(t.now.Sub(t.attempt.job.Queued)), text)
		}
	}
	t.event(journal.Bounced, r.To.String(), t.fields(text))
	if r.WantsFailure() {
		t.recipients = append(t.recipients, t.recipient(r, report.Failed, status, text, trouble))
	}
}

func (t *telling) recipient(r *queue.Pending, action report.Action, status mail.EnhancedCode, text string, trouble *trouble) report.Recipient {
	return report.Recipient{Original: report.DecodeOriginal(r.Original), Final: r.To, Action: action, Status: status,
		RemoteMTA: trouble.host, Diagnostic: text, LastAttempt: t.attempt.at}
}

// fewRecipients is up to how many the journal names each of those put off.
const fewRecipients = 10

// delay tells of the recipients left. Their owner is warned once.
func (t *telling) delay(o *queue.Outcome, s queue.Schedule) {
	j := &t.attempt.job
	fields := t.fields(o.Reply)
	fields["next"] = o.Due.UTC().Format(time.RFC3339)
	if len(o.Left) <= fewRecipients {
		for i := range o.Left {
			t.event(journal.Deferred, o.Left[i].To.String(), fields)
		}
	} else {
		fields["recipients"] = fmt.Sprint(len(o.Left))
		t.event(journal.Deferred, "@"+j.Destination, fields)
	}
	if !s.WarningDue(t.now, j) {
		return
	}
	o.Warned = true
	for i := range o.Left {
		r := &o.Left[i]
		if r.WantsDelay() {
			t.recipients = append(t.recipients, report.Recipient{Original: report.DecodeOriginal(r.Original), Final: r.To,
				Action: report.Delayed, Status: code(4, 4, 7), RemoteMTA: r.Host, Diagnostic: r.Reply,
				LastAttempt: t.attempt.at, RetryUntil: j.Queued.Add(s.Expiry)})
		}
	}
}

// age is a duration for people.
func age(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	}
	return fmt.Sprintf("%d hours", int(d/time.Hour))
}

func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xc0 == 0x80 {
		limit--
	}
	return s[:limit]
}
