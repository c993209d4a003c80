package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// mailbox are tables like those a message goes into.
func mailbox() store.Schema {
	return store.Schema{Name: "bench", References: []string{"message.body"}, Versions: []store.Version{{
		SQLite: `CREATE TABLE folder (id INTEGER PRIMARY KEY, uidnext INTEGER NOT NULL, modseq INTEGER NOT NULL) STRICT;
			INSERT INTO folder SELECT value, 1, 1 FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value+1 FROM n WHERE value < 50) SELECT value FROM n);
			CREATE TABLE message (folder INTEGER NOT NULL, uid INTEGER NOT NULL, body INTEGER NOT NULL, size INTEGER NOT NULL, flags INTEGER NOT NULL, received INTEGER NOT NULL, structure BLOB, trace TEXT NOT NULL, PRIMARY KEY (folder, uid)) STRICT, WITHOUT ROWID;
			CREATE INDEX message_body ON message (body);
			CREATE TABLE usage (account INTEGER NOT NULL, delta INTEGER NOT NULL) STRICT;
			CREATE TABLE event (id INTEGER PRIMARY KEY, trace TEXT NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL, sender TEXT, rcpt TEXT, fields TEXT) STRICT;
			CREATE INDEX event_trace ON event (trace);`,
		PostgreSQL: `CREATE TABLE folder (id BIGINT PRIMARY KEY, uidnext BIGINT NOT NULL, modseq BIGINT NOT NULL);
			INSERT INTO folder SELECT value, 1, 1 FROM generate_series(1, 50) AS value;
			CREATE TABLE message (folder BIGINT NOT NULL, uid BIGINT NOT NULL, body BIGINT NOT NULL, size BIGINT NOT NULL, flags BIGINT NOT NULL, received BIGINT NOT NULL, structure BYTEA, trace TEXT NOT NULL, PRIMARY KEY (folder, uid));
			CREATE INDEX message_body ON message (body);
			CREATE TABLE usage (account BIGINT NOT NULL, delta BIGINT NOT NULL);
			CREATE TABLE event (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, trace TEXT NOT NULL, at BIGINT NOT NULL, kind BIGINT NOT NULL, sender TEXT, rcpt TEXT, fields TEXT);
			CREATE INDEX event_trace ON event (trace);`,
	}}}
}

// deliver stores a message as acceptance does: body, folder, entry, usage, journal.
func deliver(b *testing.B, st *store.Store, n int64, body []byte) {
	sp := st.NewSpool()
	defer sp.Close()
	sp.Write(body)
	sp.SetHead([]byte("Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby mx.example.com; Sat, 21 Nov 2026 16:05:00 +0000\r\n"))
	if err := sp.Place(b.Context()); err != nil {
		b.Error(err)
	}
	now, trace := time.Now(), fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15)
	err := st.Write(b.Context(), func(tx *store.Tx) error {
		id, err := tx.PutBody(sp)
		if err != nil {
			return err
		}
		folder := 1 + n%50
		var uid int64
		if err := tx.Row(`UPDATE folder SET uidnext = uidnext + 1, modseq = modseq + 1 WHERE id = $1 RETURNING uidnext`, folder).Scan(&uid); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO message (folder, uid, body, size, flags, received, structure, trace) VALUES ($1, $2, $3, $4, 0, $5, $6, $7)`,
			folder, uid, id, sp.Size(), now, body[:100], trace); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO usage (account, delta) VALUES ($1, $2)`, folder, sp.Size()); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO event (trace, at, kind, sender, rcpt, fields) VALUES ($1, $2, 1, $3, $4, '{"spf":"pass","dkim":"pass"}')`,
			trace, now, "someone@example.org", "anna@example.com")
		return err
	})
	if err != nil {
		b.Error(err)
	}
}

func randomBody(size int) []byte {
	body := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(body)
	return body
}

// measure runs f b.N times by a number of writers, and reports what one message
// costs.
func measure(b *testing.B, writers int, f func(n int64)) {
	var n atomic.Int64
	var group sync.WaitGroup
	times := make([][]time.Duration, writers)
	cpu := processorTime()
	b.ResetTimer()
	for w := range writers {
		group.Go(func() {
			for {
				i := n.Add(1)
				if i > int64(b.N) {
					return
				}
				start := time.Now()
				f(i)
				times[w] = append(times[w], time.Since(start))
			}
		})
	}
	group.Wait()
	b.StopTimer()
	all := slices.Concat(times...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(processorTime()-cpu)/float64(time.Microsecond)/float64(b.N), "cpu-us/msg")
	b.ReportMetric(float64(all[len(all)*99/100])/float64(time.Millisecond), "p99-ms")
	b.ReportMetric(float64(all[len(all)-1])/float64(time.Millisecond), "max-ms")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func eachLoad(b *testing.B, f func(b *testing.B, size, writers int)) {
	for _, size := range []int{4 << 10, 50 << 10} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%dK/%d", size>>10, writers), func(b *testing.B) { f(b, size, writers) })
		}
	}
}

// BenchmarkWrite is a whole delivery of about five statements.
func BenchmarkWrite(b *testing.B) {
	eachLoad(b, func(b *testing.B, size, writers int) {
		st := storetest.Open(b, mailbox())
		body := randomBody(size)
		before := st.Stats()
		measure(b, writers, func(n int64) { deliver(b, st, n, body) })
		s := st.Stats()
		b.ReportMetric(float64(s.Syncs-before.Syncs)/float64(b.N), "syncs/msg")
	})
}

// BenchmarkMixed moves the line between bodies in the database and beside it, for
// messages of 4 KB (70 %), 50 KB (25 %) and 500 KB (5 %): see
// docs/decisions/0008-where-bodies-live.md.
func BenchmarkMixed(b *testing.B) {
	var sizes [20][]byte
	for i := range sizes {
		switch {
		case i < 14:
			sizes[i] = randomBody(4 << 10)
		case i < 19:
			sizes[i] = randomBody(50 << 10)
		default:
			sizes[i] = randomBody(500 << 10)
		}
	}
	for _, line := range []int64{16 << 10, 128 << 10, 1 << 20} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("line=%dK/%d", line>>10, writers), func(b *testing.B) {
				st := storetest.OpenWith(b, store.Options{InlineBody: line, Schemas: []store.Schema{mailbox()}})
				measure(b, writers, func(n int64) { deliver(b, st, n, sizes[n%20]) })
			})
		}
	}
}

// BenchmarkFloor is what the machine can do: append to a file, one sync for all that
// wait. BenchmarkWrite is to be judged against it, in the same run.
func BenchmarkFloor(b *testing.B) {
	eachLoad(b, func(b *testing.B, size, writers int) {
		l := openFloor(b)
		body := randomBody(size)
		measure(b, writers, func(int64) { l.write(body) })
		b.ReportMetric(float64(l.syncs.Load())/float64(b.N), "syncs/msg")
	})
}

// floorLog appends to a file and syncs once for all that wait.
type floorLog struct {
	file  *os.File
	queue chan floorWrite
	syncs atomic.Int64
}

type floorWrite struct {
	body []byte
	done chan struct{}
}

func openFloor(b *testing.B) *floorLog {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	l := &floorLog{file: f, queue: make(chan floorWrite, 512)}
	var ended sync.WaitGroup
	ended.Go(func() { l.serve(b) })
	b.Cleanup(func() {
		close(l.queue)
		ended.Wait()
		f.Close()
	})
	return l
}

func (l *floorLog) write(body []byte) {
	w := floorWrite{body, make(chan struct{})}
	l.queue <- w
	<-w.done
}

func (l *floorLog) serve(b *testing.B) {
	var text bytes.Buffer
	for w := range l.queue {
		batch := []floorWrite{w}
		for len(batch) < 256 && len(l.queue) > 0 {
			batch = append(batch, <-l.queue)
		}
		text.Reset()
		for _, w := range batch {
			text.Write(w.body)
		}
		if _, err := l.file.Write(text.Bytes()); err != nil {
			b.Error(err)
		}
		if err := syscall.Fdatasync(int(l.file.Fd())); err != nil {
			b.Error(err)
		}
		l.syncs.Add(1)
		for _, w := range batch {
			close(w.done)
		}
	}
}
