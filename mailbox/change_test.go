package mailbox_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// folder makes a folder.
func folder(t testing.TB, st *store.Store, f mailbox.Folder) (id mailbox.FolderID) {
	t.Helper()
	write(t, st, func(tx *store.Tx) (err error) {
		id, err = mailbox.NewFolder(tx, f)
		return err
	})
	return id
}

// try runs a change that may fail, and is undone then.
func try(t testing.TB, st *store.Store, f func(tx *store.Tx) error) error {
	t.Helper()
	return st.Write(t.Context(), f)
}

// all reads the messages of a folder with everything.
func all(t testing.TB, st *store.Store, id mailbox.FolderID) (found []mailbox.Message) {
	t.Helper()
	read(t, st, func(tx *store.Tx) error {
		found = nil
		return mailbox.Fetch(tx, id, everything, mailbox.Facts|mailbox.Structures, func(m *mailbox.Message) error {
			c := *m
			c.Keywords = slices.Clone(m.Keywords)
			found = append(found, c)
			return nil
		})
	})
	return found
}

var everything = []mailbox.UIDRange{{First: 1, Last: 1<<32 - 1}}

func uidsOf(messages []mailbox.Message) (uids []mailbox.UID) {
	for _, m := range messages {
		uids = append(uids, m.UID)
	}
	return uids
}

func TestAppend(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		work := folder(t, st, mailbox.Folder{Account: 7, Name: "Work"})
		sealed := folder(t, st, mailbox.Folder{Account: 7, Name: "Restored/x", Sealed: true, Uncounted: true})
		many := make([]mailbox.Delivery, 70)
		for i := range many {
			many[i] = mailbox.Delivery{Body: store.BodyID(i + 1), Size: 10, Received: noon, Keywords: []string{"k"}}
			if i%3 == 0 {
				many[i].Structure = []byte{byte(i)}
			}
		}
		write(t, st, func(tx *store.Tx) error {
			uids, validity, err := mailbox.AppendAll(tx, work, many)
			if want := (mailbox.UIDRange{First: 1, Last: 70}); uids != want || validity == 0 {
				t.Errorf("AppendAll() = %v, %d, want %v", uids, validity, want)
			}
			return err
		})
		write(t, st, func(tx *store.Tx) error {
			uid, _, err := mailbox.Append(tx, work, many[3])
			if uid != 71 {
				t.Errorf("Append() = %d, want 71", uid)
			}
			return err
		})
		for i, m := range all(t, st, work) {
			from := many[min(i, 70)%70]
			if i == 70 {
				from = many[3]
			}
			want := mailbox.Message{Folder: work, UID: mailbox.UID(i + 1), ModSeq: 2 + int64(i/70), Body: from.Body, Size: 10,
				Received: noon, Keywords: []string{"k"}, Structure: from.Structure}
			if diff := cmp.Diff(want, m); diff != "" {
				t.Errorf("message %d (-want +got):\n%s", i, diff)
			}
		}
		if f := folders(t, st, 7)["Work"]; f.Messages != 71 || f.Unseen != 71 || f.Bytes != 710 || f.UIDNext != 72 || f.ModSeq != 3 {
			t.Errorf("Work is %+v", f)
		}
		write(t, st, func(tx *store.Tx) error { return mailbox.SetQuota(tx, 7, mailbox.Quota{Messages: 72}) })
		for _, tt := range []struct {
			folder mailbox.FolderID
			n      int
			want   error
		}{{work, 2, mailbox.ErrQuota}, {work, 1, nil}, {work, 1, mailbox.ErrQuota}, {sealed, 1, mailbox.ErrSealed}, {work + 100, 1, mailbox.ErrNoFolder}} {
			err := try(t, st, func(tx *store.Tx) error {
				_, _, err := mailbox.AppendAll(tx, tt.folder, many[:tt.n])
				return err
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("%d more into %d: %v, want %v", tt.n, tt.folder, err, tt.want)
			}
		}
		if f := folders(t, st, 7)["Work"]; f.Messages != 72 || f.UIDNext != 73 {
			t.Errorf("Work is %+v after refusals", f)
		}
	})
}

func TestSetFlags(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		deliverMany(t, st, 7, 5) // MODSEQ 2 to 6; 2 and 4 are seen
		inbox := folders(t, st, 7)["INBOX"].ID
		set := func(c mailbox.FlagChange, uids ...mailbox.UID) (changed []mailbox.Message, modified []mailbox.UID) {
			t.Helper()
			write(t, st, func(tx *store.Tx) (err error) {
				changed, modified, err = mailbox.SetFlags(tx, inbox, uids, c)
				return err
			})
			return changed, modified
		}
		changed, modified := set(mailbox.FlagChange{Flags: mailbox.Seen, Keywords: []string{"$Work", "$work"}}, 4, 1, 9)
		want := []mailbox.Message{
			{Folder: inbox, UID: 1, ModSeq: 7, Flags: mailbox.Seen, Keywords: []string{"$Work"}},
			{Folder: inbox, UID: 4, ModSeq: 7, Flags: mailbox.Seen, Keywords: []string{"$Work"}},
		}
		if diff := cmp.Diff(want, changed); diff != "" || modified != nil {
			t.Errorf("changed (-want +got), modified %v:\n%s", modified, diff)
		}
		if f := folders(t, st, 7)["INBOX"]; f.Unseen != 2 || f.ModSeq != 7 {
			t.Errorf("INBOX is %+v", f)
		}
		changed, _ = set(mailbox.FlagChange{Flags: mailbox.Seen}, 1, 2) // both are
		if changed[0].ModSeq != 7 || changed[1].ModSeq != 3 || folders(t, st, 7)["INBOX"].ModSeq != 7 {
			t.Errorf("a change of nothing: %+v", changed)
		}
		changed, modified = set(mailbox.FlagChange{Op: mailbox.RemoveFlags, Flags: mailbox.Seen, Keywords: []string{"$WORK"}, UnchangedSince: 5}, 1, 2, 4)
		if diff := cmp.Diff([]mailbox.UID{1, 4}, modified); diff != "" || len(changed) != 1 || changed[0].UID != 2 || changed[0].Flags != 0 {
			t.Errorf("changed %+v, modified (-want +got):\n%s", changed, diff)
		}
		set(mailbox.FlagChange{Op: mailbox.ReplaceFlags, Flags: mailbox.Deleted, Keywords: []string{"b", "a"}}, 1, 2, 3, 4, 5)
		for _, m := range all(t, st, inbox) {
			if m.Flags != mailbox.Deleted || !slices.Equal(m.Keywords, []string{"b", "a"}) || m.ModSeq != 9 || m.Received != noon {
				t.Errorf("replaced: %+v", m)
			}
		}
		if f := folders(t, st, 7)["INBOX"]; f.Unseen != 5 || f.Messages != 5 {
			t.Errorf("INBOX is %+v", f)
		}
	})
}

func TestCopyAndMove(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7, 8)
		bodies := deliverMany(t, st, 7, 40)
		inbox, archive := folders(t, st, 7)["INBOX"], folders(t, st, 7)["Archive"]
		before := all(t, st, inbox.ID)
		var c mailbox.Copied
		uids := []mailbox.UID{40, 3, 4, 5, 99, 3}
		write(t, st, func(tx *store.Tx) (err error) {
			c, err = mailbox.Copy(tx, inbox.ID, uids, archive.ID)
			return err
		})
		want := mailbox.Copied{Validity: archive.UIDValidity, From: []mailbox.UID{3, 4, 5, 40}, To: []mailbox.UID{1, 2, 3, 4}}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("copied (-want +got):\n%s", diff)
		}
		check := func(got []mailbox.Message, to mailbox.FolderID, from ...mailbox.UID) {
			t.Helper()
			if len(got) != len(from) {
				t.Fatalf("%d messages, want %d", len(got), len(from))
			}
			for i, uid := range from {
				want := before[uid-1]
				want.Folder, want.UID, want.ModSeq = to, got[i].UID, got[i].ModSeq
				if diff := cmp.Diff(want, got[i]); diff != "" {
					t.Errorf("copy of %d (-want +got):\n%s", uid, diff)
				}
			}
		}
		check(all(t, st, archive.ID), archive.ID, 3, 4, 5, 40)
		write(t, st, func(tx *store.Tx) (err error) {
			c, err = mailbox.Move(tx, inbox.ID, []mailbox.UID{1, 2, 3}, archive.ID)
			return err
		})
		check(all(t, st, archive.ID), archive.ID, 3, 4, 5, 40, 1, 2, 3)
		if got := uidsOf(all(t, st, inbox.ID)); len(got) != 37 || got[0] != 4 {
			t.Errorf("left behind: %v", got)
		}
		write(t, st, func(tx *store.Tx) (err error) { // within one folder
			c, err = mailbox.Move(tx, inbox.ID, []mailbox.UID{4}, inbox.ID)
			return err
		})
		if f := folders(t, st, 7)["INBOX"]; f.Messages != 37 || f.UIDNext != 42 || c.To[0] != 41 {
			t.Errorf("INBOX is %+v", f)
		}
		if _, err := st.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, body := range bodies {
			b, err := st.OpenBody(t.Context(), body)
			if err != nil {
				t.Errorf("body %d after moves: %v", i, err)
				continue
			}
			b.Close()
		}
		other := folders(t, st, 8)["INBOX"].ID
		if err := try(t, st, func(tx *store.Tx) error {
			_, err := mailbox.Copy(tx, inbox.ID, []mailbox.UID{5}, other)
			return err
		}); !errors.Is(err, mailbox.ErrNoFolder) {
			t.Errorf("copy to another account: %v", err)
		}
	})
}

func TestChangesSince(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		deliverMany(t, st, 7, 10) // MODSEQ 2 to 11
		inbox := folders(t, st, 7)["INBOX"].ID
		write(t, st, func(tx *store.Tx) error { // 12
			_, _, err := mailbox.SetFlags(tx, inbox, []mailbox.UID{2, 9}, mailbox.FlagChange{Flags: mailbox.Flagged})
			return err
		})
		write(t, st, func(tx *store.Tx) error { // 13
			_, err := mailbox.Expunge(tx, inbox, []mailbox.UID{9, 3, 4})
			return err
		})
		deliverMany(t, st, 7, 2) // 14, 15
		for _, tt := range []struct {
			since    int64
			changed  []mailbox.UID
			vanished []mailbox.UIDRange
		}{
			{15, nil, nil},
			{14, []mailbox.UID{12}, nil},
			{13, []mailbox.UID{11, 12}, nil},
			{12, []mailbox.UID{11, 12}, []mailbox.UIDRange{{First: 3, Last: 4}, {First: 9, Last: 9}}},
			{11, []mailbox.UID{2, 11, 12}, []mailbox.UIDRange{{First: 3, Last: 4}, {First: 9, Last: 9}}},
			{8, []mailbox.UID{2, 8, 10, 11, 12}, []mailbox.UIDRange{{First: 3, Last: 4}, {First: 9, Last: 9}}},
			{0, []mailbox.UID{1, 2, 5, 6, 7, 8, 10, 11, 12}, []mailbox.UIDRange{{First: 3, Last: 4}, {First: 9, Last: 9}}},
		} {
			read(t, st, func(tx *store.Tx) error {
				c, err := mailbox.ChangesSince(tx, inbox, tt.since)
				if c.ModSeq != 15 || c.UIDNext != 13 || !c.Complete {
					t.Errorf("changes since %d: %+v", tt.since, c)
				}
				if diff := cmp.Diff(tt.changed, uidsOf(c.Changed)); diff != "" {
					t.Errorf("changed since %d (-want +got):\n%s", tt.since, diff)
				}
				if diff := cmp.Diff(tt.vanished, c.Vanished); diff != "" {
					t.Errorf("vanished since %d (-want +got):\n%s", tt.since, diff)
				}
				return err
			})
		}
	})
}

// TestPagesOfLargeStructures: a page ends when it is large, and nothing is left out.
func TestPagesOfLargeStructures(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		work := folder(t, st, mailbox.Folder{Account: 7, Name: "Work"})
		var many []mailbox.Delivery
		for i := range 30 {
			many = append(many, mailbox.Delivery{Body: 1, Size: 10, Received: noon, Structure: make([]byte, (i%3)*(1<<20)+1)})
		}
		write(t, st, func(tx *store.Tx) error {
			_, _, err := mailbox.AppendAll(tx, work, many)
			return err
		})
		next := mailbox.UID(1)
		err := mailbox.FetchPages(t.Context(), st, work, []mailbox.UIDRange{{First: 1, Last: 7}, {First: 9, Last: 99}}, mailbox.Structures, func(m *mailbox.Message) error {
			if next == 8 {
				next++
			}
			if m.UID != next || len(m.Structure) != len(many[m.UID-1].Structure) {
				t.Errorf("UID %d with %d octets, want UID %d", m.UID, len(m.Structure), next)
			}
			next++
			return nil
		})
		if err != nil || next != 31 {
			t.Errorf("ended before UID %d, %v", next, err)
		}
	})
}
