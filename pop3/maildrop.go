package pop3

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// maildrop is an INBOX as it was at the login.
type maildrop struct {
	folder   mailbox.FolderID
	validity uint32
	messages []entry
}

// entry is one message, small, for an INBOX may have very many.
type entry struct {
	uid     mailbox.UID
	deleted bool
	fetched bool
	body    store.BodyID
	size    int64
}

// page is how many messages are read in one transaction.
const page = 10_000

func openDrop(ctx context.Context, st *store.Store, account int64) (*maildrop, error) {
	d := &maildrop{}
	err := st.Read(ctx, func(tx *store.Tx) error {
		f, err := mailbox.FolderOf(tx, account, mailbox.Inbox)
		d.folder, d.validity = f.ID, f.UIDValidity
		return err
	})
	for more := true; err == nil && more; {
		var some []mailbox.Message
		err = st.Read(ctx, func(tx *store.Tx) (err error) {
			some, err = mailbox.Messages(tx, d.folder, d.last(), page)
			return err
		})
		for i := range some {
			d.messages = append(d.messages, entry{uid: some[i].UID, body: some[i].Body, size: some[i].Size})
		}
		more = len(some) == page
	}
	if err != nil {
		return nil, fmt.Errorf("open the INBOX of account %d: %w", account, err)
	}
	return d, nil
}

func (d *maildrop) last() mailbox.UID {
	if len(d.messages) == 0 {
		return 0
	}
	return d.messages[len(d.messages)-1].uid
}

// total counts what is not deleted.
func (d *maildrop) total() (n int, octets int64) {
	for i := range d.messages {
		if !d.messages[i].deleted {
			n, octets = n+1, octets+d.messages[i].size
		}
	}
	return n, octets
}

// restore takes all marks of deletion away.
func (d *maildrop) restore() {
	for i := range d.messages {
		d.messages[i].deleted = false
	}
}

// identifier never comes again for another message (RFC 1939 section 7).
func (d *maildrop) identifier(i int) string {
	return fmt.Sprintf("%08x%08x", d.validity, uint32(d.messages[i].uid))
}

// update does what the session was for, all or nothing.
func (d *maildrop) update(ctx context.Context, st *store.Store) error {
	var gone, seen []mailbox.UID
	for i := range d.messages {
		switch m := &d.messages[i]; {
		case m.deleted:
			gone = append(gone, m.uid)
		case m.fetched:
			seen = append(seen, m.uid)
		}
	}
	if len(gone)+len(seen) == 0 {
		return nil
	}
	err := st.Write(ctx, func(tx *store.Tx) error {
		if len(seen) > 0 {
			if _, _, err := mailbox.SetFlags(tx, d.folder, seen, mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Seen}); err != nil {
				return err
			}
		}
		if len(gone) == 0 {
			return nil
		}
		_, err := mailbox.Expunge(tx, d.folder, gone)
		return err
	})
	if err != nil {
		return fmt.Errorf("update folder %d: %w", d.folder, err)
	}
	return nil
}
