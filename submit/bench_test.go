package submit_test

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

// BenchmarkSubmit is a message of 4 KB to one recipient elsewhere, durable on
// SQLite, 50 at a time: signed with RSA-2048 and Ed25519, with Ed25519 alone, and
// unsigned. Keys decide: RSA-2048 costs about a millisecond of one core.
func BenchmarkSubmit(b *testing.B) {
	all := newKeys()
	for _, bb := range []struct {
		name string
		keys keys
	}{{"RSA and Ed25519", all}, {"Ed25519", all[1:]}, {"unsigned", nil}} {
		b.Run(bb.name, func(b *testing.B) {
			h := newHouse(b, storetest.Open(b, schemas...), func(o *submit.Options) {
				o.Keys, o.Log, o.Watch = bb.keys, nil, &submit.Watch{}
			})
			anna := h.anna()
			text := "From: Anna <anna@example.com>\r\nTo: x@example.net\r\nSubject: Hello\r\n" + anyDate + "\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 50)
			b.SetParallelism(25)
			var n atomic.Int64
			before := cpuTime(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n.Add(1)
					_, err := h.Submit(b.Context(), submit.Submission{Principal: anna, From: address("anna@example.com"), To: recipients("x@example.net"), Body: strings.NewReader(text)})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(n.Load()), "cpu-µs/message")
			s := h.store.Stats()
			b.ReportMetric(float64(s.Transactions)/float64(max(1, s.Commits)), "messages/commit")
		})
	}
}

// cpuTime is what this process has used: wall time says little on a shared machine.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSign is what one signature of such a message costs.
func BenchmarkSign(b *testing.B) {
	for _, k := range newKeys() {
		b.Run(k.Selector, func(b *testing.B) {
			text := "From: Anna <anna@example.com>\r\nTo: x@example.net\r\nSubject: Hello\r\n" + anyDate + "\r\n\r\n"
			body := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 50)
			for b.Loop() {
				m := parse(b, text)
				if _, err := dkim.Sign(m, strings.NewReader(body), noon, k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func parse(b *testing.B, text string) message.Header {
	b.Helper()
	m, err := message.Read(strings.NewReader(text), message.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return m.Header
}
