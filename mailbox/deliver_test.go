package mailbox_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func each(t *testing.T, f func(t *testing.T, st *store.Store)) {
	storetest.Each(t, []store.Schema{mailbox.Schema}, f)
}

func write(t testing.TB, st *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := st.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, st *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := st.Read(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// put stores a small body.
func put(tx *store.Tx, st *store.Store, text string) (store.BodyID, error) {
	sp := st.NewSpool()
	defer sp.Close()
	if _, err := sp.Write([]byte(text)); err != nil {
		return 0, err
	}
	return tx.PutBody(sp)
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func create(t testing.TB, st *store.Store, accounts ...int64) {
	t.Helper()
	for _, account := range accounts {
		write(t, st, func(tx *store.Tx) error { return mailbox.Create(tx, account) })
	}
}

func folders(t testing.TB, st *store.Store, account int64) map[string]mailbox.Folder {
	t.Helper()
	all := map[string]mailbox.Folder{}
	read(t, st, func(tx *store.Tx) error {
		list, err := mailbox.Folders(tx, account)
		for _, f := range list {
			all[f.Name] = f
		}
		return err
	})
	return all
}

func TestCreate(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		all := folders(t, st, 7)
		roles := map[string]mailbox.Role{}
		validities := map[uint32]bool{}
		for name, f := range all {
			roles[name] = f.Role
			validities[f.UIDValidity] = true
			if f.UIDNext != 1 || f.Messages != 0 || !f.Subscribed || f.Created.IsZero() {
				t.Errorf("%s begins as %+v", name, f)
			}
		}
		want := map[string]mailbox.Role{"INBOX": mailbox.Inbox, "Sent": mailbox.Sent, "Drafts": mailbox.Drafts,
			"Junk": mailbox.Junk, "Trash": mailbox.Trash, "Archive": mailbox.Archive}
		if diff := cmp.Diff(want, roles); diff != "" {
			t.Errorf("folders (-want +got):\n%s", diff)
		}
		if len(validities) != len(want) {
			t.Errorf("%d folders have %d UIDVALIDITY values", len(want), len(validities))
		}
		if err := st.Write(t.Context(), func(tx *store.Tx) error { return mailbox.Create(tx, 7) }); !errors.Is(err, store.ErrConflict) {
			t.Errorf("creating it again: %v, want a conflict", err)
		}
	})
}

func TestDeliver(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		const text = "Subject: hello\r\n\r\nhello\r\n"
		d := mailbox.Delivery{Account: 7, Size: int64(len(text)), Received: noon, Keywords: []string{"$a", "b"},
			Flags: mailbox.Flagged, Trace: mail.TraceID("t1"), Structure: []byte("structure")}
		watch := st.Watch(mailbox.Topic(7))
		defer watch.Close()
		var uids []mailbox.UID
		for range 3 {
			write(t, st, func(tx *store.Tx) (err error) {
				if d.Body, err = put(tx, st, text); err != nil {
					return err
				}
				uid, err := mailbox.Deliver(tx, d)
				uids = append(uids, uid)
				return err
			})
		}
		<-watch.C()
		if diff := cmp.Diff([]mailbox.UID{1, 2, 3}, uids); diff != "" {
			t.Errorf("UIDs (-want +got):\n%s", diff)
		}
		inbox := folders(t, st, 7)["INBOX"]
		if inbox.Messages != 3 || inbox.Unseen != 3 || inbox.Bytes != 3*int64(len(text)) || inbox.UIDNext != 4 || inbox.ModSeq != 4 {
			t.Errorf("INBOX is %+v", inbox)
		}
		read(t, st, func(tx *store.Tx) error {
			got, err := mailbox.Messages(tx, inbox.ID, 2, 10)
			want := []mailbox.Message{{Folder: inbox.ID, UID: 3, ModSeq: 4, Body: d.Body, Size: d.Size, Received: noon,
				Flags: mailbox.Flagged, Keywords: []string{"$a", "b"}, Trace: "t1"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			s, _ := mailbox.Structure(tx, inbox.ID, 3)
			if string(s) != "structure" {
				t.Errorf("structure = %q", s)
			}
			return err
		})
		body, err := mailbox.Open(t.Context(), st, inbox.ID, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if got, err := io.ReadAll(body); err != nil || string(got) != text {
			t.Errorf("body = %q, %v", got, err)
		}
		if _, err := mailbox.Open(t.Context(), st, inbox.ID, 4); !errors.Is(err, mailbox.ErrNoMessage) {
			t.Errorf("opening UID 4: %v", err)
		}
	})
}

func TestDeliverFindsTheFolder(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		write(t, st, func(tx *store.Tx) error {
			_, err := mailbox.NewFolder(tx, mailbox.Folder{Account: 7, Name: "Shop"})
			return err
		})
		write(t, st, func(tx *store.Tx) error {
			_, err := mailbox.NewFolder(tx, mailbox.Folder{Account: 7, Name: "Restored", Sealed: true})
			return err
		})
		for i, tt := range []struct {
			role   mailbox.Role
			detail string
			want   string
		}{
			{"", "", "INBOX"},
			{mailbox.Junk, "", "Junk"},
			{"", "shop", "Shop"},
			{"", "SHOP", "Shop"},
			{mailbox.Junk, "shop", "Junk"}, // junk is junk wherever it was sent to
			{"", "none", "INBOX"},
			{"", "trash", "INBOX"}, // strangers do not choose among the special ones
			{"", "sent", "INBOX"},
			{"", "restored", "INBOX"},
			{"nonsense", "", "INBOX"},
		} {
			before := folders(t, st, 7)
			write(t, st, func(tx *store.Tx) error {
				_, err := mailbox.Deliver(tx, mailbox.Delivery{Account: 7, Folder: tt.role, Detail: tt.detail, Body: 1, Received: noon})
				return err
			})
			for name, f := range folders(t, st, 7) {
				if grown := f.Messages > before[name].Messages; grown != (name == tt.want) {
					t.Errorf("%d: %q %q went to %s, want %s", i, tt.role, tt.detail, name, tt.want)
				}
			}
		}
		err := st.Write(t.Context(), func(tx *store.Tx) error {
			_, err := mailbox.Deliver(tx, mailbox.Delivery{Account: 8, Body: 1})
			return err
		})
		if !errors.Is(err, mailbox.ErrNoFolder) {
			t.Errorf("delivery to nobody: %v", err)
		}
	})
}

func TestDeliverAllFromManySides(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		deliverFromManySides(t, []*store.Store{st})
	})
}

// TestDeliverFromTwoProcesses has two stores on one PostgreSQL.
func TestDeliverFromTwoProcesses(t *testing.T) {
	dsn := storetest.PostgreSQL(t)
	var stores []*store.Store
	for range 2 {
		stores = append(stores, storetest.OpenWith(t, store.Options{PostgreSQL: dsn, Schemas: []store.Schema{mailbox.Schema}}))
	}
	deliverFromManySides(t, stores)
	watch := stores[1].Watch(mailbox.Topic(1))
	defer watch.Close()
	write(t, stores[0], func(tx *store.Tx) error {
		_, err := mailbox.Deliver(tx, mailbox.Delivery{Account: 1, Body: 1, Received: noon})
		return err
	})
	select {
	case <-watch.C():
	case <-time.After(time.Minute):
		t.Error("the other process was not woken")
	}
}

// deliverFromManySides has many goroutines deliver to the same folders in different
// orders: UIDs rise by one, without gaps, and none is given twice.
func deliverFromManySides(t *testing.T, stores []*store.Store) {
	accounts := []int64{1, 2, 3}
	create(t, stores[0], accounts...)
	const writers, rounds = 8, 20
	seen := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			last := map[int64]mailbox.UID{}
			for range rounds {
				var all []mailbox.Delivery
				for i := range accounts {
					all = append(all, mailbox.Delivery{Account: accounts[(i+w)%len(accounts)], Body: 1, Size: 10, Received: noon})
				}
				var uids []mailbox.UID
				err := stores[w%len(stores)].Write(t.Context(), func(tx *store.Tx) (err error) {
					uids, err = mailbox.DeliverAll(tx, all)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i, uid := range uids {
					account := all[i].Account
					seen[fmt.Sprint(account, "/", uid)]++
					if uid <= last[account] {
						t.Errorf("account %d: UID %d after %d", account, uid, last[account])
					}
					last[account] = uid
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, account := range accounts {
		for uid := 1; uid <= writers*rounds; uid++ {
			if n := seen[fmt.Sprint(account, "/", uid)]; n != 1 {
				t.Errorf("account %d: UID %d was given %d times", account, uid, n)
			}
		}
		inbox := folders(t, stores[0], account)["INBOX"]
		if inbox.Messages != writers*rounds || inbox.Bytes != 10*writers*rounds || inbox.UIDNext != writers*rounds+1 {
			t.Errorf("INBOX of %d: %+v", account, inbox)
		}
	}
}

func TestRoom(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		create(t, st, 7)
		var restored mailbox.FolderID
		write(t, st, func(tx *store.Tx) (err error) {
			restored, err = mailbox.NewFolder(tx, mailbox.Folder{Account: 7, Name: "Restored/x", Uncounted: true})
			return err
		})
		_ = restored
		room := func(size int64) (err error) {
			read(t, st, func(tx *store.Tx) error { err = mailbox.Room(tx, 7, size); return nil })
			return err
		}
		deliver := func(detail string, size int64) {
			write(t, st, func(tx *store.Tx) error {
				_, err := mailbox.Deliver(tx, mailbox.Delivery{Account: 7, Detail: detail, Body: 1, Size: size})
				return err
			})
		}
		deliver("", 100)
		if err := room(1 << 40); err != nil {
			t.Errorf("without a quota: %v", err)
		}
		quota := func(q mailbox.Quota) {
			write(t, st, func(tx *store.Tx) error { return mailbox.SetQuota(tx, 7, q) })
		}
		quota(mailbox.Quota{Bytes: 150})
		if err := room(50); err != nil {
			t.Errorf("exactly what is left: %v", err)
		}
		if err := room(51); !errors.Is(err, mailbox.ErrQuota) {
			t.Errorf("one octet more: %v", err)
		}
		deliver("restored/x", 1000)
		if err := room(50); err != nil {
			t.Errorf("what is restored took room: %v", err)
		}
		quota(mailbox.Quota{Messages: 1})
		if err := room(1); !errors.Is(err, mailbox.ErrQuota) {
			t.Errorf("one message more: %v", err)
		}
		read(t, st, func(tx *store.Tx) error {
			if err := mailbox.Room(tx, 8, 1); !errors.Is(err, mailbox.ErrNoFolder) {
				t.Errorf("room of nobody: %v", err)
			}
			return nil
		})
	})
}
