package journal_test

import (
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func volumes(t testing.TB, st *store.Store, since, until time.Time) (all []journal.Volume) {
	t.Helper()
	if err := st.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = journal.Volumes(tx, since, until)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestVolumes counts the same before the keeper came, in between, and behind it.
func TestVolumes(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		k := journal.NewKeeper(journal.Options{Store: st, Now: func() time.Time { return at(10) }})
		half := noon.Add(30 * time.Minute)
		event := func(when time.Time, kind journal.Kind) journal.Event { return journal.Event{Time: when, Kind: kind} }
		check := func(when string, want ...journal.Volume) {
			t.Helper()
			got := volumes(t, st, half, at(3))
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || !got[i].Hour.Equal(want[i].Hour) || got[i].Kind != want[i].Kind || got[i].Events != want[i].Events {
					t.Errorf("%s: %v, want %v", when, got, want)
					return
				}
			}
		}
		check("nothing")
		add(t, st, event(at(-1), journal.Received), event(half, journal.Received), event(noon, journal.Received), event(at(1), journal.Refused), event(at(3), journal.Received))
		first := []journal.Volume{{Hour: noon, Kind: journal.Received, Events: 2}, {Hour: at(1), Kind: journal.Refused, Events: 1}}
		check("not counted yet", first...)
		for range 3 { // the third finds nothing more to count
			if _, err := k.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		check("counted", first...)
		add(t, st, event(half, journal.Received), event(at(2), journal.Sent))
		then := []journal.Volume{{Hour: noon, Kind: journal.Received, Events: 3}, first[1], {Hour: at(2), Kind: journal.Sent, Events: 1}}
		check("partly counted", then...)
		for range 2 {
			if _, err := k.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		check("counted again", then...)
	})
}

// TestVolumesOutliveEvents: what is swept was counted, and counts for a year more.
func TestVolumesOutliveEvents(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		now := noon
		k := journal.NewKeeper(journal.Options{Store: st, Now: func() time.Time { return now }, Keep: time.Hour})
		add(t, st, journal.Event{Time: noon, Kind: journal.Received}, journal.Event{Time: at(1), Kind: journal.Received})
		for range 2 {
			if _, err := k.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []struct {
			after time.Duration
			hours int
		}{{30 * 24 * time.Hour, 2}, {401 * 24 * time.Hour, 0}} {
			now = noon.Add(want.after)
			if _, err := k.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := volumes(t, st, noon, at(2)); len(got) != want.hours {
				t.Errorf("after %v there are %v, want %d hours", want.after, got, want.hours)
			}
		}
	})
}

// BenchmarkVolumes counts a week of many events.
func BenchmarkVolumes(b *testing.B) {
	st := storetest.Open(b, journal.Schema)
	k := fill(b, st, 400_000)
	for range 2 {
		if _, err := k.Index(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if got := volumes(b, st, noon, at(7*24)); len(got) == 0 {
			b.Fatal("nothing counted")
		}
	}
}
