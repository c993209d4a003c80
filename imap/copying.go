package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// destination finds the folder that messages are to go to.
func (s *session) destination(ctx context.Context, name string) (to mailbox.FolderID, err error) {
	err = s.store().Read(ctx, func(tx *store.Tx) error {
		f, err := mailbox.FolderNamed(tx, s.account(), name)
		to = f.ID
		return orTryCreate(err)
	})
	return to, err
}

// route is which messages a COPY or MOVE is about, and where they go.
func (s *session) route(ctx context.Context, args *syntax.Copy, byUID bool) (which []mailbox.UIDRange, to mailbox.FolderID, err error) {
	if which, err = s.view.pick(args.Set, byUID); err != nil {
		return nil, to, err
	}
	to, err = s.destination(ctx, args.To)
	return which, to, err
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

// copy is COPY (RFC 9051 section 6.4.7), all or nothing.
func (s *session) copy(ctx context.Context, cmd *syntax.Command) (answer, error) {
	args := cmd.Args.(*syntax.Copy)
	uids, to, err := s.route(ctx, args, cmd.UID)
	if err != nil {
		return answer{}, err
	}
	var c mailbox.Copied
	err = s.store().Write(ctx, func(tx *store.Tx) (err error) {
		c, err = mailbox.Copy(tx, s.view.folder, uidsOf(uids), to)
		return orTryCreate(err)
	})
	return answer{code: copyUID(c)}, err
}

// moveAtOnce is how many messages one transaction moves: others wait for it.
const moveAtOnce = 2000

// move is MOVE (RFC 6851). Each message is in one of the two folders at any time, but
// not all of many go at one moment, which section 3.3 allows. The new UIDs are told
// before the expunges, for then the old ones still mean something; so they are for what
// has moved before something failed.
func (s *session) move(ctx context.Context, cmd *syntax.Command) (answer, error) {
	args := cmd.Args.(*syntax.Copy)
	if err := s.view.changes(); err != nil {
		return answer{}, err
	}
	uids, to, err := s.route(ctx, args, cmd.UID)
	if err != nil {
		return answer{}, err
	}
	var all mailbox.Copied
	for some := range slices.Chunk(uidsOf(uids), moveAtOnce) {
		var c mailbox.Copied
		err = s.store().Write(ctx, func(tx *store.Tx) (err error) {
			c, err = mailbox.Move(tx, s.view.folder, some, to)
			return orTryCreate(err)
		})
		if err != nil {
			break
		}
		all.Validity, all.From, all.To = c.Validity, append(all.From, c.From...), append(all.To, c.To...)
	}
	if code := copyUID(all); code != "" {
		s.untagged("OK [" + code + "] moved")
	}
	return answer{}, err
}
