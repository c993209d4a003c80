//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/bench"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/mail"
)

// BenchmarkInbound takes mail in with the floor of the machine, our server and
// Postfix, each a process of its own: fifty connections, everything durable, counted
// when it is in the mailbox. Our server does all the usual checks with the answers of
// the DNS at hand; Postfix does none. They take turns, b.N rounds of them, and the
// medians are reported: use -benchtime 9x on a machine with other work.
func BenchmarkInbound(b *testing.B) {
	for _, size := range []int{4 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) { benchmarkInbound(b, size) })
	}
}

func benchmarkInbound(b *testing.B, size int) {
	c, err := newContest(b.Context(), b.TempDir(), build(b), "")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.close(); err != nil {
			b.Error(err)
		}
	})
	floor, err := c.floor(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	ours, err := c.serve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	contestants := []*contestant{floor, ours, postfixContestant(b)}
	heats := make([][]heat, len(contestants))
	for b.Loop() {
		for i, each := range contestants {
			h, err := each.run(b.Context(), size, 3*time.Second)
			if err != nil {
				b.Fatal(err)
			}
			heats[i] = append(heats[i], h)
		}
	}
	bare, we, they := median(heats[0]), median(heats[1]), median(heats[2])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bare.rate, "floor-msg/s")
	b.ReportMetric(we.rate, "msg/s")
	b.ReportMetric(they.rate, "postfix-msg/s")
	b.ReportMetric(100*we.rate/bare.rate, "%-of-floor")
	b.ReportMetric(we.rate/they.rate, "x-postfix")
	b.ReportMetric(float64(we.p99.Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(we.cpu.Microseconds()), "cpu-us/msg")
	b.ReportMetric(float64(they.cpu.Microseconds()), "postfix-cpu-us/msg")
	b.ReportMetric(float64(we.peak)/(1<<20), "MB-peak")
}

// postfixContestant is Debian's Postfix with Maildirs.
func postfixContestant(b *testing.B) *contestant {
	p := peer.Postfix(b, peer.Options{})
	return &contestant{
		name: "postfix", at: p.Addr, pid: p.PID, recipient: mail.MustParseAddress("user@peer.example"),
		delivered: func() (int64, error) { return int64(p.Delivered(b)), nil },
	}
}

// BenchmarkServe is our server in this process and the load in another, for profiles:
// go test . -run '^$' -bench Serve -benchtime 20000x -cpuprofile cpu.out
func BenchmarkServe(b *testing.B) {
	for _, size := range []int{4 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) { benchmarkServe(b, size) })
	}
}

func benchmarkServe(b *testing.B, size int) {
	dir, program := b.TempDir(), build(b)
	c, err := newContest(b.Context(), dir, program, "")
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	spareMemory()
	if err := c.home.start(b.Context(), c.lab.World(), log); err != nil {
		b.Fatal(err)
	}
	defer c.home.stop(context.WithoutCancel(b.Context()))
	to := c.home.settings.Admin
	text, err := signedMessage(to, size, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(dir, "message")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	at := netip.AddrPortFrom(c.home.settings.Addresses[0], c.lab.File().Ports[25])
	load := exec.Command(program, "bench", "load", at.String(), "--count", fmt.Sprint(b.N), "--duration", "1h", "--warm-up", "0s", "--source", contestSource.String(),
		"--helo", contestHELO, "--from", contestSender.String(), "--to", to.String(), "--message", file, "--json")
	b.ReportAllocs()
	before, _ := bench.UsageOf(os.Getpid())
	b.ResetTimer()
	out, err := load.Output()
	b.StopTimer()
	after, _ := bench.UsageOf(os.Getpid())
	var r benchReport
	if err := errors.Join(err, json.Unmarshal(out, &r)); err != nil || r.Accepted != int64(b.N) {
		b.Fatalf("%d of %d messages, %v: %s", r.Accepted, b.N, err, out)
	}
	own := after.CPU - before.CPU - load.ProcessState.UserTime() - load.ProcessState.SystemTime()
	stats := c.home.server.store.Stats()
	b.ReportMetric(r.PerSecond, "msg/s")
	b.ReportMetric(r.P99, "p99-ms")
	b.ReportMetric(float64(own.Microseconds())/float64(b.N), "cpu-us/msg")
	b.ReportMetric(float64(stats.Transactions)/float64(max(1, stats.Commits)), "tx/commit")
}
