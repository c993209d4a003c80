package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/report"
	"github.com/allgreen-mail/allgreen/store"
)

// wantSuccess are the recipients of ours of whom the sender wants to be told that they
// have the message (NOTIFY=SUCCESS). Those elsewhere are deliver's.
func (l *letter) wantSuccess() []report.Recipient {
	var all []report.Recipient
	for _, d := range l.local {
		i := slices.IndexFunc(l.To, func(r queue.Recipient) bool { return r.To == d.To })
		if i < 0 || !l.To[i].WantsSuccess() {
			continue
		}
		action := report.Delivered
		switch {
		case len(d.Destination.Forwards) > 1:
			action = report.Expanded // RFC 3461 section 5.2.7.3
		case len(d.Destination.Mailboxes) == 0:
			action = report.Relayed
		}
		all = append(all, report.Recipient{
			Original: report.DecodeOriginal(l.To[i].Original), Final: d.To, Action: action,
			Status: mail.EnhancedCode{Class: 2, Subject: 1, Detail: 5}, LastAttempt: l.now,
		})
	}
	return all
}

// reportSuccess readies the report of success into the mailbox of whoever answers for the
// sender, to be stored in the transaction that makes it true. Nil: there is none to make.
// A mailbox that is full must not stop the message.
func (s *Submitter) reportSuccess(ctx context.Context, l *letter, original *store.Spool) (put func(*store.Tx) error, done func(), err error) {
	done = func() {}
	recipients := l.wantSuccess()
	if len(recipients) == 0 || l.From.IsZero() {
		return nil, done, nil
	}
	spool := s.store.NewSpool()
	done = func() { spool.Close() }
	id := mail.NewTraceID(l.now)
	if err := s.writeSuccess(l, id, recipients, original, spool); err != nil {
		return nil, done, err
	}
	var owner account.Target
	err = s.store.Read(ctx, func(tx *store.Tx) (err error) {
		if owner, err = s.accounts.Standing(tx, max(l.Principal.Owner, l.Principal.Account)); err == nil {
			err = mailbox.Room(tx, int64(owner.Account), spool.Size())
		}
		return err
	})
	if errors.Is(err, mailbox.ErrQuota) || errors.Is(err, account.ErrNoAdmin) {
		s.log.Warn("that a message has arrived could not be reported", "trace", l.trace, "err", err)
		return nil, done, nil
	}
	if err != nil {
		return nil, done, fmt.Errorf("report of success: %w", err)
	}
	put, err = s.o.Accept.Prepare(ctx, accept.Message{
		Trace: id, Spool: spool, Received: l.now,
		Deliveries: []accept.Delivery{{To: owner.Address, Destination: account.Destination{Mailboxes: []account.Target{owner}}}},
	})
	return put, done, err
}

func (s *Submitter) writeSuccess(l *letter, id mail.TraceID, recipients []report.Recipient, original, to *store.Spool) error {
	body, err := original.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	return report.DSN{
		From: mail.Address{Local: "postmaster", Domain: s.o.Hostname}, To: l.From, MessageID: string(id) + "@" + s.o.Hostname.String(),
		Date: l.now, ReportingMTA: s.o.Hostname.String(), EnvelopeID: l.EnvelopeID, Arrival: l.now, Trace: string(l.trace),
		Recipients: recipients, Original: body, Full: l.Return == "FULL",
	}.Write(to)
}
