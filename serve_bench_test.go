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
	"github.com/allgreen-mail/allgreen/web"
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
	text, err := signedMessage(c.home.settings.Admin, size, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	results := takeTurns(b, text, floor, ours, postfixContestant(b))
	bare, we := median(results[0]), median(results[1])
	_, share, _ := ratios(results[1], results[0])
	b.ReportMetric(bare.rate, "floor-msg/s")
	b.ReportMetric(100*share, "%-of-floor")
	b.ReportMetric(float64(we.p99.Microseconds())/1000, "p99-ms")
	reportAgainstPostfix(b, results[1], results[2])
}

// takeTurns runs the contestants in turn, b.N rounds.
func takeTurns(b *testing.B, text []byte, contestants ...*contestant) [][]heat {
	b.Helper()
	heats := make([][]heat, len(contestants))
	for b.Loop() {
		for i, each := range contestants {
			h, err := each.run(b.Context(), text, 3*time.Second)
			if err != nil {
				b.Fatal(err)
			}
			heats[i] = append(heats[i], h)
		}
	}
	b.ReportMetric(0, "ns/op")
	return heats
}

func reportAgainstPostfix(b *testing.B, ours, postfix []heat) {
	we, they := median(ours), median(postfix)
	_, times, _ := ratios(ours, postfix)
	b.ReportMetric(we.rate, "msg/s")
	b.ReportMetric(they.rate, "postfix-msg/s")
	b.ReportMetric(times, "x-postfix")
	b.ReportMetric(float64(we.cpu.Microseconds()), "cpu-us/msg")
	b.ReportMetric(float64(they.cpu.Microseconds()), "postfix-cpu-us/msg")
	b.ReportMetric(float64(we.peak)/(1<<20), "MB-peak")
}

// BenchmarkOutbound sends mail to an address that forwards, and counts it when a sink
// has it: in with all checks, through the queue and out, against Postfix that passes
// on to the same sink. Forwards, because the server holds the mail of a login or device
// that suddenly writes to thousands, as it should.
func BenchmarkOutbound(b *testing.B) {
	c, err := newContest(b.Context(), b.TempDir(), build(b), "", `$ORIGIN sink.example.
$TTL 3600
@ SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
@ MX 10 mx
mx A 127.10.240.10
`)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.close(); err != nil {
			b.Error(err)
		}
	})
	sink := &bench.Sink{}
	at := netip.AddrPortFrom(netip.MustParseAddr("127.10.240.10"), c.lab.File().Ports[25])
	listener, err := machineWorld().Listen(b.Context(), at)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sink.Serve(ctx, listener) }()
	b.Cleanup(func() { stop(); <-served })
	taken := func() (int64, error) { return sink.Taken.Load(), nil }
	ours, err := c.serve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	away, to := mail.MustParseAddress("away@allgreen.example"), mail.MustParseAddress("user@sink.example")
	client := web.NewClient(machineWorld(), filepath.Join(c.home.settings.Data, socketName))
	if _, err := web.AliasAdd.Do(b.Context(), client, web.Alias{From: away.String(), To: []string{to.String()}}); err != nil {
		b.Fatal(err)
	}
	ours.delivered, ours.load.Recipients = taken, []mail.Address{away}
	postfix := peer.Postfix(b, peer.Options{OpenRelay: true, NextHop: at})
	theirs := &contestant{name: "postfix", pid: postfix.PID, delivered: taken, load: inbound(postfix.Addr, to)}
	text, err := signedMessage(away, 4<<10, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	results := takeTurns(b, text, ours, theirs)
	reportAgainstPostfix(b, results[0], results[1])
}

// postfixContestant is Debian's Postfix with Maildirs.
func postfixContestant(b *testing.B) *contestant {
	p := peer.Postfix(b, peer.Options{})
	return &contestant{
		name: "postfix", pid: p.PID, load: inbound(p.Addr, mail.MustParseAddress("user@peer.example")),
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

// BenchmarkIdle is the memory of our server that has started and has nothing to do.
func BenchmarkIdle(b *testing.B) {
	c, err := newContest(b.Context(), b.TempDir(), build(b), "")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.close(); err != nil {
			b.Error(err)
		}
	})
	ours, err := c.serve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var least int64
	for b.Loop() {
		tick := time.NewTicker(idleAfter / 4)
		for range 10 { // until the memory that making a password took is given back
			<-tick.C
			u, err := bench.UsageOf(ours.pid)
			if err != nil {
				b.Fatal(err)
			}
			if least == 0 || u.RSS < least {
				least = u.RSS
			}
		}
		tick.Stop()
	}
	b.ReportMetric(float64(least)/(1<<20), "MB-RSS")
}
