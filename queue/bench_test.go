package queue_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/bench"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// waitingInBench is how many messages wait while BenchmarkFlat accepts and claims
// others: a million with BENCH_MILLION=1.
func waitingInBench() int {
	if n, err := strconv.Atoi(os.Getenv("BENCH_WAITING")); err == nil {
		return n
	}
	if os.Getenv("BENCH_MILLION") != "" {
		return 1_000_000
	}
	return 20_000
}

// BenchmarkFlat shows that nothing costs more because more waits. It accepts messages
// of 4 KB (body, queue and journal in one commit of twenty, as under load), claims
// them, and settles them (journal again), in turn with an ordinary queue, where a
// thousand wait for later, and with one where very many do: all for later, or all for
// one destination that takes no more.
// b.N is rounds of 200 messages. put-% and claim-% are the rates with the full queue, as
// parts of those with the ordinary one; restart-ms is opening the store, taking over
// leases, and everything a process asks before its first claim.
//
//	BENCH_MILLION=1 go test ./queue -run xxx -bench Flat -benchtime 50x -timeout 30m
func BenchmarkFlat(b *testing.B) {
	for _, shape := range []string{"future", "blocked"} {
		b.Run("SQLite/"+shape, func(b *testing.B) {
			benchmarkFlat(b, shape, func() store.Options { return store.Options{Dir: b.TempDir()} })
		})
		b.Run("PostgreSQL/"+shape, func(b *testing.B) {
			benchmarkFlat(b, shape, func() store.Options {
				return store.Options{Dir: b.TempDir(), PostgreSQL: storetest.PostgreSQL(b)}
			})
		})
	}
}

// yard is one queue of the benchmark.
type yard struct {
	b       *testing.B
	options store.Options
	st      *store.Store
	q       *queue.Queue
	body    store.BodyID // of all that wait
	spool   *store.Spool
	put     time.Duration
	claim   time.Duration
}

func benchmarkFlat(b *testing.B, shape string, fresh func() store.Options) {
	ordinary, full := openYard(b, fresh()), openYard(b, fresh())
	defer ordinary.close()
	defer func() { full.close() }()
	ordinary.fill("future", 1000)
	full.fill(shape, waitingInBench())
	restart := full.reopen()
	for _, y := range []*yard{ordinary, full} { // caches, plans
		for range 5 {
			y.round()
		}
		y.put, y.claim = 0, 0
	}
	b.ResetTimer()
	for range b.N {
		ordinary.round()
		full.round()
	}
	b.StopTimer()
	n := float64(b.N * roundSize)
	b.ReportMetric(n/full.put.Seconds(), "put/s")
	b.ReportMetric(n/full.claim.Seconds(), "claim+settle/s")
	b.ReportMetric(100*ordinary.put.Seconds()/full.put.Seconds(), "put-%")
	b.ReportMetric(100*ordinary.claim.Seconds()/full.claim.Seconds(), "claim-%")
	b.ReportMetric(float64(restart.Milliseconds()), "restart-ms")
	b.ReportMetric(0, "ns/op")
}

func openYard(b *testing.B, o store.Options) *yard {
	o.Schemas, o.Clock = []store.Schema{journal.Schema, queue.Schema}, time.Now
	y := &yard{b: b, options: o}
	y.open()
	y.spool = y.st.NewSpool()
	b.Cleanup(func() { y.spool.Close() })
	y.spool.Write(bench.Message(anna, anna, 4096, 1))
	y.write(func(tx *store.Tx) (err error) { y.body, err = tx.PutBody(y.spool); return err })
	return y
}

func (y *yard) check(err error) {
	y.b.Helper()
	if err != nil {
		y.b.Fatal(err)
	}
}

func (y *yard) write(f func(*store.Tx) error) {
	y.b.Helper()
	y.check(y.st.Write(y.b.Context(), f))
}

// open does what a process does before its first claim.
func (y *yard) open() {
	ctx := y.b.Context()
	st, err := store.Open(ctx, y.options)
	y.check(err)
	y.st, y.q = st, queue.New(st, queue.Options{Clock: time.Now})
	y.check(y.q.Start(ctx))
	_, err = y.q.Lanes(ctx)
	y.check(err)
	_, err = y.q.NextDue(ctx)
	y.check(err)
	_, err = y.q.Stats(ctx)
	y.check(err)
	y.check(y.q.Tend(ctx))
}

func (y *yard) close() { y.check(y.st.Close()) }

func (y *yard) reopen() time.Duration {
	y.close()
	begin := time.Now()
	y.open()
	return time.Since(begin)
}

// fill makes n messages that wait, in few statements.
func (y *yard) fill(shape string, n int) {
	state, lane, destination, spread := 0, "''", "'d' || (i % 50000) || '.example'", int64(4*time.Hour/time.Microsecond)
	if shape == "blocked" {
		state, lane, destination = 2, "'blocked.example'", "'blocked.example'"
	}
	now := store.Micros(time.Now())
	for from := 0; from < n; from += 100_000 {
		y.write(func(tx *store.Tx) error {
			_, err := tx.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)
				INSERT INTO queue_job (trace, destination, origin, owner, body, size, envelope, state, queued, due, lane)
				SELECT 'waits' || i, %s, 'user' || (i %% 100), 7, %d, 8, '{"from":"anna@example.com","to":[{"to":"b@example.org"}]}', %d, %d,
					%d + 60000000 + (CAST(i AS BIGINT) * 7919000) %% %d, %s FROM n`,
				from, min(n, from+100_000), destination, y.body, state, now, now, spread, lane))
			return err
		})
	}
	if y.st.Engine() == store.PostgreSQL { // autovacuum does this in its own time
		y.write(func(tx *store.Tx) error { _, err := tx.Exec(`ANALYZE queue_job`); return err })
	}
}

var anna = mail.MustParseAddress("anna@example.com")

func event(id mail.TraceID, kind journal.Kind) journal.Event {
	return journal.Event{Trace: id, Time: time.Now(), Kind: kind, From: "anna@example.com", To: "b@open1.example"}
}

// accept is what is written when a message for elsewhere is accepted.
func (y *yard) accept(tx *store.Tx, i int) error {
	body, err := tx.PutBody(y.spool)
	if err != nil {
		return err
	}
	id := mail.NewTraceID(time.Now())
	err = queue.Put(tx, time.Now(), queue.Message{Trace: id, Body: body, Size: y.spool.Size(), From: anna,
		Origin: "anna@example.com", Owner: 7, Recipients: []queue.Recipient{
			{To: mail.Address{Local: "b", Domain: mail.MustParseDomain(fmt.Sprintf("open%d.example", i))}}}})
	if err != nil {
		return err
	}
	return journal.Add(tx, event(id, journal.Submitted), event(id, journal.Queued))
}

const roundSize = 200

// round accepts messages, claims them, and settles them.
func (y *yard) round() {
	begin := time.Now()
	for at := 0; at < roundSize; at += 20 {
		y.write(func(tx *store.Tx) error {
			for i := range 20 {
				if err := y.accept(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	y.put += time.Since(begin)
	begin = time.Now()
	for done := 0; done < roundSize; {
		jobs, err := y.q.Claim(y.b.Context(), queue.Want{Limit: 64})
		y.check(err)
		if len(jobs) == 0 {
			y.b.Fatalf("%d of %d were claimed", done, roundSize)
		}
		outcomes := make([]queue.Outcome, len(jobs))
		var events []journal.Event
		for i := range jobs {
			outcomes[i].Job = &jobs[i]
			events = append(events, event(jobs[i].Trace, journal.Sent))
		}
		y.write(func(tx *store.Tx) error {
			if _, err := y.q.Settle(tx, outcomes...); err != nil {
				return err
			}
			return journal.Add(tx, events...)
		})
		done += len(jobs)
	}
	y.claim += time.Since(begin)
}
