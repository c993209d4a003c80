package imap

import (
	"context"
	"slices"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// expunge is EXPUNGE (RFC 9051 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1). The
// news tell what went.
func (s *session) expunge(ctx context.Context, cmd *syntax.Command) (answer, error) {
	if err := s.view.changes(); err != nil {
		return answer{}, err
	}
	uids := s.view.uids.Ranges()
	if cmd.UID {
		var err error
		if uids, err = s.view.pick(cmd.Args.(*syntax.Expunge).Set, true); err != nil {
			return answer{}, err
		}
	}
	modseq, err := s.expungeDeleted(ctx, uids)
	if err != nil || modseq == 0 || !s.condstore {
		return answer{}, err
	}
	return answer{code: "HIGHESTMODSEQ " + number(modseq)}, nil // RFC 7162 section 3.2.7
}

// expungeDeleted expunges those of the messages that are \Deleted, and gives the MODSEQ
// of the folder then; zero when there were none. Messages that the client has not seen
// yet stay, whatever flag others gave them.
func (s *session) expungeDeleted(ctx context.Context, uids []mailbox.UIDRange) (modseq int64, err error) {
	var deleted []mailbox.UID
	find := func(tx *store.Tx, among []mailbox.UIDRange) error {
		deleted = nil
		return mailbox.Fetch(tx, s.view.folder, among, 0, func(m *mailbox.Message) error {
			if m.Flags&mailbox.Deleted != 0 {
				deleted = append(deleted, m.UID)
			}
			return nil
		})
	}
	// The long look is a reader's, which nobody waits for.
	err = s.store().Read(ctx, func(tx *store.Tx) error { return find(tx, uids) })
	if err != nil || len(deleted) == 0 {
		return 0, err
	}
	for some := range slices.Chunk(slices.Clone(deleted), expungeAtOnce) {
		among := mailbox.Ranges(some)
		err = s.store().Write(ctx, func(tx *store.Tx) error {
			if err := mailbox.Hold(tx, s.view.folder); err != nil { // or somebody takes \Deleted back meanwhile
				return err
			}
			if err := find(tx, among); err != nil {
				return err
			}
			if _, err := mailbox.Expunge(tx, s.view.folder, deleted); err != nil {
				return err
			}
			f, err := mailbox.FolderByID(tx, s.view.folder)
			modseq = f.ModSeq
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return modseq, nil
}

// expungeAtOnce is how many messages one transaction takes: others wait for it.
const expungeAtOnce = 2000
