package imap

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// orTryCreate tells a client that the folder could be made (RFC 9051 section 6.3.12).
func orTryCreate(err error) error {
	if errors.Is(err, mailbox.ErrNoFolder) {
		return no("TRYCREATE", "There is no such folder")
	}
	return err
}

// transfer copies or moves what a command means, all or nothing.
func (s *session) transfer(ctx context.Context, cmd *syntax.Command, how func(*store.Tx, mailbox.FolderID, []mailbox.UID, mailbox.FolderID) (mailbox.Copied, error)) (c mailbox.Copied, err error) {
	args := cmd.Args.(*syntax.Copy)
	v := s.view
	uids, err := v.pick(args.Set, cmd.UID)
	if err != nil {
		return c, err
	}
	err = s.store().Write(ctx, func(tx *store.Tx) error {
		to, err := mailbox.FolderNamed(tx, s.account(), args.To)
		if err != nil {
			return orTryCreate(err)
		}
		c, err = how(tx, v.folder, uidsOf(uids), to.ID)
		return err
	})
	return c, err
}

// copyUID is the response code that tells the new UIDs (RFC 4315 section 3). Nothing
// copied has none.
func copyUID(c mailbox.Copied) string {
	if len(c.From) == 0 {
		return ""
	}
	from, to := wireRanges(mailbox.Ranges(c.From)), wireRanges(mailbox.Ranges(c.To))
	return fmt.Sprintf("COPYUID %d %s %s", c.Validity, syntax.AppendRanges(nil, from), syntax.AppendRanges(nil, to))
}

// copy is COPY (RFC 9051 section 6.4.7).
func (s *session) copy(ctx context.Context, cmd *syntax.Command) (answer, error) {
	c, err := s.transfer(ctx, cmd, mailbox.Copy)
	return answer{code: copyUID(c)}, err
}

// move is MOVE (RFC 6851). The new UIDs are told before the expunges, for then the old
// ones still mean something.
func (s *session) move(ctx context.Context, cmd *syntax.Command) (answer, error) {
	if err := s.view.changes(); err != nil {
		return answer{}, err
	}
	c, err := s.transfer(ctx, cmd, mailbox.Move)
	if err != nil {
		return answer{}, err
	}
	if code := copyUID(c); code != "" {
		s.untagged("OK [" + code + "] moved")
	}
	return answer{}, nil
}
