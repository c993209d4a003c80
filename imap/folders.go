package imap

import (
	"context"
	"strings"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// uses are the special uses of folders and their words (RFC 6154 section 2).
var uses = map[string]mailbox.Role{
	`\sent`: mailbox.Sent, `\drafts`: mailbox.Drafts, `\junk`: mailbox.Junk, `\trash`: mailbox.Trash, `\archive`: mailbox.Archive,
}

var useWords = map[mailbox.Role]string{
	mailbox.Sent: `\Sent`, mailbox.Drafts: `\Drafts`, mailbox.Junk: `\Junk`, mailbox.Trash: `\Trash`, mailbox.Archive: `\Archive`,
}

// create is CREATE (RFC 9051 section 6.3.4), with a use if the client names one (RFC 6154
// section 3). A name that ends in a separator announces folders below it, for which
// nothing need be done.
func (s *session) create(ctx context.Context, cmd *syntax.Command) (answer, error) {
	c := cmd.Args.(*syntax.Create)
	f := mailbox.Folder{Account: s.account(), Name: strings.TrimSuffix(c.Name, "/")}
	if len(c.Use) > 1 {
		return answer{}, no("USEATTR", "A folder has one use")
	}
	for _, u := range c.Use {
		role, known := uses[strings.ToLower(u)]
		if !known {
			return answer{}, no("USEATTR", "This use is not known here")
		}
		f.Role = role
	}
	return answer{}, s.change(ctx, func(tx *store.Tx) error {
		if err := s.freeUse(tx, f.Role); err != nil {
			return err
		}
		_, err := mailbox.NewFolder(tx, f)
		return err
	})
}

// freeUse says whether a use is not taken: an account has one folder for each.
func (s *session) freeUse(tx *store.Tx, role mailbox.Role) error {
	if role == "" {
		return nil
	}
	if f, err := mailbox.FolderOf(tx, s.account(), role); err == nil {
		return no("USEATTR", "%s is the folder of this use", syntax.EncodeName(f.Name))
	}
	return nil
}

// change changes folders.
func (s *session) change(ctx context.Context, f func(*store.Tx) error) error {
	return s.store().Write(ctx, f)
}

// delete is DELETE (RFC 9051 section 6.3.5).
func (s *session) delete(ctx context.Context, cmd *syntax.Command) (answer, error) {
	name := cmd.Args.(*syntax.Mailbox).Name
	if name == "INBOX" {
		return answer{}, no("CANNOT", "There is always an INBOX")
	}
	var f mailbox.Folder // by its number: the one that is open may have been renamed
	err := s.change(ctx, func(tx *store.Tx) (err error) {
		if f, err = mailbox.FolderNamed(tx, s.account(), name); err != nil {
			return err
		}
		return mailbox.RemoveFolder(tx, s.account(), name)
	})
	if err == nil && s.view != nil && s.view.folder == f.ID {
		s.leave()
		s.untagged("OK [CLOSED] the folder that was open is no more")
	}
	return answer{}, err
}

// rename is RENAME (RFC 9051 section 6.3.6).
func (s *session) rename(ctx context.Context, cmd *syntax.Command) (answer, error) {
	r := cmd.Args.(*syntax.Rename)
	return answer{}, s.change(ctx, func(tx *store.Tx) error {
		return mailbox.Rename(tx, s.account(), strings.TrimSuffix(r.From, "/"), strings.TrimSuffix(r.To, "/"))
	})
}

// subscribe is SUBSCRIBE and UNSUBSCRIBE (RFC 9051 sections 6.3.7 and 6.3.8).
func (s *session) subscribe(ctx context.Context, cmd *syntax.Command) (answer, error) {
	name, on := cmd.Args.(*syntax.Mailbox).Name, cmd.Name == "SUBSCRIBE"
	return answer{}, s.change(ctx, func(tx *store.Tx) error { return mailbox.Subscribe(tx, s.account(), name, on) })
}
