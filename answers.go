package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/vacation"
)

// answerLimits are how many answers an account gives: a wave of spam must not become a
// wave of ours. What is too many waits, and is dropped when it is too old.
var answerLimits = account.Limits{PerHour: 100, PerDay: 500}

// sendAnswer hands the answer of somebody's script in, in their name: the way of all
// mail of ours, with the author's signature. It counts apart from what they write
// themselves, so that answers never make them look like a thief of their password. Who
// is on hold answers nobody.
func (s *server) sendAnswer(ctx context.Context, r vacation.Reply, key string) error {
	var who account.Principal
	err := s.store.Read(ctx, func(tx *store.Tx) (err error) {
		who, err = s.accounts.PrincipalOf(tx, account.ID(r.Account))
		return err
	})
	switch {
	case errors.Is(err, account.ErrCredentials):
		return fmt.Errorf("%w: the account is gone", vacation.ErrNever)
	case err != nil:
		return err
	case who.Held:
		return fmt.Errorf("%w: %s is on hold", vacation.ErrNever, who.Name)
	}
	who.Kind, who.Name, who.Limits = account.System, "vacation:"+who.Name, answerLimits
	var text bytes.Buffer
	if err := r.Compose(&text, s.world.Now()); err != nil {
		return fmt.Errorf("%w: %w", vacation.ErrNever, err)
	}
	_, err = s.now.Load().submit.Submit(ctx, submit.Submission{
		Principal: who, To: []queue.Recipient{{To: r.To, Notify: []string{"NEVER"}}}, Body: &text, Mend: true, Answer: true,
		Key: key, Digest: key, // its date and identifier differ from try to try
	})
	var refused mail.Reply
	if errors.As(err, &refused) && refused.IsPermanent() {
		return fmt.Errorf("%w: %w", vacation.ErrNever, err)
	}
	return err
}
