package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/allgreen-mail/allgreen/bench"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// benchCommand measures a mail server, and what the machine could do.
type benchCommand struct {
	Load  benchLoadCommand  `cmd:"" help:"Send mail to a server of yours and measure its answers."`
	Sink  benchSinkCommand  `cmd:"" help:"Take mail and forget it, as slowly and unwillingly as told."`
	Floor benchFloorCommand `cmd:"" help:"Take mail and do nothing but append it to a log and sync."`
	Self  benchSelfCommand  `cmd:"" help:"Compare this server, on this machine, with the floor."`
}

// Examples end the help text.
func (benchCommand) Examples() string {
	return `allgreen bench floor --listen 127.0.0.1:2526
allgreen bench load 127.0.0.1:2526 --connections 50 --duration 10s
allgreen bench sink --listen 127.0.0.1:2527 --delay 20ms --defer 0.1
allgreen bench self`
}

// benchLoadCommand is the generator.
type benchLoadCommand struct {
	Target        string        `arg:"" help:"The server, an address and a port." placeholder:"HOST:PORT"`
	Connections   int           `default:"50" help:"Connections side by side."`
	PerConnection int           `default:"100" help:"Messages before a connection is closed."`
	Count         int64         `help:"Stop after this many messages."`
	Duration      time.Duration `default:"10s" help:"Stop after this long."`
	WarmUp        time.Duration `default:"1s" help:"Send this long before counting."`
	Rate          float64       `help:"Messages a second whatever the answers (an open loop); without it each connection waits for its answer."`
	Size          int           `default:"4096" help:"Octets of a message."`
	Message       []string      `help:"Send this file instead; repeatable." placeholder:"FILE"`
	From          string        `default:"load@green.example" help:"The reverse-path."`
	To            []string      `default:"postmaster" help:"The recipients, in turn; every server has a postmaster." sep:","`
	HELO          string        `name:"helo" default:"localhost" help:"The name in EHLO."`
	Source        []string      `help:"Connect from these addresses, in turn." sep:","`
	StartTLS      bool          `name:"starttls" help:"Use STARTTLS, whoever the certificate is for."`
	TLS           bool          `name:"tls" help:"Use TLS from the first octet."`
	Pid           int           `help:"Report what this process and its children use." placeholder:"PID"`
	Allowed       bool          `name:"i-am-allowed" help:"Say that the server is yours to load; needed beyond loopback."`
	JSON          bool          `name:"json" help:"Print the report as JSON."`
}

// Examples end the help text.
func (benchLoadCommand) Examples() string {
	return "allgreen bench load 127.0.0.1:2525 --connections 50 --size 50000"
}

// benchReport is what bench load prints with --json.
type benchReport struct {
	Accepted  int64   `json:"accepted"`
	Deferred  int64   `json:"deferred"`
	Refused   int64   `json:"refused"`
	Lost      int64   `json:"lost_connections"`
	Elapsed   float64 `json:"elapsed_s"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P90       float64 `json:"p90_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
	CPU       float64 `json:"cpu_us_per_message,omitempty"`
	RSS       int64   `json:"rss_bytes,omitempty"`
	Said      string  `json:"said,omitempty"`
	Trouble   string  `json:"trouble,omitempty"`
}

// Run sends the load and prints what came of it.
func (c *benchLoadCommand) Run(ctx context.Context, io streams) error {
	load, err := c.load()
	if err != nil {
		return err
	}
	before, _ := bench.UsageOf(c.Pid)
	r, err := load.Run(ctx, &world.World{Network: world.Machine()})
	if err != nil {
		return unreachable(err, "is a server listening at "+c.Target+"?")
	}
	after, _ := bench.UsageOf(c.Pid)
	report := newBenchReport(r)
	if report.RSS = after.RSS; c.Pid > 0 && r.Answered() > 0 {
		report.CPU = float64((after.CPU - before.CPU).Microseconds()) / float64(r.Answered())
	}
	if c.JSON {
		return json.NewEncoder(io.out).Encode(report)
	}
	report.print(io)
	return nil
}

func (c *benchLoadCommand) load() (bench.Load, error) {
	target, err := netip.ParseAddrPort(c.Target)
	if err != nil {
		return bench.Load{}, usage(err, "give an address and a port, as 127.0.0.1:2525")
	}
	if !target.Addr().IsLoopback() && !c.Allowed {
		return bench.Load{}, usage(fmt.Errorf("%s is not on this machine", c.Target), "a load may hurt: say --i-am-allowed when the server is yours")
	}
	l := bench.Load{
		To: target, Connections: c.Connections, PerConnection: c.PerConnection, Count: c.Count,
		Duration: c.Duration, WarmUp: c.WarmUp, Rate: c.Rate, HELO: c.HELO,
	}
	secret := &tls.Config{InsecureSkipVerify: true} // a measurement, not a delivery
	if c.StartTLS {
		l.StartTLS = secret
	}
	if c.TLS {
		l.TLS = secret
	}
	if l.From, err = mail.ParseAddress(c.From); err != nil {
		return l, usage(err, "--from takes an address")
	}
	return l, errors.Join(c.recipients(&l), c.sources(&l), c.messages(&l))
}

func (c *benchLoadCommand) recipients(l *bench.Load) error {
	for _, text := range c.To {
		a, err := mail.ParsePath("<" + text + ">")
		if err != nil || a.IsZero() {
			return usage(fmt.Errorf("%q is no address", text), "--to takes addresses")
		}
		l.Recipients = append(l.Recipients, a)
	}
	return nil
}

func (c *benchLoadCommand) sources(l *bench.Load) error {
	for _, text := range c.Source {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return usage(err, "--source takes addresses of this machine")
		}
		l.Sources = append(l.Sources, ip)
	}
	return nil
}

func (c *benchLoadCommand) messages(l *bench.Load) error {
	for _, path := range c.Message {
		raw, err := os.ReadFile(path)
		if err != nil {
			return noInput(err, "--message names a file with a whole message")
		}
		l.Messages = append(l.Messages, withCRLF(raw))
	}
	if len(l.Messages) == 0 && len(l.Recipients) > 0 {
		l.Messages = [][]byte{bench.Message(l.From, l.Recipients[0], c.Size, 1)}
	}
	return nil
}

func newBenchReport(r bench.Report) benchReport {
	ms := func(percent float64) float64 {
		return float64(r.Latency.Percentile(percent).Microseconds()) / 1000
	}
	return benchReport{
		Accepted: r.Accepted, Deferred: r.Deferred, Refused: r.Refused, Lost: r.Lost,
		Elapsed: r.Elapsed.Seconds(), PerSecond: r.PerSecond(),
		P50: ms(50), P90: ms(90), P99: ms(99), Max: ms(100), Said: r.Said, Trouble: r.Trouble,
	}
}

func (r benchReport) print(io streams) {
	fmt.Fprintf(io.out, "accepted  %d messages in %.1f s: %.0f a second\n", r.Accepted, r.Elapsed, r.PerSecond)
	fmt.Fprintf(io.out, "answered  within %.1f ms (half), %.1f ms (99 of 100), %.1f ms (all)\n", r.P50, r.P99, r.Max)
	if r.Deferred+r.Refused+r.Lost > 0 {
		fmt.Fprintf(io.out, "not taken %d deferred, %d refused, %d connections lost\n", r.Deferred, r.Refused, r.Lost)
	}
	if r.Accepted == 0 && r.Refused > 0 {
		fmt.Fprintln(io.err, "hint: nothing was taken: name a mailbox of that server with --to, and a sender with --from")
	}
	for _, words := range []string{r.Said, r.Trouble} {
		if words != "" {
			fmt.Fprintf(io.out, "last said %s\n", words)
		}
	}
	if r.RSS > 0 {
		fmt.Fprintf(io.out, "the server used %.0f us of CPU for each and holds %d MB\n", r.CPU, r.RSS>>20)
	}
}

// benchSinkCommand takes mail and forgets it.
type benchSinkCommand struct {
	Listen string        `default:"127.0.0.1:2527" help:"Where to listen." placeholder:"ADDR:PORT"`
	Delay  time.Duration `help:"Wait before the answer to a message."`
	Defer  float64       `help:"Share of messages answered with 451, 0 to 1."`
	Refuse float64       `help:"Share of messages answered with 554, 0 to 1."`
	JSON   bool          `name:"json" help:"Print the figures as JSON."`
}

// Examples end the help text.
func (benchSinkCommand) Examples() string { return "allgreen bench sink --delay 20ms --defer 0.1" }

// Run takes mail until it is interrupted.
func (c *benchSinkCommand) Run(ctx context.Context, io streams) error {
	sink := &bench.Sink{Delay: c.Delay, DataDefers: c.Defer, DataFails: c.Refuse}
	begin := time.Now()
	if err := takeMail(ctx, c.Listen, io, sink.Serve); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, sinkReport{sink.Taken.Load(), sink.Octets.Load(), time.Since(begin).Seconds()})
	}
	fmt.Fprintf(io.out, "took %d messages, %d octets, in %s\n", sink.Taken.Load(), sink.Octets.Load(), time.Since(begin).Round(time.Millisecond))
	return nil
}

// sinkReport is what bench sink prints with --json.
type sinkReport struct {
	Messages int64   `json:"messages"`
	Octets   int64   `json:"octets"`
	Elapsed  float64 `json:"elapsed_s"`
}

// benchFloorCommand is the least that a server with a promise can do.
type benchFloorCommand struct {
	Listen string `default:"127.0.0.1:2526" help:"Where to listen." placeholder:"ADDR:PORT"`
	Dir    string `help:"Where the log lies while it runs; it is removed at the end. The default is the current directory." default:"." placeholder:"DIR"`
	JSON   bool   `name:"json" help:"Print the figures as JSON."`
}

// Examples end the help text.
func (benchFloorCommand) Examples() string { return "allgreen bench floor --dir /var/tmp" }

// Run takes mail until it is interrupted.
func (c *benchFloorCommand) Run(ctx context.Context, io streams) error {
	path := filepath.Join(c.Dir, fmt.Sprintf("allgreen-floor.%d", os.Getpid()))
	floor, err := bench.OpenFloor(path)
	if err != nil {
		return noInput(err, "--dir names a folder that can be written")
	}
	defer os.Remove(path)
	if err := takeMail(ctx, c.Listen, io, floor.Serve); err != nil {
		return err
	}
	n, syncs := floor.Stored.Load(), max(floor.Syncs.Load(), 1)
	if c.JSON {
		return printJSON(io.out, floorReport{n, floor.Syncs.Load()})
	}
	fmt.Fprintf(io.out, "stored %d messages with %d syncs: %.1f for each\n", n, syncs, float64(n)/float64(syncs))
	return nil
}

// floorReport is what bench floor prints with --json.
type floorReport struct {
	Messages int64 `json:"messages"`
	Syncs    int64 `json:"syncs"`
}

func takeMail(ctx context.Context, at string, io streams, serve func(context.Context, net.Listener) error) error {
	where, err := netip.ParseAddrPort(at)
	if err != nil {
		return usage(err, "--listen takes an address and a port, as 127.0.0.1:2526")
	}
	listener, err := (&world.World{Network: world.Machine()}).Listen(ctx, where)
	if err != nil {
		return unreachable(err, "is another program listening there?")
	}
	fmt.Fprintf(io.err, "listening at %s, until Ctrl-C\n", listener.Addr())
	return serve(ctx, listener)
}
