package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/suppression"
)

// The refusals of bulk mail that programs tell apart. Each comes with its reply.
var (
	ErrSuppressed = errors.New("the recipient wants no mail of this stream, or cannot get it")
	ErrSeveral    = errors.New("a message of a bulk token is for one recipient")
)

// checkBulk holds mail of a bulk token to its rules: one recipient, for the link to leave
// the stream is personal, who did not leave it. Other mail is none of its business.
func (s *Submitter) checkBulk(ctx context.Context, l *letter) error {
	if !l.Principal.Bulk || len(l.To) == 0 {
		return nil
	}
	if s.o.Unsubscribe == nil {
		return refusal(noLink, "No bulk mail: this server answers no https, so nobody could unsubscribe")
	}
	to := suppression.Normal(l.To[0].To)
	for _, r := range l.To[1:] {
		if suppression.Normal(r.To) != to {
			return fmt.Errorf("%w: %w", refusal(several, "Bulk mail needs one message per recipient: each gets a link of their own to unsubscribe"), ErrSeveral)
		}
	}
	var e suppression.Entry
	err := s.store.Read(ctx, func(tx *store.Tx) (err error) {
		e, err = suppression.Reason(tx, l.Principal.Name, to)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNoRow):
		return nil
	case err != nil:
		return fmt.Errorf("look up whether %s is suppressed: %w", to, err)
	}
	return fmt.Errorf("%w: %w", refusal(suppressed, "%s gets no mail of %s: %s since %s", to, e.Stream, e.Kind, e.Since.Format("2006-01-02")), ErrSuppressed)
}

// offerUnsubscribe puts the link into a bulk message that brings none (RFC 8058 section
// 3.1). Both fields are among those that DKIM signs, as section 4 wants it. There is no
// mailto URI: no mailbox here acts on one.
func (s *Submitter) offerUnsubscribe(l *letter) {
	if !l.Principal.Bulk || len(l.To) == 0 || l.header.Has(listUnsubscribe) {
		return
	}
	l.header.Fields = slices.DeleteFunc(l.header.Fields, func(f message.Field) bool { return f.Is(listUnsubscribePost) })
	l.header.Fields = append(l.header.Fields,
		message.NewField(listUnsubscribe, "<"+s.o.Unsubscribe(l.Principal.Name, l.To[0].To)+">"),
		message.NewField(listUnsubscribePost, "List-Unsubscribe=One-Click"))
}

const (
	listUnsubscribe     = "List-Unsubscribe"
	listUnsubscribePost = "List-Unsubscribe-Post"
)
