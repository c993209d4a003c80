package mailbox_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// deliverMany gives an account n messages with bodies of their own.
func deliverMany(t *testing.T, st *store.Store, account int64, n int) (bodies []store.BodyID) {
	t.Helper()
	write(t, st, func(tx *store.Tx) error {
		bodies = nil
		for i := range n {
			body, err := put(tx, st, fmt.Sprintf("message %d", i))
			if err != nil {
				return err
			}
			d := mailbox.Delivery{Account: account, Body: body, Size: 10, Received: noon, Structure: []byte{byte(i)}}
			if i%2 == 1 {
				d.Flags = mailbox.Seen
			}
			if _, err := mailbox.Deliver(tx, d); err != nil {
				return err
			}
			bodies = append(bodies, body)
		}
		return nil
	})
	return bodies
}

func count(t *testing.T, st *store.Store, query string, args ...any) (n int) {
	t.Helper()
	read(t, st, func(tx *store.Tx) error { return tx.Row(query, args...).Scan(&n) })
	return n
}

func TestExpunge(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		bodies := deliverMany(t, st, 7, 6)
		inbox := folders(t, st, 7)["INBOX"].ID
		var gone []mailbox.UID
		write(t, st, func(tx *store.Tx) (err error) {
			gone, err = mailbox.Expunge(tx, inbox, []mailbox.UID{5, 2, 3, 99, 2})
			return err
		})
		if diff := cmp.Diff([]mailbox.UID{2, 3, 5}, gone); diff != "" {
			t.Errorf("expunged (-want +got):\n%s", diff)
		}
		f := folders(t, st, 7)["INBOX"]
		if f.Messages != 3 || f.Unseen != 1 || f.Bytes != 30 || f.UIDNext != 7 || f.ModSeq != 8 {
			t.Errorf("INBOX is %+v", f)
		}
		if n := count(t, st, `SELECT CAST(SUM(last - uid + 1) AS BIGINT) FROM mailbox_tombstone WHERE folder = $1 AND modseq = 8`, int64(inbox)); n != 3 {
			t.Errorf("tombstones of %d UIDs, want 3", n)
		}
		if n := count(t, st, `SELECT COUNT(*) FROM mailbox_structure`); n != 3 {
			t.Errorf("%d structures, want 3", n)
		}
		if _, err := st.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, body := range bodies {
			b, err := st.OpenBody(t.Context(), body)
			if err == nil {
				b.Close()
			}
			if stays := i != 1 && i != 2 && i != 4; stays != (err == nil) {
				t.Errorf("body of UID %d: %v", i+1, err)
			}
		}
		deliverMany(t, st, 7, 1)
		read(t, st, func(tx *store.Tx) error {
			all, err := mailbox.Messages(tx, inbox, 0, 100)
			var uids []mailbox.UID
			for _, m := range all {
				uids = append(uids, m.UID)
			}
			if diff := cmp.Diff([]mailbox.UID{1, 4, 6, 7}, uids); diff != "" {
				t.Errorf("UIDs (-want +got):\n%s", diff)
			}
			return err
		})
		err := st.Write(t.Context(), func(tx *store.Tx) error {
			_, err := mailbox.Expunge(tx, inbox+100, []mailbox.UID{1})
			return err
		})
		if !errors.Is(err, mailbox.ErrNoFolder) {
			t.Errorf("expunging in no folder: %v", err)
		}
	})
}

func TestRemoveAndSweep(t *testing.T) {
	now := noon
	st := storetest.OpenWith(t, store.Options{Clock: func() time.Time { return now }, Schemas: []store.Schema{mailbox.Schema}})
	create(t, st, 7, 8)
	deliverMany(t, st, 7, 450)
	deliverMany(t, st, 8, 3)
	kept := folders(t, st, 8)["INBOX"].ID
	write(t, st, func(tx *store.Tx) error {
		_, err := mailbox.Expunge(tx, kept, []mailbox.UID{2})
		return err
	})
	write(t, st, func(tx *store.Tx) error { return mailbox.Remove(tx, 7) })
	if got := folders(t, st, 7); len(got) != 0 {
		t.Errorf("a removed account has %v", got)
	}
	err := st.Write(t.Context(), func(tx *store.Tx) error {
		_, err := mailbox.Deliver(tx, mailbox.Delivery{Account: 7, Body: 1})
		return err
	})
	if !errors.Is(err, mailbox.ErrNoFolder) {
		t.Errorf("delivery to a removed account: %v", err)
	}
	if n, err := mailbox.Sweep(t.Context(), st); n != 450 || err != nil {
		t.Errorf("Sweep() = %d, %v", n, err)
	}
	for table, want := range map[string]int{"folder": 6, "message": 2, "structure": 2, "tombstone": 1} {
		if n := count(t, st, `SELECT COUNT(*) FROM mailbox_`+table); n != want {
			t.Errorf("%d rows of %s are left, want %d", n, table, want)
		}
	}
	now = now.Add(mailbox.KeepTombstones + time.Hour)
	if _, err := mailbox.Sweep(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if n := count(t, st, `SELECT COUNT(*) FROM mailbox_tombstone`); n != 0 {
		t.Errorf("%d old tombstones are left", n)
	}
}

func TestFolderNames(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		for _, tt := range []struct {
			name string
			want error
		}{
			{"Shop", nil}, {"Shop/2026", nil}, {"deep/er/still", nil}, {"\u00fcber", nil},
			{"Shop", mailbox.ErrFolderExists}, {"inbox", mailbox.ErrFolderExists}, {"Junk", mailbox.ErrFolderExists},
			{"", mailbox.ErrFolderName}, {"/a", mailbox.ErrFolderName}, {"a//b", mailbox.ErrFolderName}, {"a/", mailbox.ErrFolderName},
			{" a", mailbox.ErrFolderName}, {"a\x00", mailbox.ErrFolderName}, {"a\u0085", mailbox.ErrFolderName}, {"\xff", mailbox.ErrFolderName},
			{string(make([]byte, 501)), mailbox.ErrFolderName},
		} {
			err := st.Write(t.Context(), func(tx *store.Tx) error {
				_, err := mailbox.NewFolder(tx, mailbox.Folder{Account: 7, Name: tt.name})
				return err
			})
			if !errors.Is(err, tt.want) || err != nil && tt.want == nil {
				t.Errorf("%q: %v, want %v", tt.name, err, tt.want)
			}
		}
	})
}

// TestUIDValidityRises: a name that is used again has a higher one, even in one second
// and with a clock that went back.
func TestUIDValidityRises(t *testing.T) {
	now := noon
	st := storetest.OpenWith(t, store.Options{Clock: func() time.Time { return now }, Schemas: []store.Schema{mailbox.Schema}})
	create(t, st, 7)
	last := uint32(0)
	for _, f := range folders(t, st, 7) {
		last = max(last, f.UIDValidity)
	}
	for _, step := range []time.Duration{0, -time.Hour, 2 * time.Hour} {
		now = now.Add(step)
		write(t, st, func(tx *store.Tx) error {
			_, err := mailbox.NewFolder(tx, mailbox.Folder{Account: 7, Name: "again"})
			return err
		})
		v := folders(t, st, 7)["again"].UIDValidity
		if v <= last {
			t.Errorf("UIDVALIDITY %d after %d", v, last)
		}
		last = v
		write(t, st, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE mailbox_folder SET account = NULL WHERE name = 'again'`)
			return err
		})
	}
}
