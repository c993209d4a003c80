package monitor

import (
	"testing"

	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
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
