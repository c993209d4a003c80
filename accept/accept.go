package accept

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/vacation"
	"github.com/allgreen-mail/allgreen/world"
)

// Options are what an Acceptor is made from.
type Options struct {
	Store    *store.Store
	World    *world.World
	SRS      srs.Key      // zero: forwards keep the reverse-path of strangers, and fail SPF
	Accounts Accounts     // nil: nobody's script is asked
	Hostname mail.Domain  // of this server, in the Received fields that it writes
	Log      *slog.Logger // nil: nowhere
}

// Accounts is what scripts need to know of an account.Directory.
type Accounts interface {
	Resolve(tx *store.Tx, to mail.Address) (account.Destination, error)
	PrincipalOf(tx *store.Tx, id account.ID) (account.Principal, error)
}

// Acceptor commits messages. It is safe for concurrent use.
type Acceptor struct {
	o       Options
	scripts *scripts // nil: nobody's are asked
}

// New makes an Acceptor. With Accounts it must be closed.
func New(o Options) *Acceptor {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Acceptor{o: o}
	if o.Accounts != nil {
		a.scripts = newScripts(o.Store)
	}
	return a
}

// Close ends the watch over scripts.
func (a *Acceptor) Close() {
	if a.scripts != nil {
		a.scripts.close()
	}
}

// ErrNothing says that a message was to be accepted for nobody.
var ErrNothing = errors.New("accepted for nobody")

// Commit keeps the promise: it returns nil when everything about the message is
// durable. After an error nothing is promised and the client must be told so; then
// nothing is half-written, but the message may be there all the same when the
// context ended while the commit was under way.
func (a *Acceptor) Commit(ctx context.Context, m Message) error {
	write, err := a.Prepare(ctx, m)
	if err != nil {
		return err
	}
	if err := a.o.Store.Write(ctx, write); err != nil {
		return fmt.Errorf("message %s: %w", m.Trace, err)
	}
	return nil
}

// Prepare is Commit without its transaction: it places a large body, takes the message
// apart, and returns what writes all the rest, for whoever has to write something more at the same moment.
func (a *Acceptor) Prepare(ctx context.Context, m Message) (func(*store.Tx) error, error) {
	p, err := a.planFor(ctx, &m, a.o.World.Now())
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", m.Trace, err)
	}
	stored := len(p.entries) > 0 || len(p.queued) > 0
	if !stored && !p.decided && !m.isElsewhere() {
		return nil, fmt.Errorf("message %s: %w", m.Trace, ErrNothing)
	}
	if stored {
		if err := p.ready(ctx, &m); err != nil {
			return nil, fmt.Errorf("message %s: %w", m.Trace, err)
		}
	}
	for _, t := range p.troubles {
		a.tell(ctx, m.Trace, t)
	}
	return func(tx *store.Tx) error { return p.write(tx, &m, stored) }, nil
}

// ready does what is better done before the transaction: it places a large body, and
// takes the message apart for the mailboxes.
func (p *plan) ready(ctx context.Context, m *Message) error {
	if err := m.Spool.Place(ctx); err != nil {
		return err
	}
	if len(p.entries) == 0 {
		return nil
	}
	if m.Structure == nil {
		text, err := m.Spool.Open()
		if err != nil {
			return err
		}
		defer text.Close()
		if m.Structure, err = structure.Of(text); err != nil {
			return fmt.Errorf("take it apart: %w", err)
		}
	}
	for i := range p.entries {
		p.entries[i].Structure = m.Structure
	}
	return nil
}

// isElsewhere reports whether another store has taken it.
func (m *Message) isElsewhere() bool {
	for i := range m.Deliveries {
		if m.Deliveries[i].Elsewhere {
			return true
		}
	}
	return false
}

// write is the transaction. It may run more than once, so that it changes nothing of
// the plan that another run would not set again. Mailboxes come first, in their
// order, then the queue, then the journal.
func (p *plan) write(tx *store.Tx, m *Message, stored bool) error {
	if stored {
		body, err := tx.PutBody(m.Spool)
		if err != nil {
			return err
		}
		for i := range p.entries {
			p.entries[i].Body = body
		}
		for i := range p.queued {
			p.queued[i].Body = body
		}
	}
	if err := p.deliver(tx); err != nil {
		return err
	}
	for i := range p.replies {
		if _, err := vacation.Put(tx, p.replies[i]); err != nil {
			return err
		}
	}
	for i := range p.queued {
		if err := queue.Put(tx, m.Received, p.queued[i]); err != nil {
			return err
		}
	}
	if m.Also != nil {
		if err := m.Also(tx); err != nil {
			return err
		}
	}
	return journal.Add(tx, p.events...)
}

func (p *plan) deliver(tx *store.Tx) error {
	if err := p.createFolders(tx); err != nil {
		return err
	}
	if len(p.entries) == 1 {
		_, err := mailbox.Deliver(tx, p.entries[0])
		return err
	}
	_, err := mailbox.DeliverAll(tx, p.entries)
	return err
}

// Answer is what the client is told of an error of Commit: 452 where there is no
// room, 451 for everything else that went wrong, for another try may succeed. It is
// the zero reply for nil.
func Answer(err error) mail.Reply {
	switch {
	case err == nil:
		return mail.Reply{}
	case errors.Is(err, mailbox.ErrQuota):
		return mail.NewReply(452, mail.EnhancedCode{Class: 4, Subject: 2, Detail: 2}, "the mailbox is full")
	case errors.Is(err, store.ErrFull):
		return mail.NewReply(452, mail.EnhancedCode{Class: 4, Subject: 3, Detail: 1}, "there is no room left on this server, try again later")
	}
	return mail.NewReply(451, mail.EnhancedCode{Class: 4, Subject: 3, Detail: 0}, "the message could not be stored, try again later")
}
