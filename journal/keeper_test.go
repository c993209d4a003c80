package journal_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func mark(t *testing.T, st *store.Store) (n int) {
	t.Helper()
	if err := st.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT event FROM journal_mark`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKeeperRuns: it indexes within half a minute, sweeps within hours, and ends with
// its context.
func TestKeeperRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Open(t, journal.Schema)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- journal.NewKeeper(journal.Options{Store: st, Now: time.Now, Keep: time.Hour}).Run(ctx) }()
		add(t, st, journal.Event{Time: time.Now(), Kind: journal.Received}, journal.Event{Time: time.Now(), Kind: journal.Delivered})
		time.Sleep(30 * time.Second)
		if n := mark(t, st); n != 2 {
			t.Errorf("indexed to %d, want 2", n)
		}
		time.Sleep(3 * time.Hour)
		if got := search(t, st, journal.Query{}); len(got) != 1 {
			t.Errorf("after three hours %d events are left, want the newest", len(got))
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
}

// TestTwoKeepers: both index, nothing is found twice.
func TestTwoKeepers(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		one := journal.NewKeeper(journal.Options{Store: st, Now: time.Now})
		two := journal.NewKeeper(journal.Options{Store: st, Now: time.Now})
		for range 3 {
			for i := range 10 {
				add(t, st, journal.Event{Time: at(i), Kind: journal.Received, To: "anna@example.com"})
			}
			for _, k := range []*journal.Keeper{one, two, two, one} {
				if _, err := k.Index(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		// A killed keeper leaves postings before the mark has moved.
		if err := st.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE journal_mark SET event = 5`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"killed", "indexed again"} {
			if got := search(t, st, journal.Query{Address: "anna@example.com"}); len(got) != 30 {
				t.Errorf("%s: %d events are found, want 30", when, len(got))
			}
			if _, err := one.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
