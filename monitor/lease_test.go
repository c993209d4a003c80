package monitor

import (
	"log/slog"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// Of two processes one watches, until it gives the watch back.
func TestLease(t *testing.T) {
	storetest.Each(t, []store.Schema{standing.Schema, Schema}, func(t *testing.T, st *store.Store) {
		first, second := newLease(st), newLease(st)
		wants := func(l lease, want bool) {
			t.Helper()
			if ours, err := l.renew(t.Context()); err != nil || ours != want {
				t.Errorf("holds the lease: %v, %v, want %v", ours, err, want)
			}
		}
		wants(first, true)
		wants(second, false)
		wants(first, true)
		first.giveBack(t.Context())
		wants(second, true)
		wants(first, false)
	})
}

// What is owed is kept by every engine.
func TestDebts(t *testing.T) {
	storetest.Each(t, []store.Schema{standing.Schema, Schema}, func(t *testing.T, st *store.Store) {
		change := standing.Change{Check: "spf.record", Subject: "example.com", Target: "example.com", Kind: standing.Turned}
		if err := st.Write(t.Context(), func(tx *store.Tx) error {
			if err := addNotes(tx, "admin", []standing.Change{change, change}); err != nil {
				return err
			}
			if err := addNotes(tx, "webhook", []standing.Change{change}); err != nil {
				return err
			}
			owed, err := countOwed(tx)
			if owed["admin"] != 2 || owed["webhook"] != 1 {
				t.Errorf("owed %v", owed)
			}
			d, err2 := readDebt(tx, "admin")
			if len(d.changes) != 2 || d.changes[1].Check != "spf.record" {
				t.Errorf("debt %+v", d)
			}
			if err != nil || err2 != nil {
				t.Errorf("%v, %v", err, err2)
			}
			if err := d.settle(tx); err != nil {
				return err
			}
			dropped, err := giveUp(tx, tx.Now().Add(1))
			if dropped != 1 {
				t.Errorf("dropped %d", dropped)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// Of several processes that saw the same change, one hands it to the channels: a person
// may look again in another one than that which watches.
func TestOwedOnce(t *testing.T) {
	storetest.Each(t, []store.Schema{standing.Schema, Schema}, func(t *testing.T, st *store.Store) {
		bad := finding.Finding{Check: "spf.record", Status: finding.Red, Code: "bad", Subject: "example.com"}
		if err := st.Write(t.Context(), func(tx *store.Tx) error {
			_, err := standing.Record(tx, standing.Run{Target: "example.com", Findings: []finding.Finding{bad}, Confirm: 1})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		s := &Settings{Channels: []Channel{{Name: "admin"}}}
		var all errgroup.Group
		for range 8 {
			m := New(Options{Store: st, World: world.None(), Log: slog.New(slog.DiscardHandler)})
			all.Go(func() error { return m.owe(t.Context(), s) })
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := st.Read(t.Context(), func(tx *store.Tx) error {
			owed, err := countOwed(tx)
			if owed["admin"] != 1 {
				t.Errorf("the change is owed %d times", owed["admin"])
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}
