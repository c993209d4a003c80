package submit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// Alert says that a sender's mail was held, and what to do about it.
type Alert struct {
	Principal string
	Owner     account.ID   // whom its failures go to
	Why       string       // one sentence
	Trace     mail.TraceID // of the message that was too much; "" when it was a refusal
	Held      int          // jobs of earlier messages that were still here
	Time      time.Time
}

// rateOf is what a principal may send: its own limits, or those of its kind.
func (s *Submitter) rateOf(p *account.Principal) Rate {
	r := s.watch.Limits[kindOf(p)]
	if p.Limits.PerHour > 0 {
		r.Hour = p.Limits.PerHour
	}
	if p.Limits.PerDay > 0 {
		r.Day = p.Limits.PerDay
	}
	return r
}

// weigh counts the message against its sender's limits and habits. From then on its
// charge must be settled.
func (s *Submitter) weigh(ctx context.Context, l *letter) error {
	p := &l.Principal
	to := make([]mail.Address, 0, len(l.remote))
	for _, r := range l.remote {
		to = append(to, r.To)
	}
	strangers, held, err := s.know(ctx, p.Name, to)
	if err != nil {
		return err
	}
	if held {
		l.why = "its sender is on hold"
	}
	l.charge = &charge{principal: p.Name, at: l.now, tally: tally{Messages: 1, Recipients: len(l.local) + len(l.remote)}}
	if !held && !l.Answer {
		// What is held teaches nothing: it may not be its sender's.
		l.charge.network, l.charge.contacts = networkOf(l.Client), strangers
		l.charge.tally.Remote, l.charge.tally.Strangers = len(l.remote), len(strangers)
	}
	suspicion, err := s.ledger.charge(ctx, l.charge, s.rateOf(p), &s.watch)
	if err != nil {
		return err
	}
	if !held && !l.Answer && s.watch.holds(suspicion) {
		l.why, l.tripped = suspicion.String(), true
		l.charge.contacts, l.charge.moved = nil, false
	}
	if l.why != "" && !l.tripped && len(l.local) > 0 {
		// Held mail waits in the queue, and the queue is for elsewhere.
		l.charge.settle(false)
		return s.heldReply(p)
	}
	return nil
}

// know reads to whom among them a sender never wrote, and whether it is held: that
// may have changed since its login.
func (s *Submitter) know(ctx context.Context, name string, to []mail.Address) (strangers []int64, held bool, err error) {
	err = s.store.Read(ctx, func(tx *store.Tx) error {
		if held, err = s.accounts.IsHeld(tx, name); err != nil {
			return err
		}
		strangers, err = strangersAmong(tx, name, to)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("read what is known of %s: %w", name, err)
	}
	return strangers, held, nil
}

// checkHeld refuses what cannot be held, mail to our own mailboxes, while its sender
// is on hold.
func (s *Submitter) checkHeld(ctx context.Context, p *account.Principal) error {
	_, held, err := s.know(ctx, p.Name, nil)
	if err == nil && held {
		return s.heldReply(p)
	}
	return err
}

func (s *Submitter) heldReply(p *account.Principal) error {
	return refusal(onHold, "The mail of %s is on hold; ask your administrator", p.Name)
}

// hold stops a sender: what it sends from now on, and what waits of it. Failures
// here are logged: the message itself is held already, in its own transaction.
func (s *Submitter) hold(ctx context.Context, name string, trace mail.TraceID, why string) {
	ctx = context.WithoutCancel(ctx)
	a := Alert{Principal: name, Why: why, Trace: trace, Time: s.world.Now()}
	if err := s.accounts.Hold(ctx, name, why); err != nil {
		s.log.Error("sender not held", "trace", trace, "as", name, "err", err)
	}
	changed, err := s.o.Queue.Hold(ctx, queue.Selection{Origin: name}, why)
	if err != nil {
		s.log.Error("earlier mail not held", "trace", trace, "as", name, "err", err)
	}
	a.Held = changed.Jobs + changed.Busy
	event := journal.Event{Trace: trace, Time: a.Time, Kind: journal.Alert, From: name, Fields: map[string]string{"why": why, "held": fmt.Sprint(a.Held)}}
	err = s.store.Write(ctx, func(tx *store.Tx) (err error) {
		if a.Owner, err = s.accounts.OwnerOf(tx, name); err != nil && !errors.Is(err, account.ErrNoAdmin) {
			return err
		}
		if err := pardon(tx, name, a.Time); err != nil {
			return err
		}
		return journal.Add(tx, event)
	})
	if err != nil {
		s.log.Error("alert not in the journal", "trace", trace, "as", name, "err", err)
	}
	s.ledger.forget(name)
	s.log.Warn("sender held", "trace", trace, "as", name, "why", why, "held", a.Held,
		"free", "allgreen account free "+name, "drop", "allgreen account free --drop "+name)
	if s.o.Alert != nil {
		s.o.Alert(ctx, a)
	}
}

// pardon begins a new page: what a sender did until now was paid for with the hold,
// and does not bring the next one when somebody frees it.
func pardon(tx *store.Tx, principal string, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO submit_pardon (principal, at) VALUES ($1, $2)
		ON CONFLICT (principal) DO UPDATE SET at = excluded.at`, principal, store.Micros(now))
	return err
}

// Free lets a held sender go on, and its held mail go out. It gives how many
// messages do, by destination. A sender that was not held has its mail released
// all the same.
func (s *Submitter) Free(ctx context.Context, principal string) (jobs int, err error) {
	if err := s.accounts.Free(ctx, principal); err != nil && !errors.Is(err, account.ErrNotFound) {
		return 0, err
	}
	changed, err := s.o.Queue.Release(ctx, heldOf(principal))
	if err != nil {
		return changed.Jobs, fmt.Errorf("release the mail of %s: %w", principal, err)
	}
	s.log.Info("sender freed", "as", principal, "jobs", changed.Jobs)
	return changed.Jobs, nil
}

// Drop throws away the held mail of a sender and lets it go on: its password is
// changed by now.
func (s *Submitter) Drop(ctx context.Context, principal string) (jobs int, err error) {
	changed, err := s.o.Queue.Drop(ctx, heldOf(principal))
	if err != nil {
		return changed.Jobs, fmt.Errorf("drop the mail of %s: %w", principal, err)
	}
	s.log.Info("mail of a held sender dropped", "as", principal, "jobs", changed.Jobs)
	if err := s.accounts.Free(ctx, principal); err != nil && !errors.Is(err, account.ErrNotFound) {
		return changed.Jobs, err
	}
	return changed.Jobs, nil
}

func heldOf(principal string) queue.Selection {
	return queue.Selection{Origin: principal, States: []queue.State{queue.Held}}
}

// NoteRefusals counts recipients of a sender that do not exist: here, or elsewhere
// as the other side said. A burst of them holds its mail. Origin is the name of a
// principal; what is forwarded for strangers is nobody's fault here.
func (s *Submitter) NoteRefusals(ctx context.Context, origin string, n int) error {
	if n <= 0 || origin == "" || strings.HasPrefix(origin, "forward:") {
		return nil
	}
	_, held, err := s.know(ctx, origin, nil)
	if err != nil || held {
		return err
	}
	c := &charge{principal: origin, at: s.world.Now(), tally: tally{Refused: n}}
	suspicion, err := s.ledger.charge(ctx, c, Rate{}, &s.watch)
	if err != nil {
		return err
	}
	err = s.store.Write(ctx, c.write)
	c.settle(err == nil)
	if err != nil {
		return fmt.Errorf("count refusals: %w", err)
	}
	if s.watch.holds(suspicion) {
		s.hold(ctx, origin, "", suspicion.String())
	}
	return nil
}

// kindOf is the word for a principal in the limits.
func kindOf(p *account.Principal) string {
	switch p.Kind {
	case account.Login:
		return "login"
	case account.Appliance:
		return "device"
	case account.APIToken:
		return "token"
	case account.System:
		return "system"
	}
	return ""
}
