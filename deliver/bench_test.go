package deliver_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/bench"
	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// BenchmarkDeliver sends messages of 4 KB through the queue to a sink on this
// machine: claimed, routed, sent, journalled and settled. b.N is messages; the
// accepting is not measured.
func BenchmarkDeliver(b *testing.B) {
	for _, destinations := range []int{1, 50} {
		b.Run(fmt.Sprintf("%d-destinations", destinations), func(b *testing.B) {
			benchmarkDeliver(b, storetest.Open(b, schemas...), destinations)
		})
	}
}

// BenchmarkDeliverPostgreSQL is the same on the shared engine.
func BenchmarkDeliverPostgreSQL(b *testing.B) {
	st, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), PostgreSQL: storetest.PostgreSQL(b), Schemas: schemas, Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	benchmarkDeliver(b, st, 50)
}

func benchmarkDeliver(b *testing.B, st *store.Store, destinations int) {
	l, err := net.Listen("tcp", "127.0.1.1:0")
	if err != nil {
		b.Fatal(err)
	}
	sink := &bench.Sink{}
	ctx, stop := context.WithCancel(b.Context())
	served := make(chan error, 1)
	go func() { served <- sink.Serve(ctx, l) }()
	z := &zone{fail: map[string]error{}}
	for i := range destinations {
		z.add(b, fmt.Sprintf("d%d.example. MX 10 mx.sink.example.\n", i))
	}
	z.add(b, "mx.sink.example. A 127.0.1.1\n")
	w := &world.World{Resolver: z, Network: world.Machine(), Map: world.Map{
		Ports:  map[uint16]uint16{25: netip.MustParseAddrPort(l.Addr().String()).Port()},
		Public: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")}}}
	fill(b, st, b.N, destinations)

	q := queue.New(st, queue.Options{Clock: w.Now})
	d := deliver.New(deliver.Options{Store: st, Queue: q, World: w,
		HELO: func(netip.Addr) mail.Domain { return mail.MustParseDomain("mx.example.com") }})
	b.ResetTimer()
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if s, err := q.Stats(ctx); err != nil || s.Waiting == 0 {
			break
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if n := sink.Taken.Load(); n != int64(b.N) {
		b.Errorf("the sink took %d of %d", n, b.N)
	}
	stop()
	<-ran
	<-served
}

// fill puts messages into the queue, a few hundred a transaction.
func fill(b *testing.B, st *store.Store, n, destinations int) {
	size := 4096
	if s, err := strconv.Atoi(os.Getenv("BENCH_SIZE")); err == nil {
		size = s
	}
	from := mail.MustParseAddress("anna@example.com")
	text := bench.Message(from, mail.MustParseAddress("b@d0.example"), size, 1)
	sp := st.NewSpool()
	defer sp.Close()
	sp.Write(text)
	if err := sp.Place(b.Context()); err != nil {
		b.Fatal(err)
	}
	for at := 0; at < n; at += 500 {
		err := st.Write(b.Context(), func(tx *store.Tx) error {
			for i := at; i < min(n, at+500); i++ {
				body, err := tx.PutBody(sp)
				if err != nil {
					return err
				}
				err = queue.Put(tx, time.Now(), queue.Message{Trace: mail.NewTraceID(time.Now()), Body: body, Size: int64(len(text)),
					From: from, Origin: "anna@example.com", Owner: 1, Recipients: []queue.Recipient{
						{To: mail.Address{Local: "b", Domain: mail.MustParseDomain(fmt.Sprintf("d%d.example", i%destinations))}}}})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
