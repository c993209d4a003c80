package mailbox_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// fill gives account 7 an INBOX of n messages without words, of which every hundredth
// was expunged.
func fill(b *testing.B, st *store.Store, n int) mailbox.FolderID {
	b.Helper()
	create(b, st, 7)
	structure := bytes.Repeat([]byte("s"), 600)
	var inbox mailbox.FolderID
	write(b, st, func(tx *store.Tx) error {
		f, err := mailbox.FolderOf(tx, 7, mailbox.Inbox)
		inbox = f.ID
		return err
	})
	var gone []mailbox.UID
	for done := 0; done < n; done += 1000 {
		write(b, st, func(tx *store.Tx) error {
			all := make([]mailbox.Delivery, 1000)
			for i := range all {
				all[i] = mailbox.Delivery{Body: store.BodyID(done + i + 1), Size: 4096, Received: noon, Trace: "0123456789abcdefghij",
					Flags: mailbox.Flags(i % 2), Structure: structure}
			}
			_, _, err := mailbox.AppendAll(tx, inbox, all)
			return err
		})
	}
	for uid := 100; uid <= n; uid += 100 {
		gone = append(gone, mailbox.UID(uid))
	}
	write(b, st, func(tx *store.Tx) error {
		_, err := mailbox.Expunge(tx, inbox, gone)
		return err
	})
	return inbox
}

// BenchmarkOpen is what SELECT reads of a folder of 100,000. The goal is 50 ms.
func BenchmarkOpen(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	inbox := fill(b, st, 100_000)
	for b.Loop() {
		read(b, st, func(tx *store.Tx) error {
			if _, err := mailbox.FolderByID(tx, inbox); err != nil {
				return err
			}
			uids, err := mailbox.UIDs(tx, inbox)
			if uids.Len() != 99_000 {
				b.Fatalf("%d messages", uids.Len())
			}
			return err
		})
	}
}

// BenchmarkFetch reads 10,000 messages: with the flags alone, and with all that a
// listing shows.
func BenchmarkFetch(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	inbox := fill(b, st, 10_000)
	for _, bench := range []struct {
		name string
		want mailbox.Columns
	}{{"flags", 0}, {"facts", mailbox.Facts}, {"structures", mailbox.Facts | mailbox.Structures}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				err := mailbox.FetchPages(b.Context(), st, inbox, everything, bench.want, func(*mailbox.Message) error { n++; return nil })
				if err != nil || n != 9900 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkChanges is what an idle session asks after each delivery.
func BenchmarkChanges(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	inbox := fill(b, st, 10_000)
	var now mailbox.Changes
	read(b, st, func(tx *store.Tx) (err error) { now, err = mailbox.ChangesSince(tx, inbox, 1<<60); return err })
	write(b, st, func(tx *store.Tx) error {
		_, _, err := mailbox.Append(tx, inbox, mailbox.Delivery{Body: 1, Size: 1, Received: noon})
		return err
	})
	for b.Loop() {
		read(b, st, func(tx *store.Tx) error {
			c, err := mailbox.ChangesSince(tx, inbox, now.ModSeq)
			if len(c.Changed) != 1 {
				b.Fatalf("%d changes", len(c.Changed))
			}
			return err
		})
	}
}

// BenchmarkAppend is 20 clients that each wait for their append to be durable. The goal
// is 2,000 per second.
func BenchmarkAppend(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	create(b, st, 7)
	f := folders(b, st, 7)["Sent"].ID
	text := strings.Repeat("x", 4096)
	structure := bytes.Repeat([]byte("s"), 600)
	b.SetParallelism(10) // of two processors: 20
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			write(b, st, func(tx *store.Tx) error {
				body, err := put(tx, st, text)
				if err != nil {
					return err
				}
				_, _, err = mailbox.Append(tx, f, mailbox.Delivery{Body: body, Size: 4096, Received: noon, Structure: structure})
				return err
			})
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkMove moves 100 messages there and back.
func BenchmarkMove(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	inbox := fill(b, st, 1000)
	archive := folders(b, st, 7)["Archive"].ID
	uids := uidRange(1, 99)
	for b.Loop() {
		write(b, st, func(tx *store.Tx) error {
			there, err := mailbox.Move(tx, inbox, uids, archive)
			if err != nil {
				return err
			}
			back, err := mailbox.Move(tx, archive, there.To, inbox)
			uids = back.To
			return err
		})
	}
}

// vocabulary makes words as often as languages have them.
type vocabulary struct {
	random *rand.Rand
	zipf   *rand.Zipf
}

func newVocabulary() vocabulary {
	r := rand.New(rand.NewPCG(1, 2))
	return vocabulary{r, rand.NewZipf(r, 1.1, 5, 200_000)}
}

// word is the word of a rank.
func word(rank uint64) string {
	var b strings.Builder
	for n := rank*2654435761 + 12345; b.Len() < 4 || n > 0 && b.Len() < 9; n /= 19 {
		b.WriteByte('a' + byte(n%19))
	}
	return b.String()
}

func (v vocabulary) message() string {
	var b strings.Builder
	line := func(field string, words int) {
		b.WriteString(field)
		for range words {
			b.WriteString(word(v.zipf.Uint64()) + " ")
		}
		b.WriteString("\n")
	}
	line("Subject: ", 6)
	line("From: ", 3)
	line("To: ", 3)
	b.WriteString("\n")
	for range 3 + v.random.IntN(30) {
		line("", 10)
	}
	return b.String()
}

// BenchmarkSearch looks for words in 100,000 messages, all indexed. The goal is 200 ms.
func BenchmarkSearch(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	create(b, st, 7)
	x := openIndex(b, st, "")
	v := newVocabulary()
	const messages = 100_000
	for range messages / 500 {
		texts := make([]string, 500)
		for i := range texts {
			texts[i] = v.message()
		}
		deliverText(b, st, 7, texts...)
	}
	if err := x.CatchUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	inbox := folders(b, st, 7)["INBOX"].ID
	for _, q := range []mailbox.Query{
		{Text: word(0)}, {Text: word(50)}, {Text: word(5000)}, {Text: word(150_000)}, {Text: word(1) + " " + word(2)},
		{Text: word(500)[:2]}, {Text: word(50), In: mailbox.InSubject}, {Text: "nowhere"},
	} {
		hits := 0
		b.Run(fmt.Sprintf("%s/%04b", q.Text, q.In), func(b *testing.B) {
			for b.Loop() {
				sets, err := x.Search(b.Context(), inbox, q)
				if err != nil {
					b.Fatal(err)
				}
				hits = sets[0].Len()
			}
			b.ReportMetric(float64(hits), "hits")
		})
	}
}

// BenchmarkIndex is how long a message takes on its way into the index.
func BenchmarkIndex(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	create(b, st, 7)
	x := openIndex(b, st, "")
	v := newVocabulary()
	const messages = 1000
	for b.Loop() {
		b.StopTimer()
		texts := make([]string, messages)
		for i := range texts {
			texts[i] = v.message()
		}
		deliverText(b, st, 7, texts...)
		b.StartTimer()
		if err := x.CatchUp(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/messages, "µs/message")
}
