package mailbox_test

import (
	"bytes"
	"testing"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// BenchmarkDeliver is the work of the writer alone: statements, no commit.
func BenchmarkDeliver(b *testing.B) {
	for _, bench := range []struct {
		name      string
		structure []byte
	}{{"bare", nil}, {"structure", bytes.Repeat([]byte("s"), 600)}} {
		b.Run(bench.name, func(b *testing.B) {
			st := storetest.Open(b, mailbox.Schema)
			create(b, st, 7)
			b.ReportAllocs()
			body := store.BodyID(0)
			for b.Loop() {
				write(b, st, func(tx *store.Tx) error {
					for range 100 { // so that the commit hardly counts
						body++
						if _, err := mailbox.Deliver(tx, mailbox.Delivery{Account: 7, Body: body, Size: 4096, Received: noon,
							Trace: "0123456789abcdefghij", Structure: bench.structure}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/delivery")
		})
	}
}

func BenchmarkRoom(b *testing.B) {
	st := storetest.Open(b, mailbox.Schema)
	create(b, st, 7)
	b.ReportAllocs()
	read(b, st, func(tx *store.Tx) error {
		for b.Loop() {
			if err := mailbox.Room(tx, 7, 4096); err != nil {
				return err
			}
		}
		return nil
	})
}
