package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// FoldersOf are the folders of a mailbox as those of a source.
func FoldersOf(ctx context.Context, st *store.Store, account int64) (all []Folder, err error) {
	err = st.Read(ctx, func(tx *store.Tx) error {
		all = nil
		folders, err := mailbox.Folders(tx, account)
		for _, f := range folders {
			all = append(all, Folder{Name: f.Name, Role: f.Role, Subscribed: f.Subscribed, Messages: f.Messages})
		}
		return err
	})
	sortFolders(all)
	return all, err
}

// Page is a part of a folder to export.
type Page struct {
	Account int64
	Folder  string
	After   mailbox.UID
	Limit   int   // messages
	Octets  int64 // a page ends when it is this large; it has one message at least
}

// Export writes one page of a folder as frames. Keys are UIDVALIDITY and UID, in a form
// that sorts as UIDs do; the page after goes on behind the last UID, and one without
// frames is the end.
func Export(ctx context.Context, st *store.Store, p Page, w io.Writer) error {
	for {
		folder, messages, err := p.list(ctx, st)
		if err != nil {
			return fmt.Errorf("export %q: %w", p.Folder, err)
		}
		var octets int64
		for _, m := range messages {
			if octets > 0 && octets+m.Size > p.Octets {
				return nil
			}
			n, err := exportOne(ctx, st, folder, m, w)
			if err != nil {
				return fmt.Errorf("export %q: %w", p.Folder, err)
			}
			octets += n
			p.After = m.UID
		}
		if octets > 0 || len(messages) == 0 {
			return nil
		} // else all of them were expunged meanwhile, which is not the end
	}
}

func (p Page) list(ctx context.Context, st *store.Store) (folder mailbox.Folder, messages []mailbox.Message, err error) {
	err = st.Read(ctx, func(tx *store.Tx) (err error) {
		if folder, err = mailbox.FolderNamed(tx, p.Account, p.Folder); err != nil {
			return err
		}
		messages, err = mailbox.Messages(tx, folder.ID, p.After, p.Limit)
		return err
	})
	return folder, messages, err
}

// exportOne writes a message, and says how many octets. One that was expunged
// meanwhile is passed over.
func exportOne(ctx context.Context, st *store.Store, f mailbox.Folder, m mailbox.Message, w io.Writer) (int64, error) {
	body, err := mailbox.Open(ctx, st, f.ID, m.UID)
	if errors.Is(err, mailbox.ErrNoMessage) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return max(m.Size, 1), WriteFrame(w, Message{
		Key: fmt.Sprintf("%d.%010d", f.UIDValidity, m.UID), Received: m.Received, Flags: m.Flags, Keywords: m.Keywords, Size: m.Size, Body: body,
	})
}
