package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func each(t *testing.T, f func(t *testing.T, st *store.Store)) {
	storetest.Each(t, []store.Schema{journal.Schema}, f)
}

func add(t testing.TB, st *store.Store, events ...journal.Event) {
	t.Helper()
	if err := st.Write(t.Context(), func(tx *store.Tx) error { return journal.Add(tx, events...) }); err != nil {
		t.Fatal(err)
	}
}

func search(t testing.TB, st *store.Store, q journal.Query) (found []journal.Event) {
	t.Helper()
	if err := st.Read(t.Context(), func(tx *store.Tx) (err error) {
		found, err = journal.Search(tx, q)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }

func TestTrace(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		life := []journal.Event{
			{Trace: "a", Time: at(0), Kind: journal.Received, From: "x@far.example", To: "anna@example.com",
				Fields: map[string]string{"client": "192.0.2.1", "quote": "\"\\\r\n\u00fc"}},
			{Trace: "a", Time: at(0), Kind: journal.Delivered, To: "anna@example.com"},
			{Trace: "a", Time: at(1), Kind: journal.Alert},
		}
		add(t, st, life[0], life[1])
		add(t, st, journal.Event{Trace: "b", Time: at(0), Kind: journal.Refused, From: "bad\x00\xff@far.example"})
		add(t, st, life[2])
		get := func(id mail.TraceID) (got []journal.Event) {
			if err := st.Read(t.Context(), func(tx *store.Tx) (err error) {
				got, err = journal.Trace(tx, id)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return got
		}
		if diff := cmp.Diff(life, get("a")); diff != "" {
			t.Errorf("life of a (-want +got):\n%s", diff)
		}
		if got := get("b"); len(got) != 1 || got[0].From != "bad\uFFFD\uFFFD@far.example" {
			t.Errorf("life of b = %q", got)
		}
		if got := get("none"); len(got) != 0 {
			t.Errorf("life of nobody = %v", got)
		}
	})
}

func TestAddManyEvents(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		add(t, st)
		var all []journal.Event
		for i := range 130 {
			all = append(all, journal.Event{Trace: "many", Time: at(i), Kind: journal.Queued, To: fmt.Sprintf("r%d@example.org", i)})
		}
		add(t, st, all...)
		if got := search(t, st, journal.Query{Limit: 1000}); len(got) != 130 || got[0].To != "r129@example.org" {
			t.Errorf("%d events, the newest %v", len(got), got[:1])
		}
	})
}

// TestSearch asks the same of events that are not indexed, partly, and all: nobody can
// tell from the answers.
func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		k := journal.NewKeeper(journal.Options{Store: st, Now: func() time.Time { return at(100) }})
		kinds := []journal.Kind{journal.Received, journal.Delivered, journal.Refused}
		stage := func(from, to int) {
			for i := from; i < to; i++ {
				add(t, st, journal.Event{Trace: mail.TraceID(fmt.Sprint(i)), Time: at(i), Kind: kinds[i%3],
					From: fmt.Sprintf("S%d@Far%d.example", i%4, i%2), To: fmt.Sprintf("r%d@example.com", i%5)})
			}
		}
		index := func() {
			for range 2 { // the second time indexes what was there at the first
				if _, err := k.Index(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		stage(0, 60)
		checkSearch(t, st, "not indexed", 60)
		index()
		checkSearch(t, st, "indexed", 60)
		stage(60, 75)
		checkSearch(t, st, "indexed partly", 75)
		index()
		checkSearch(t, st, "indexed again", 75)
	})
}

func checkSearch(t *testing.T, st *store.Store, when string, n int) {
	t.Helper()
	for _, tt := range []struct {
		name string
		q    journal.Query
		want func(i int) bool
	}{
		{"all", journal.Query{}, func(int) bool { return true }},
		{"limit", journal.Query{Limit: 7}, func(i int) bool { return i >= n-7 }},
		{"time", journal.Query{Since: at(10), Until: at(40)}, func(i int) bool { return i >= 10 && i < 40 }},
		{"sender", journal.Query{Address: "s1@FAR1.example"}, func(i int) bool { return i%4 == 1 }},
		{"recipient", journal.Query{Address: "r3@example.com"}, func(i int) bool { return i%5 == 3 }},
		{"recipient and time", journal.Query{Address: "r3@example.com", Since: at(20), Until: at(34)},
			func(i int) bool { return i%5 == 3 && i >= 20 && i < 34 }},
		{"domain", journal.Query{Domain: "Far0.example"}, func(i int) bool { return i%2 == 0 }},
		{"domain, limit", journal.Query{Domain: "far0.example", Limit: 3}, func(i int) bool { return i%2 == 0 && i >= n-6+n%2 }},
		{"kind", journal.Query{Kinds: []journal.Kind{journal.Refused}}, func(i int) bool { return i%3 == 2 }},
		{"kinds", journal.Query{Kinds: []journal.Kind{journal.Refused, journal.Delivered}}, func(i int) bool { return i%3 > 0 }},
		{"kind and address", journal.Query{Kinds: []journal.Kind{journal.Refused}, Address: "r0@example.com"},
			func(i int) bool { return i%3 == 2 && i%5 == 0 }},
		{"address and domain", journal.Query{Address: "r0@example.com", Domain: "far1.example"},
			func(i int) bool { return i%5 == 0 && i%2 == 1 }},
		{"nobody", journal.Query{Address: "nobody@example.com"}, func(int) bool { return false }},
	} {
		var want, got []string
		for i := n - 1; i >= 0; i-- {
			if tt.want(i) {
				want = append(want, fmt.Sprint(i))
			}
		}
		for _, e := range search(t, st, tt.q) {
			got = append(got, string(e.Trace))
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", when, tt.name, diff)
		}
	}
}

func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		now := noon
		k := journal.NewKeeper(journal.Options{Store: st, Now: func() time.Time { return now }, Keep: 48 * time.Hour})
		for i := range 2500 {
			if i%100 == 0 {
				batch := make([]journal.Event, 100)
				for j := range batch {
					batch[j] = journal.Event{Time: noon.Add(time.Duration(i+j) * time.Minute), Kind: journal.Received, To: "anna@example.com"}
				}
				add(t, st, batch...)
			}
		}
		for range 2 {
			if _, err := k.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		now = noon.Add(48*time.Hour + 1200*time.Minute)
		n, err := k.Sweep(t.Context())
		if err != nil || n != 1200 {
			t.Fatalf("Sweep() = %d, %v, want 1200 events", n, err)
		}
		for _, q := range []journal.Query{{Limit: 9999}, {Limit: 9999, Address: "anna@example.com"}} {
			if got := search(t, st, q); len(got) != 1300 {
				t.Errorf("%d events are left for %+v, want 1300", len(got), q)
			}
		}
		now = noon.Add(24 * 365 * time.Hour)
		if _, err := k.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := search(t, st, journal.Query{Address: "anna@example.com"}); len(got) != 1 {
			t.Errorf("after a year %d events are found, want the newest", len(got))
		}
		add(t, st, journal.Event{Time: now, Kind: journal.Received, To: "anna@example.com"})
		if got := search(t, st, journal.Query{Address: "anna@example.com"}); len(got) != 2 || !got[0].Time.Equal(now) {
			t.Errorf("after a new event %v is found", got)
		}
	})
}
