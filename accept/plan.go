package accept

import (
	"context"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/vacation"
)

// plan is what one transaction will do. It is made before, so that the closure only
// writes.
type plan struct {
	entries  []mailbox.Delivery
	queued   []queue.Message
	events   []journal.Event
	create   []mailbox.Folder // before the entries, where they are missing
	replies  []vacation.Reply
	troubles []trouble // of scripts

	letter  letter
	served  []account.ID // who has it, or has decided otherwise
	busy    []account.ID // whose scripts are handing it over to others of this server
	decided bool         // a script wants nothing of it, so that nothing is an outcome too
}

// planFor works out what a message becomes.
func (a *Acceptor) planFor(ctx context.Context, m *Message, now time.Time) (*plan, error) {
	p := &plan{events: make([]journal.Event, 0, len(m.Events)+len(m.Deliveries)), letter: letter{spool: m.Spool}}
	for _, e := range m.Events {
		e.Trace, e.Time = m.Trace, now
		p.events = append(p.events, e)
	}
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		for _, target := range d.Destination.Mailboxes {
			if err := a.enter(ctx, p, m, d, target, now); err != nil {
				return nil, err
			}
		}
		for _, forward := range d.Destination.Forwards {
			if err := a.pass(ctx, p, m, d, forward, now); err != nil {
				return nil, err
			}
		}
	}
	if len(m.Remote.Recipients) > 0 {
		q := m.Remote
		q.From = m.From
		p.send(m, q, now)
	}
	return p, nil
}

// enter puts a message into a mailbox, once for each account: several recipients may
// lead to one.
func (a *Acceptor) enter(ctx context.Context, p *plan, m *Message, d *Delivery, target account.Target, now time.Time) error {
	if !d.Elsewhere {
		return a.file(ctx, p, m, d, target, now)
	}
	p.events = append(p.events, journal.Event{Trace: m.Trace, Time: now, Kind: journal.Delivered,
		From: m.From.String(), To: target.Address.String(), Fields: map[string]string{"by": "lmtp"}})
	return nil
}

func (p *plan) isServed(id account.ID) bool { return slices.Contains(p.served, id) }

// pass forwards. Suspected mail stays with the owner: who passes spam on is a source
// of spam.
func (a *Acceptor) pass(ctx context.Context, p *plan, m *Message, d *Delivery, f account.Forward, now time.Time) error {
	if (d.Stays || d.Folder == mailbox.Junk) && f.Owner != 0 { // without an owner nobody else could have it
		if len(d.Destination.Mailboxes) == 0 && !d.Elsewhere {
			return a.enter(ctx, p, m, d, account.Target{Account: f.Owner, Address: d.To}, now)
		}
		return nil
	}
	p.send(m, queue.Message{
		From:   a.o.SRS.Rewrite(m.From, srs.Owner(f.Owner), d.To.Domain, now),
		Origin: "forward:" + d.To.String(), Owner: int64(f.Owner),
		RequireTLS: m.Remote.RequireTLS, SMTPUTF8: m.Remote.SMTPUTF8, EightBit: m.Remote.EightBit,
		Recipients: []queue.Recipient{{To: f.To, Notify: onFailure(m.From)}},
	}, now)
	return nil
}

// onFailure: what a forward reports stays with its owner, and a bounce that is
// forwarded earns no second one (RFC 5321 section 4.5.5).
func onFailure(from mail.Address) []string {
	if from.IsZero() {
		return []string{"NEVER"}
	}
	return nil
}

// send queues a message, together with what goes out under the same envelope.
func (p *plan) send(m *Message, q queue.Message, now time.Time) {
	q.Trace, q.Size = m.Trace, m.Spool.Size()
	for _, r := range q.Recipients {
		p.events = append(p.events, journal.Event{Trace: m.Trace, Time: now, Kind: journal.Queued, From: q.From.String(), To: r.To.String()})
	}
	for i := range p.queued {
		if at := &p.queued[i]; at.Origin == q.Origin && at.Owner == q.Owner && at.From == q.From {
			at.Recipients = append(at.Recipients, q.Recipients...)
			return
		}
	}
	p.queued = append(p.queued, q)
}
