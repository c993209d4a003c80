package policy

import (
	"context"
	"errors"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
)

// size refuses what declares itself too large (RFC 1870 section 6.1).
type size struct{ max int64 }

// Name is "size".
func (*size) Name() string { return "size" }

// Decide looks at SIZE=.
func (z *size) Decide(_ context.Context, s *Session) Verdict {
	if z.max > 0 && s.Size > z.max {
		return reject(552, tooLarge, "size.declared", "the message is too large")
	}
	return Verdict{}
}

// room asks whether the mailboxes of a recipient can hold the message.
type room struct {
	room RoomFunc
	max  int64
}

// Name is "room".
func (*room) Name() string { return "room" }

// Decide asks for the declared size. Without one the largest must fit; where only a
// smaller one would, the recipient is taken alone, for at DATA its answer could be
// another than that of its neighbours.
func (r *room) Decide(ctx context.Context, s *Session) Verdict {
	if r.room == nil {
		return Verdict{}
	}
	for _, target := range s.Recipient.Destination.Mailboxes {
		need := s.Size
		if need == 0 {
			need = r.max
		}
		err := r.room(ctx, target.Account, need)
		if errors.Is(err, mailbox.ErrQuota) && s.Size == 0 {
			s.Recipient.Alone = true
			err = r.room(ctx, target.Account, 1)
		}
		switch {
		case errors.Is(err, mailbox.ErrQuota):
			return postpone(452, mailboxFull, "room.mailbox", "the mailbox is full")
		case err != nil:
			return postpone(451, laterSystem, "room.unavailable", "the mailbox cannot be looked up now").with(err.Error())
		}
	}
	return Verdict{}
}

// Full is the answer for a mailbox that turned out to be full at the end of the
// data. It is temporary: its owner may clear it up before the sender gives up.
func Full() mail.Reply { return mail.NewReply(452, mailboxFull, "the mailbox is full") }
