package mailbox_test

import (
	"errors"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// overtake has one process change what another has read already and is about to change:
// the first one's transaction is open until the other waits for it.
func overtake(t *testing.T, prepare, first func(*store.Tx) error, second func(*store.Store) error) (*store.Store, error) {
	t.Helper()
	dsn := storetest.PostgreSQL(t)
	var stores []*store.Store
	for range 3 {
		stores = append(stores, storetest.OpenWith(t, store.Options{PostgreSQL: dsn, Schemas: []store.Schema{mailbox.Schema}}))
	}
	create(t, stores[0], 7)
	write(t, stores[0], prepare)
	done := make(chan error, 1)
	write(t, stores[0], func(tx *store.Tx) error {
		if err := first(tx); err != nil {
			return err
		}
		go func() { done <- second(stores[1]) }()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			if count(t, stores[2], `SELECT COUNT(*) FROM pg_locks WHERE NOT granted`) > 0 {
				return nil
			}
			select {
			case err := <-done: // it did not have to wait: its own order of things
				done <- err
				return nil
			default:
			}
		}
		return errors.New("the second transaction never waited for the first")
	})
	return stores[0], <-done
}

func restored(tx *store.Tx) error {
	_, err := mailbox.NewFolder(tx, mailbox.Folder{Account: 7, Name: "Restored/20261122T040000", Sealed: true, Uncounted: true, Expires: tx.Now().Add(-time.Second)})
	return err
}

func rescue(tx *store.Tx) error { return mailbox.Rename(tx, 7, "Restored/20261122T040000", "Mine") }

// TestRenameOvertakesTheEnd renames a folder out of a restored tree while it expires, or
// while somebody removes the tree: what is ordinary stays.
func TestRenameOvertakesTheEnd(t *testing.T) {
	for name, end := range map[string]func(*store.Store) error{
		"expiry": func(st *store.Store) error {
			_, err := mailbox.Sweep(t.Context(), st)
			return err
		},
		"removal": func(st *store.Store) error {
			return st.Write(t.Context(), func(tx *store.Tx) error {
				_, err := mailbox.ExpireAt(tx, 7, "Restored", tx.Now())
				return err
			})
		},
		"deletion": func(st *store.Store) error {
			err := st.Write(t.Context(), func(tx *store.Tx) error { return mailbox.RemoveFolder(tx, 7, "Restored/20261122T040000") })
			if !errors.Is(err, mailbox.ErrNoFolder) {
				t.Errorf("deletion of a name that was renamed meanwhile: %v", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := overtake(t, restored, rescue, end)
			if err != nil {
				t.Fatal(err)
			}
			if f, ok := folders(t, st, 7)["Mine"]; !ok || f.Sealed || f.Uncounted || !f.Expires.IsZero() {
				t.Errorf("the folder that was renamed: %+v, %v", f, ok)
			}
		})
	}
}

// TestHold reads a folder that another process is changing: what was read holds.
func TestHold(t *testing.T) {
	inbox := func(tx *store.Tx) mailbox.FolderID {
		f, err := mailbox.FolderOf(tx, 7, mailbox.Inbox)
		if err != nil {
			t.Error(err)
		}
		return f.ID
	}
	prepare := func(tx *store.Tx) error {
		_, _, err := mailbox.Append(tx, inbox(tx), mailbox.Delivery{Body: 1, Size: 10, Received: noon, Flags: mailbox.Deleted})
		return err
	}
	undelete := func(tx *store.Tx) error {
		_, _, err := mailbox.SetFlags(tx, inbox(tx), []mailbox.UID{1}, mailbox.FlagChange{Op: mailbox.RemoveFlags, Flags: mailbox.Deleted})
		return err
	}
	_, err := overtake(t, prepare, undelete, func(st *store.Store) error {
		return st.Write(t.Context(), func(tx *store.Tx) error {
			id := inbox(tx)
			if err := mailbox.Hold(tx, id); err != nil {
				return err
			}
			return mailbox.Fetch(tx, id, everything, 0, func(m *mailbox.Message) error {
				if m.Flags != 0 {
					t.Errorf("the message still has flags %b", m.Flags)
				}
				return nil
			})
		})
	})
	if err != nil {
		t.Error(err)
	}
}
