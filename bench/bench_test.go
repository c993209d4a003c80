package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

var (
	sender    = mail.MustParseAddress("load@green.example")
	recipient = mail.MustParseAddress("user@peer.example")
)

// start serves until the test ends and returns where.
func start(tb testing.TB, w *world.World, serve func(context.Context, net.Listener) error) netip.AddrPort {
	tb.Helper()
	l, err := w.Listen(tb.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { ended <- serve(ctx, l) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("serving: %s", err)
		}
	})
	return netip.MustParseAddrPort(l.Addr().String())
}

func machine() *world.World { return &world.World{Network: world.Machine()} }

func load(to netip.AddrPort) Load {
	return Load{
		To: to, Connections: 5, PerConnection: 7, Count: 200, From: sender,
		Recipients: []mail.Address{recipient},
		Messages:   [][]byte{Message(sender, recipient, 4096, 1), []byte(".dot\r\n..\r\n\r\n.")},
	}
}

func TestFloorKeepsWhatItAnswered(t *testing.T) {
	w, path := machine(), filepath.Join(t.TempDir(), "log")
	f, err := OpenFloor(path)
	if err != nil {
		t.Fatal(err)
	}
	l := load(start(t, w, f.Serve))
	l.Messages = l.Messages[:1]
	r, err := l.Run(t.Context(), w)
	if err != nil || r.Accepted != 200 || r.Lost != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	log, err := os.ReadFile(path)
	if err != nil || bytes.Count(log, l.Messages[0]) != 200 {
		t.Errorf("the log holds %d messages, %v", bytes.Count(log, l.Messages[0]), err)
	}
	if f.Stored.Load() != 200 || f.Syncs.Load() == 0 || f.Syncs.Load() > 200 {
		t.Errorf("%d messages in %d syncs", f.Stored.Load(), f.Syncs.Load())
	}
	if p50, p100 := r.Latency.Percentile(50), r.Latency.Percentile(100); p50 <= 0 || p50 > p100 || p100 > r.Elapsed {
		t.Errorf("latencies %s and %s of %s", p50, p100, r.Elapsed)
	}
}

func TestSinkAnswersAsTold(t *testing.T) {
	w := machine()
	for _, tt := range []struct {
		name string
		sink *Sink
		want func(Report) bool
	}{
		{"everything", &Sink{}, func(r Report) bool { return r.Accepted == 200 }},
		{"never", &Sink{DataFails: 1}, func(r Report) bool { return r.Refused == 200 && strings.HasPrefix(r.Said, "554") }},
		{"not now", &Sink{RcptDefers: 1}, func(r Report) bool { return r.Deferred == 200 }},
		{"sometimes", &Sink{DataDefers: 0.5}, func(r Report) bool { return r.Deferred > 50 && r.Accepted > 50 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := load(start(t, w, tt.sink.Serve)).Run(t.Context(), w)
			if err != nil || !tt.want(r) || r.Answered() != 200 {
				t.Errorf("%+v, %v", r, err)
			}
			if tt.sink.Taken.Load() != r.Accepted {
				t.Errorf("taken %d, accepted %d", tt.sink.Taken.Load(), r.Accepted)
			}
		})
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	w, s := machine(), &Sink{}
	l := load(start(t, w, s.Serve))
	l.Count, l.Duration, l.Rate = 0, 500*time.Millisecond, 200
	r, err := l.Run(t.Context(), w)
	if err != nil || r.Accepted < 50 || r.Accepted > 110 {
		t.Errorf("%d messages in %s at 200 a second, %v", r.Accepted, r.Elapsed, err)
	}
}

func TestLoadSaysWhyNothingWent(t *testing.T) {
	w := machine()
	if _, err := (Load{}).Run(t.Context(), w); !errors.Is(err, ErrLoad) {
		t.Errorf("an empty load: %v", err)
	}
	l := load(netip.MustParseAddrPort("127.0.0.1:1"))
	l.Duration, l.WarmUp = 10*time.Millisecond, time.Millisecond
	if _, err := l.Run(t.Context(), w); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
	s := &Sink{}
	l.To, l.StartTLS = start(t, w, s.Serve), &tls.Config{InsecureSkipVerify: true}
	if _, err := l.Run(t.Context(), w); err == nil {
		t.Error("no STARTTLS, and no error")
	}
}

func TestUsageOf(t *testing.T) {
	u, err := UsageOf(os.Getpid())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("only on Linux")
	}
	if err != nil || u.RSS <= 0 || u.Peak < u.RSS/2 || u.Processes < 1 {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := UsageOf(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nobody: %v", err)
	}
}

func TestMessageHasItsSize(t *testing.T) {
	for _, size := range []int{1000, 4096, 50_000} {
		m := Message(sender, recipient, size, 3)
		if len(m) < size || len(m) > size+200+size/30 || bytes.Contains(bytes.ReplaceAll(m, []byte("\r\n"), nil), []byte("\n")) {
			t.Errorf("%d octets for %d", len(m), size)
		}
	}
}

// BenchmarkFloor is what the machine can do: one writer, one sync for all that
// wait.
func BenchmarkFloor(b *testing.B) {
	w := machine()
	for _, size := range []int{4 << 10, 50 << 10} {
		b.Run(map[bool]string{true: "4KB", false: "50KB"}[size == 4<<10], func(b *testing.B) {
			f, err := OpenFloor(filepath.Join(b.TempDir(), "log"))
			if err != nil {
				b.Fatal(err)
			}
			l := load(start(b, w, f.Serve))
			l.Messages = [][]byte{Message(sender, recipient, size, 1)}
			l.Connections, l.Count = 50, int64(max(b.N, 50))
			b.ResetTimer()
			r, err := l.Run(b.Context(), w)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(r.PerSecond(), "msg/s")
			b.ReportMetric(float64(f.Stored.Load())/float64(f.Syncs.Load()), "msg/sync")
		})
	}
}
