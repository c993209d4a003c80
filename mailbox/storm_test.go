package mailbox_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// TestManyHands has many goroutines change the same folders at once, on PostgreSQL from
// two processes: nothing is lost, nothing is there twice, no UID is given twice, and
// what each was told of the changes leads to what is there.
func TestManyHands(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		manyHands(t, storetest.Open(t, mailbox.Schema))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := storetest.PostgreSQL(t)
		open := func() *store.Store {
			return storetest.OpenWith(t, store.Options{PostgreSQL: dsn, Schemas: []store.Schema{mailbox.Schema}})
		}
		manyHands(t, open(), open())
	})
}

// ledger is what the hands were told.
type ledger struct {
	mu     sync.Mutex
	given  map[string]int       // folder/UID: how often it was given
	copies map[store.BodyID]int // how many messages have it
}

func (l *ledger) give(folder mailbox.FolderID, uids ...mailbox.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, uid := range uids {
		l.given[fmt.Sprint(folder, "/", uid)]++
	}
}

func (l *ledger) count(n int, bodies ...store.BodyID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range bodies {
		l.copies[body] += n
	}
}

func manyHands(t *testing.T, stores ...*store.Store) {
	create(t, stores[0], 7)
	var ids []mailbox.FolderID
	for _, name := range []string{"INBOX", "Archive", "Junk"} {
		ids = append(ids, folders(t, stores[0], 7)[name].ID)
	}
	l := &ledger{given: map[string]int{}, copies: map[store.BodyID]int{}}
	var hands sync.WaitGroup
	for n := range 6 {
		hands.Go(func() {
			h := &hand{t: t, st: stores[n%len(stores)], ids: ids, ledger: l, random: rand.New(rand.NewPCG(uint64(n), 3)), body: store.BodyID(1000 * (n + 1))}
			for range 30 {
				if err := h.do(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	watched := make(chan struct{})
	hands.Go(func() { watchFolder(t, stores[len(stores)-1], ids[0], watched) })
	hands.Go(func() {
		defer close(watched)
		h := &hand{t: t, st: stores[0], ids: ids[:1], ledger: l, random: rand.New(rand.NewPCG(99, 3)), body: 100_000}
		for range 20 {
			if err := h.append(); err != nil {
				t.Error(err)
			}
		}
	})
	hands.Wait()
	l.check(t, stores[0], ids)
}

// hand is one of those who change folders.
type hand struct {
	t      *testing.T
	st     *store.Store
	ids    []mailbox.FolderID
	ledger *ledger
	random *rand.Rand
	body   store.BodyID // of the next message; hands have bodies of their own
}

func (h *hand) any() mailbox.FolderID { return h.ids[h.random.IntN(len(h.ids))] }

func (h *hand) uids() []mailbox.UID {
	first := mailbox.UID(1 + h.random.IntN(100))
	return uidRange(first, first+mailbox.UID(h.random.IntN(10)))
}

func (h *hand) do() error {
	return []func() error{h.append, h.append, h.flags, h.expunge, h.move, h.move, h.copy}[h.random.IntN(7)]()
}

func (h *hand) append() error {
	folder, n := h.any(), 1+h.random.IntN(5)
	all := make([]mailbox.Delivery, n)
	bodies := make([]store.BodyID, n)
	for i := range all {
		h.body++
		bodies[i] = h.body
		all[i] = mailbox.Delivery{Body: h.body, Size: int64(h.body % 100), Received: noon, Flags: mailbox.Flags(i % 2), Structure: []byte("s")}
	}
	var uids mailbox.UIDRange
	err := h.st.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		uids, _, err = mailbox.AppendAll(tx, folder, all)
		return err
	})
	if err == nil {
		h.ledger.give(folder, uidRange(uids.First, uids.Last)...)
		h.ledger.count(1, bodies...)
	}
	return err
}

func (h *hand) flags() error {
	folder, c := h.any(), mailbox.FlagChange{Op: mailbox.FlagOp(h.random.IntN(3)), Flags: mailbox.Flags(h.random.IntN(4))}
	uids := h.uids()
	return h.st.Write(h.t.Context(), func(tx *store.Tx) error {
		_, _, err := mailbox.SetFlags(tx, folder, uids, c)
		return err
	})
}

// bodiesOf reads whose bodies the messages have, within the change.
func bodiesOf(tx *store.Tx, folder mailbox.FolderID, uids []mailbox.UID) (bodies []store.BodyID, err error) {
	err = mailbox.Fetch(tx, folder, mailbox.Ranges(uids), mailbox.Facts, func(m *mailbox.Message) error {
		bodies = append(bodies, m.Body)
		return nil
	})
	return bodies, err
}

func (h *hand) expunge() error {
	folder, uids := h.any(), h.uids()
	var bodies []store.BodyID
	err := h.st.Write(h.t.Context(), func(tx *store.Tx) error {
		// A change of nothing locks the folder, so that what is read is what goes.
		if _, _, err := mailbox.SetFlags(tx, folder, nil, mailbox.FlagChange{}); err != nil {
			return err
		}
		var err error
		if bodies, err = bodiesOf(tx, folder, uids); err != nil {
			return err
		}
		gone, err := mailbox.Expunge(tx, folder, uids)
		if len(gone) != len(bodies) {
			h.t.Errorf("%d expunged, %d were there", len(gone), len(bodies))
		}
		return err
	})
	if err == nil {
		h.ledger.count(-1, bodies...)
	}
	return err
}

func (h *hand) move() error { return h.pass(mailbox.Move, 0) }
func (h *hand) copy() error { return h.pass(mailbox.Copy, 1) }

func (h *hand) pass(pass func(*store.Tx, mailbox.FolderID, []mailbox.UID, mailbox.FolderID) (mailbox.Copied, error), more int) error {
	from, to, uids := h.any(), h.any(), h.uids()
	var c mailbox.Copied
	var bodies []store.BodyID
	err := h.st.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		if c, err = pass(tx, from, uids, to); err == nil {
			bodies, err = bodiesOf(tx, to, c.To)
		}
		return err
	})
	if err == nil {
		if len(bodies) != len(c.From) {
			h.t.Errorf("%d messages came, of %d", len(bodies), len(c.From))
		}
		h.ledger.give(to, c.To...)
		h.ledger.count(more, bodies...)
	}
	return err
}

// watchFolder follows a folder by its wakes and changes, as a session does, and has in
// the end what is there.
func watchFolder(t *testing.T, st *store.Store, folder mailbox.FolderID, end <-chan struct{}) {
	watch := st.Watch(mailbox.Topic(7))
	defer watch.Close()
	var view mailbox.UIDSet
	modseq := int64(0)
	update := func() {
		if err := st.Read(t.Context(), func(tx *store.Tx) error {
			c, err := mailbox.ChangesSince(tx, folder, modseq)
			for _, m := range c.Changed {
				view.Add(mailbox.UIDRange{First: m.UID, Last: m.UID})
			}
			view.Remove(c.Vanished...)
			modseq = c.ModSeq
			uids, other := mailbox.UIDs(tx, folder)
			if diff := cmp.Diff(uids.Ranges(), view.Ranges()); diff != "" {
				t.Errorf("the view at MODSEQ %d (-want +got):\n%s", modseq, diff)
			}
			if err == nil {
				err = other
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	for {
		select {
		case <-watch.C():
			update()
		case <-end:
			update()
			return
		}
	}
}

// check compares what everybody was told with what is there.
func (l *ledger) check(t *testing.T, st *store.Store, ids []mailbox.FolderID) {
	t.Helper()
	for key, n := range l.given {
		if n != 1 {
			t.Errorf("UID %s was given %d times", key, n)
		}
	}
	have := map[store.BodyID]int{}
	for _, id := range ids {
		var f mailbox.Folder
		var uids mailbox.UIDSet
		read(t, st, func(tx *store.Tx) (err error) {
			if f, err = mailbox.FolderByID(tx, id); err == nil {
				uids, err = mailbox.UIDs(tx, id)
			}
			return err
		})
		want := f
		want.Messages, want.Unseen, want.Bytes = 0, 0, 0
		messages := all(t, st, id)
		for _, m := range messages {
			have[m.Body]++
			want.Messages++
			want.Bytes += m.Size
			if m.Flags&mailbox.Seen == 0 {
				want.Unseen++
			}
			if string(m.Structure) != "s" {
				t.Errorf("UID %d of %s has structure %q", m.UID, f.Name, m.Structure)
			}
		}
		if diff := cmp.Diff(want, f); diff != "" {
			t.Errorf("counters of %s (-counted +kept):\n%s", f.Name, diff)
		}
		if !slices.Equal(uidsOf(messages), slices.Collect(uids.All())) {
			t.Errorf("UIDs of %s: %v, want %v", f.Name, uids.Ranges(), uidsOf(messages))
		}
	}
	maps.DeleteFunc(l.copies, func(_ store.BodyID, n int) bool { return n == 0 })
	if diff := cmp.Diff(l.copies, have); diff != "" {
		t.Errorf("how often each message is there (-want +got):\n%s", diff)
	}
	if n := count(t, st, `SELECT COUNT(*) FROM mailbox_structure`); n != sum(have) {
		t.Errorf("%d structures for %d messages", n, sum(have))
	}
}

func sum(counts map[store.BodyID]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
