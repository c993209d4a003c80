package accept

import (
	"context"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/sieve"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/vacation"
)

// answer plans the answer that a script wants, if the message may be answered. Why it
// may not stands in the journal.
func (f *filtering) answer(ctx context.Context, v *sieve.Vacation) error {
	h, err := f.p.letter.headerOf()
	if err != nil {
		return err
	}
	var who account.Principal
	err = f.a.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		who, err = f.a.o.Accounts.PrincipalOf(tx, f.target.Account)
		return err
	})
	if err != nil {
		return fmt.Errorf("who answers for account %d: %w", f.target.Account, err)
	}
	isOwn := func(a mail.Address) bool {
		return who.MaySend(a) || a == f.d.To || slices.ContainsFunc(v.Addresses, func(own mail.Address) bool {
			return account.Sender{Address: account.Normal(own)}.Allows(a)
		})
	}
	why := ""
	switch {
	case f.d.Stays || f.d.Folder == mailbox.Junk:
		why = "it may be junk"
	case f.m.Unproven:
		why = "its sender is not proved"
	default:
		why = vacation.Unanswerable(h, f.m.From, isOwn)
	}
	if why != "" {
		f.event(journal.Kept, f.target.Address, map[string]string{"by": "sieve", "not-answered": why})
		return nil
	}
	f.p.replies = append(f.p.replies, vacation.Answering(h, vacation.Reply{
		Account: int64(f.target.Account), About: f.m.Trace, To: f.m.From, From: f.author(&who, v), FromName: v.FromName,
		Subject: v.Subject, Text: v.Text, MIME: v.MIME, What: v.Handle, Again: v.Again,
	}))
	return nil
}

// author is in whose name the answer goes: the address that the script names, if it is
// one of the user's, else the one that the message came to, else the account's.
func (f *filtering) author(who *account.Principal, v *sieve.Vacation) mail.Address {
	for _, a := range []mail.Address{v.From, f.d.To} {
		if !a.IsZero() && who.MaySend(a) {
			return a
		}
	}
	return f.target.Address
}
