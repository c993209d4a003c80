package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// usual is what a received message leaves.
func usual(now time.Time) []journal.Event {
	id := mail.NewTraceID(now)
	return []journal.Event{
		{Trace: id, Time: now, Kind: journal.Received, From: "somebody@far.example", To: "anna@example.com",
			Fields: map[string]string{"client": "192.0.2.77", "helo": "mx.far.example", "tls": "TLS1.3", "dmarc": "pass"}},
		{Trace: id, Time: now, Kind: journal.Delivered, To: "anna@example.com"},
	}
}

// BenchmarkAdd is the work of the writer alone: a message's statement, no commit.
func BenchmarkAdd(b *testing.B) {
	st := storetest.Open(b, journal.Schema)
	b.ReportAllocs()
	now := noon
	for b.Loop() {
		if err := st.Write(b.Context(), func(tx *store.Tx) error {
			for range 100 {
				now = now.Add(time.Millisecond)
				if err := journal.Add(tx, usual(now)...); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
}

// fill puts n events of many addresses in and indexes them.
func fill(b *testing.B, st *store.Store, n int) *journal.Keeper {
	k := journal.NewKeeper(journal.Options{Store: st, Now: func() time.Time { return noon }})
	for i := 0; i < n; {
		if err := st.Write(b.Context(), func(tx *store.Tx) error {
			for range 50 {
				batch := make([]journal.Event, 0, 64)
				for range 64 {
					i++
					batch = append(batch, journal.Event{Trace: mail.TraceID(fmt.Sprint(i)), Time: noon.Add(time.Duration(i) * 10 * time.Millisecond),
						Kind: journal.Delivered, From: fmt.Sprintf("s%d@d%d.example", i%50_000, i%5000), To: fmt.Sprintf("r%d@example.com", i%500)})
				}
				if err := journal.Add(tx, batch...); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return k
}

// BenchmarkIndex is the keeper's work for each event.
func BenchmarkIndex(b *testing.B) {
	st := storetest.Open(b, journal.Schema)
	const events = 100_000
	for b.Loop() {
		b.StopTimer()
		k := fill(b, st, events)
		if _, err := k.Index(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := k.Index(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}

// BenchmarkSearch looks for one address among many events.
func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{20_000, 400_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st := storetest.Open(b, journal.Schema)
			k := fill(b, st, n)
			for range 2 {
				if _, err := k.Index(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if got := search(b, st, journal.Query{Address: "s77@d77.example", Limit: 10}); len(got) == 0 {
					b.Fatal("nothing found")
				}
			}
		})
	}
}
