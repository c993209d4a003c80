package imap

import (
	"context"
	"slices"
	"strconv"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

// status is STATUS (RFC 9051 section 6.3.11).
func (s *session) status(ctx context.Context, cmd *syntax.Command) (answer, error) {
	st := cmd.Args.(*syntax.Status)
	if slices.Contains(st.Items, syntax.StatusHighestModSeq) {
		s.condstore = true // RFC 7162 section 3.1
	}
	var f mailbox.Folder
	var deleted int64
	err := s.store().Read(ctx, func(tx *store.Tx) (err error) {
		if f, err = mailbox.FolderNamed(tx, s.account(), st.Mailbox); err != nil {
			return err
		}
		if slices.Contains(st.Items, syntax.StatusDeleted) {
			deleted, err = countDeleted(tx, &f)
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	s.showStatus(&f, st.Items, deleted)
	return answer{}, nil
}

// countDeleted counts the messages that EXPUNGE would take.
func countDeleted(tx *store.Tx, f *mailbox.Folder) (n int64, err error) {
	uids, err := mailbox.UIDs(tx, f.ID)
	if err != nil {
		return 0, err
	}
	err = mailbox.Fetch(tx, f.ID, uids.Ranges(), 0, func(m *mailbox.Message) error {
		if m.Flags&mailbox.Deleted != 0 {
			n++
		}
		return nil
	})
	return n, err
}

// showStatus answers with the items asked for, in their order.
func (s *session) showStatus(f *mailbox.Folder, items []syntax.StatusItem, deleted int64) {
	values := map[syntax.StatusItem]int64{
		syntax.StatusMessages: f.Messages, syntax.StatusUIDNext: int64(f.UIDNext), syntax.StatusUIDValidity: int64(f.UIDValidity),
		syntax.StatusUnseen: f.Unseen, syntax.StatusDeleted: deleted, syntax.StatusSize: f.Bytes, syntax.StatusRecent: 0,
		syntax.StatusHighestModSeq: f.ModSeq, syntax.StatusAppendLimit: s.server.maxMessage(),
	}
	s.out.Raw("* STATUS ").Mailbox(f.Name).Raw(" (")
	for i, item := range items {
		if i > 0 {
			s.out.Raw(" ")
		}
		s.out.Raw(string(item)).Raw(" ").Number(values[item])
	}
	s.out.Raw(")\r\n")
}
