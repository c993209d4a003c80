package imap

import (
	"context"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// quotaRoot is the name of the one room that the counted folders of an account share
// (RFC 9208 section 3.2).
const quotaRoot = "account"

// usage reads the room of the account and what of it is taken.
func (s *session) usage(ctx context.Context) (room, used mailbox.Quota, err error) {
	err = s.store().Read(ctx, func(tx *store.Tx) (err error) {
		room, used, err = mailbox.Usage(tx, s.account())
		return err
	})
	return room, used, err
}

// getQuota is GETQUOTA (RFC 9208 section 4.1.1).
func (s *session) getQuota(ctx context.Context, cmd *syntax.Command) (answer, error) {
	room, used, err := s.usage(ctx)
	if err == nil && (cmd.Args.(*syntax.QuotaRoot).Root != quotaRoot || room == (mailbox.Quota{})) {
		err = no("NONEXISTENT", "There is no such quota root")
	}
	if err != nil {
		return answer{}, err
	}
	s.showQuota(room, used)
	return answer{}, nil
}

// getQuotaRoot is GETQUOTAROOT (RFC 9208 section 4.1.2). A folder need not exist to have
// a root.
func (s *session) getQuotaRoot(ctx context.Context, cmd *syntax.Command) (answer, error) {
	name := cmd.Args.(*syntax.Mailbox).Name
	room, used, err := s.usage(ctx)
	if err != nil {
		return answer{}, err
	}
	var f mailbox.Folder
	err = s.store().Read(ctx, func(tx *store.Tx) (err error) {
		f, err = mailbox.FolderNamed(tx, s.account(), name)
		return err
	})
	limited := room != (mailbox.Quota{}) && !(err == nil && f.Uncounted)
	s.out.Raw("* QUOTAROOT ").Mailbox(name)
	if limited {
		s.out.Raw(" ").String(quotaRoot)
	}
	s.out.Raw("\r\n")
	if limited {
		s.showQuota(room, used)
	}
	return answer{}, nil
}

// showQuota tells limits and what is used: octets in units of 1024 (RFC 9208 section
// 5.1), rounded up.
func (s *session) showQuota(room, used mailbox.Quota) {
	s.out.Raw("* QUOTA ").String(quotaRoot).Raw(" (")
	if room.Bytes > 0 {
		s.out.Raw("STORAGE ").Number((used.Bytes + 1023) / 1024).Raw(" ").Number(room.Bytes / 1024)
	}
	if room.Messages > 0 {
		if room.Bytes > 0 {
			s.out.Raw(" ")
		}
		s.out.Raw("MESSAGE ").Number(used.Messages).Raw(" ").Number(room.Messages)
	}
	s.out.Raw(")\r\n")
}

// setQuota is SETQUOTA: quotas are the administrator's.
func (s *session) setQuota(context.Context, *syntax.Command) (answer, error) {
	return answer{}, no("NOPERM", "Only the administrator sets quotas")
}
