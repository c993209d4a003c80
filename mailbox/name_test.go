package mailbox_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func TestFolderNamed(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		for _, name := range []string{"inbox/Shop", "u\u0308ber"} {
			folder(t, st, mailbox.Folder{Account: 7, Name: name})
		}
		for ask, want := range map[string]string{"iNbOx": "INBOX", "Inbox/Shop": "INBOX/Shop", "u\u0308ber": "\u00fcber", "\u00fcber": "\u00fcber", "inboxes": "", "trash": ""} {
			read(t, st, func(tx *store.Tx) error {
				f, err := mailbox.FolderNamed(tx, 7, ask)
				if f.Name != want || (want == "") != errors.Is(err, mailbox.ErrNoFolder) {
					t.Errorf("folder %q is %q, %v", ask, f.Name, err)
				}
				if again, err := mailbox.FolderByID(tx, f.ID); want != "" && (err != nil || again != f) {
					t.Errorf("by its ID: %+v, %v", again, err)
				}
				return nil
			})
		}
	})
}

func TestSetRole(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		spam := folder(t, st, mailbox.Folder{Account: 7, Name: "Spam"})
		all := folders(t, st, 7)
		for _, tt := range []struct {
			folder mailbox.FolderID
			role   mailbox.Role
			want   error
		}{
			{spam, mailbox.Junk, mailbox.ErrFolderExists}, {all["Junk"].ID, "", nil}, {spam, mailbox.Junk, nil}, {spam, mailbox.Junk, nil},
			{spam, mailbox.Inbox, mailbox.ErrFolderName}, {all["INBOX"].ID, mailbox.Sent, mailbox.ErrFolderName}, {spam + 100, "", mailbox.ErrNoFolder},
		} {
			if err := try(t, st, func(tx *store.Tx) error { return mailbox.SetRole(tx, tt.folder, tt.role) }); !errors.Is(err, tt.want) {
				t.Errorf("%d is %q: %v, want %v", tt.folder, tt.role, err, tt.want)
			}
		}
		if all := folders(t, st, 7); all["Spam"].Role != mailbox.Junk || all["Junk"].Role != "" {
			t.Errorf("roles: %+v", all)
		}
	})
}

func TestScripts(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7, 8)
		watch := st.Watch(mailbox.ScriptsTopic)
		defer watch.Close()
		must := func(want error, f func(tx *store.Tx) error) {
			t.Helper()
			if err := try(t, st, f); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		for _, name := range []string{"b", "a", "c"} {
			must(nil, func(tx *store.Tx) error { return mailbox.PutScript(tx, 7, name, "keep; #"+name) })
		}
		must(nil, func(tx *store.Tx) error { return mailbox.PutScript(tx, 8, "a", "stop;") })
		must(nil, func(tx *store.Tx) error { return mailbox.ActivateScript(tx, 8, "a") })
		<-watch.C()
		must(nil, func(tx *store.Tx) error { return mailbox.ActivateScript(tx, 7, "a") })
		<-watch.C()
		must(nil, func(tx *store.Tx) error { return mailbox.ActivateScript(tx, 7, "b") })
		must(nil, func(tx *store.Tx) error { return mailbox.PutScript(tx, 7, "b", "discard;") })
		must(mailbox.ErrNoScript, func(tx *store.Tx) error { return mailbox.ActivateScript(tx, 7, "none") })
		must(mailbox.ErrScriptActive, func(tx *store.Tx) error { return mailbox.RemoveScript(tx, 7, "b") })
		must(mailbox.ErrNoScript, func(tx *store.Tx) error { return mailbox.RemoveScript(tx, 7, "none") })
		must(mailbox.ErrScriptExists, func(tx *store.Tx) error { return mailbox.RenameScript(tx, 7, "b", "a") })
		must(mailbox.ErrNoScript, func(tx *store.Tx) error { return mailbox.RenameScript(tx, 7, "none", "x") })
		must(mailbox.ErrScriptName, func(tx *store.Tx) error { return mailbox.RenameScript(tx, 7, "b", "x\ny") })
		must(mailbox.ErrScriptName, func(tx *store.Tx) error { return mailbox.PutScript(tx, 7, "", "") })
		must(mailbox.ErrScriptRoom, func(tx *store.Tx) error {
			return mailbox.PutScript(tx, 7, "large", strings.Repeat(" ", mailbox.MaxScriptSize+1))
		})
		must(nil, func(tx *store.Tx) error { return mailbox.RenameScript(tx, 7, "b", "vacation") })
		must(nil, func(tx *store.Tx) error { return mailbox.RemoveScript(tx, 7, "c") })
		read(t, st, func(tx *store.Tx) error {
			all, err := mailbox.Scripts(tx, 7)
			var names []string
			for _, s := range all {
				names = append(names, s.Name)
			}
			if diff := cmp.Diff([]string{"a", "vacation"}, names); diff != "" {
				t.Errorf("scripts (-want +got):\n%s", diff)
			}
			s, active := mailbox.ActiveScript(tx, 7)
			if s.Name != "vacation" || s.Text != "discard;" || !s.Active || active != nil {
				t.Errorf("active: %+v, %v", s, active)
			}
			return err
		})
		must(nil, func(tx *store.Tx) error { return mailbox.ActivateScript(tx, 7, "") })
		read(t, st, func(tx *store.Tx) error {
			if _, err := mailbox.ActiveScript(tx, 7); !errors.Is(err, mailbox.ErrNoScript) {
				t.Errorf("none is active: %v", err)
			}
			s, err := mailbox.ActiveScript(tx, 8)
			if s.Text != "stop;" {
				t.Errorf("active of another account: %+v, %v", s, err)
			}
			return nil
		})
		must(mailbox.ErrScriptRoom, func(tx *store.Tx) error {
			for i := range mailbox.MaxScripts {
				if err := mailbox.PutScript(tx, 7, strings.Repeat("x", i+1), ""); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestJunkMoves(t *testing.T) {
	now := noon
	clock := func() time.Time { return now }
	st := storetest.OpenWith(t, store.Options{Clock: clock, Schemas: []store.Schema{mailbox.Schema}})
	create(t, st, 7)
	bodies := deliverMany(t, st, 7, 40)
	f := folders(t, st, 7)
	watch := st.Watch(mailbox.JunkTopic)
	defer watch.Close()
	move := func(from, to string, uids ...mailbox.UID) {
		t.Helper()
		write(t, st, func(tx *store.Tx) error {
			_, err := mailbox.Move(tx, f[from].ID, uids, f[to].ID)
			return err
		})
	}
	move("INBOX", "Archive", 40)
	move("INBOX", "Junk", uidRange(1, 35)...)
	<-watch.C()
	move("Junk", "Trash", 1)
	move("Junk", "INBOX", 2)
	write(t, st, func(tx *store.Tx) error { // what programs without MOVE do
		_, err := mailbox.Copy(tx, f["Trash"].ID, []mailbox.UID{1}, f["Junk"].ID)
		return err
	})
	read(t, st, func(tx *store.Tx) error {
		all, err := mailbox.JunkMoves(tx, 0, 100)
		if len(all) != 37 {
			t.Fatalf("%d moves, want 37", len(all))
		}
		for i, m := range all {
			want := mailbox.JunkMove{ID: m.ID, Account: 7, Was: mailbox.Inbox, Now: mailbox.Junk, Time: noon}
			switch i {
			case 35:
				want.Body, want.Was, want.Now = bodies[1], mailbox.Junk, mailbox.Inbox
			case 36:
				want.Body, want.Was = bodies[0], mailbox.Trash
			default:
				want.Body = bodies[i]
			}
			if diff := cmp.Diff(want, m); diff != "" {
				t.Errorf("move %d (-want +got):\n%s", i, diff)
			}
		}
		rest, _ := mailbox.JunkMoves(tx, all[35].ID, 100)
		if len(rest) != 1 || rest[0].ID != all[36].ID {
			t.Errorf("behind the last but one: %+v", rest)
		}
		return err
	})
	write(t, st, func(tx *store.Tx) error {
		_, err := mailbox.Expunge(tx, f["Junk"].ID, uidRange(1, 40))
		return err
	})
	sweep := func(want int) {
		t.Helper()
		if _, err := mailbox.Sweep(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, st, `SELECT COUNT(*) FROM store_body WHERE size > 0`); n != want {
			t.Errorf("%d bodies, want %d", n, want)
		}
	}
	sweep(40)
	now = now.Add(mailbox.KeepJunkMoves + time.Minute)
	sweep(7)
}

func uidRange(first, last mailbox.UID) (uids []mailbox.UID) {
	for uid := first; uid <= last; uid++ {
		uids = append(uids, uid)
	}
	return uids
}

// TestExpires has a restored tree vanish, and what was taken out of it stay.
func TestExpires(t *testing.T) {
	now := noon
	st := storetest.OpenWith(t, store.Options{Clock: func() time.Time { return now }, Schemas: []store.Schema{mailbox.Schema}})
	create(t, st, 7)
	for _, name := range []string{"Restored/20261121T120000", "Restored/20261121T120000/INBOX", "Restored/20261121T120000/Work"} {
		folder(t, st, mailbox.Folder{Account: 7, Name: name, Sealed: true, Uncounted: true, Expires: now.Add(7 * 24 * time.Hour)})
	}
	write(t, st, func(tx *store.Tx) error { return mailbox.Rename(tx, 7, "Restored/20261121T120000/Work", "Work") })
	names := func() []string {
		var names []string
		for name := range folders(t, st, 7) {
			if name == "Work" || strings.HasPrefix(name, "Restored") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	for _, tt := range []struct {
		after time.Duration
		want  []string
	}{
		{6 * 24 * time.Hour, []string{"Restored/20261121T120000", "Restored/20261121T120000/INBOX", "Work"}},
		{7 * 24 * time.Hour, []string{"Work"}},
	} {
		now = noon.Add(tt.after)
		if _, err := mailbox.Sweep(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, names()); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", tt.after, diff)
		}
	}
}

// TestForgottenChanges asks for changes from before the tombstones that are left.
func TestForgottenChanges(t *testing.T) {
	now := noon
	st := storetest.OpenWith(t, store.Options{Clock: func() time.Time { return now }, Schemas: []store.Schema{mailbox.Schema}})
	create(t, st, 7)
	deliverMany(t, st, 7, 10) // MODSEQ 2 to 11
	inbox := folders(t, st, 7)["INBOX"].ID
	expunge := func(uids ...mailbox.UID) {
		write(t, st, func(tx *store.Tx) error {
			_, err := mailbox.Expunge(tx, inbox, uids)
			return err
		})
	}
	expunge(1) // 12
	now = now.Add(mailbox.KeepTombstones + time.Hour)
	expunge(3) // 13
	if _, err := mailbox.Sweep(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	for since, want := range map[int64]mailbox.Changes{
		12: {Complete: true, Vanished: []mailbox.UIDRange{{First: 3, Last: 3}}},
		11: {Vanished: []mailbox.UIDRange{{First: 1, Last: 1}, {First: 3, Last: 3}}},
	} {
		read(t, st, func(tx *store.Tx) error {
			got, err := mailbox.ChangesSince(tx, inbox, since)
			want.ModSeq, want.UIDNext = 13, 11
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("changes since %d (-want +got):\n%s", since, diff)
			}
			return err
		})
	}
}
