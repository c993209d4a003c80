package accept

import (
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/srs"
)

// plan is what one transaction will do. It is made before, so that the closure only
// writes.
type plan struct {
	entries []mailbox.Delivery
	queued  []queue.Message
	events  []journal.Event
}

// planFor works out what a message becomes.
func (a *Acceptor) planFor(m *Message, now time.Time) *plan {
	p := &plan{events: make([]journal.Event, 0, len(m.Events)+len(m.Deliveries))}
	for _, e := range m.Events {
		e.Trace, e.Time = m.Trace, now
		p.events = append(p.events, e)
	}
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		for _, target := range d.Destination.Mailboxes {
			p.enter(m, d, target, now)
		}
		for _, forward := range d.Destination.Forwards {
			a.pass(p, m, d, forward, now)
		}
	}
	if len(m.Remote.Recipients) > 0 {
		q := m.Remote
		q.From = m.From
		p.send(m, q, now)
	}
	return p
}

// enter puts a message into a mailbox, once for each account: several recipients may
// lead to one.
func (p *plan) enter(m *Message, d *Delivery, target account.Target, now time.Time) {
	fields := map[string]string(nil)
	if d.Folder != "" && d.Folder != mailbox.Inbox {
		fields = map[string]string{"folder": string(d.Folder)}
	}
	switch {
	case d.Elsewhere:
		fields = map[string]string{"by": "lmtp"}
	case p.has(int64(target.Account)):
		return
	default:
		p.entries = append(p.entries, mailbox.Delivery{
			Account: int64(target.Account), Folder: d.Folder, Detail: target.Folder, Size: m.Spool.Size(),
			Received: m.Received, Flags: d.Flags, Trace: m.Trace,
		})
	}
	p.events = append(p.events, journal.Event{Trace: m.Trace, Time: now, Kind: journal.Delivered,
		From: m.From.String(), To: target.Address.String(), Fields: fields})
}

func (p *plan) has(id int64) bool {
	for i := range p.entries {
		if p.entries[i].Account == id {
			return true
		}
	}
	return false
}

// pass forwards. Suspected mail stays with the owner: who passes spam on is a source
// of spam.
func (a *Acceptor) pass(p *plan, m *Message, d *Delivery, f account.Forward, now time.Time) {
	if (d.Stays || d.Folder == mailbox.Junk) && f.Owner != 0 { // without an owner nobody else could have it
		if len(d.Destination.Mailboxes) == 0 && !d.Elsewhere {
			p.enter(m, d, account.Target{Account: f.Owner, Address: d.To}, now)
		}
		return
	}
	p.send(m, queue.Message{
		From:   a.o.SRS.Rewrite(m.From, srs.Owner(f.Owner), d.To.Domain, now),
		Origin: "forward:" + d.To.String(), Owner: int64(f.Owner),
		RequireTLS: m.Remote.RequireTLS, SMTPUTF8: m.Remote.SMTPUTF8, EightBit: m.Remote.EightBit,
		Recipients: []queue.Recipient{{To: f.To, Notify: onFailure(m.From)}},
	}, now)
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
