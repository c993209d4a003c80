package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/allgreen-mail/allgreen/bench"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// contest compares mail servers on one machine, each a process of its own, with the
// same load. It lives in a lab, so that our server has everything to ask that it
// asks on the Internet.
type contest struct {
	dir     string
	program string
	lab     neighbourhood
	home    *home
	world   string // the file that leads into the lab
	running []*contestant
}

// contestant is one server.
type contestant struct {
	name      string
	load      bench.Load // where to, from whom and for whom
	pid       int
	delivered func() (int64, error) // how many are where they belong; nil: those that were answered with 250
	stop      func() error
}

// The sender: a domain of the lab whose mail passes every check.
var (
	contestSender = mail.MustParseAddress("load@green.example")
	contestHELO   = "mx.green.example"
	contestSource = netip.MustParseAddr("127.10.1.10") // its host
)

const (
	contestConnections = 50
	contestWarmUp      = 700 * time.Millisecond
	contestPatience    = 30 * time.Second // for a start, or for deliveries that lag behind
)

// newContest starts the lab, with our domains in it and our server not yet; more are
// further lines of its configuration.
func newContest(ctx context.Context, dir, program, more string, zones ...string) (_ *contest, err error) {
	c := &contest{dir: dir, program: program, world: filepath.Join(dir, "lab.json")}
	c.lab, c.home, err = settleInLab(ctx, dir, "\n[tls]\nself_signed = true\n[submit]\nsocket = \"\"\n"+more, zones...)
	if err != nil {
		return nil, err
	}
	file := c.lab.File()
	file.Server = c.home.settings.Data
	if err := file.Write(c.world); err != nil {
		return nil, errors.Join(err, c.lab.Close())
	}
	return c, nil
}

// close ends all contestants, then the lab.
func (c *contest) close() error {
	var errs []error
	for _, each := range slices.Backward(c.running) {
		errs = append(errs, each.stop())
	}
	return errors.Join(append(errs, c.lab.Close())...)
}

// start runs the program; what it says goes into a file.
func (c *contest) start(ctx context.Context, name string, args ...string) (*contestant, string, error) {
	log := filepath.Join(c.dir, name+".log")
	out, err := os.Create(log)
	if err != nil {
		return nil, log, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, c.dir
	cmd.Env = append(os.Environ(), "ALLGREEN_LAB="+c.world)
	err = errors.Join(cmd.Start(), out.Close())
	if err != nil {
		return nil, log, err
	}
	each := &contestant{name: name, pid: cmd.Process.Pid, stop: func() error {
		return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	}}
	c.running = append(c.running, each)
	return each, log, nil
}

var listeningAt = regexp.MustCompile(`listening at (\S+),`)

// floor starts the bare receiver.
func (c *contest) floor(ctx context.Context) (*contestant, error) {
	each, log, err := c.start(ctx, "floor", "bench", "floor", "--listen", "127.0.0.1:0", "--dir", c.dir)
	if err != nil {
		return nil, err
	}
	each.load = inbound(netip.AddrPort{}, c.home.settings.Admin)
	return each, await(ctx, func() error {
		text, err := os.ReadFile(log)
		if found := listeningAt.FindSubmatch(text); found != nil {
			each.load.To, err = netip.ParseAddrPort(string(found[1]))
			return err
		}
		return errors.Join(err, fmt.Errorf("the floor does not listen: %s", text))
	})
}

// serve starts our server and gives the administrator a mailbox.
func (c *contest) serve(ctx context.Context) (*contestant, error) {
	each, log, err := c.start(ctx, "allgreen", "serve", "--lab", "--config", c.home.config())
	if err != nil {
		return nil, err
	}
	admin := c.home.settings.Admin
	each.load = inbound(netip.AddrPortFrom(c.home.settings.Addresses[0], c.lab.File().Ports[25]), admin)
	client := web.NewClient(&world.World{Network: world.Machine()}, filepath.Join(c.home.settings.Data, socketName))
	if err := await(ctx, func() error {
		_, err := web.AccountAdd.Do(ctx, client, web.NewAccount{Address: admin.String(), Password: c.home.password})
		return err
	}); err != nil {
		text, _ := os.ReadFile(log)
		return nil, fmt.Errorf("%w\n%s", err, lastLines(text, 10))
	}
	return each, nil
}

func lastLines(text []byte, n int) string {
	lines := strings.SplitAfter(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// await tries again until it succeeds or takes too long.
func await(ctx context.Context, try func() error) error {
	deadline := time.NewTimer(contestPatience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// signedMessage is a message of about size octets that a domain of the lab signed with
// RSA and 2048 bits.
func signedMessage(to mail.Address, size int, now time.Time) ([]byte, error) {
	const signature = 600 // octets of the field
	raw := bench.Message(contestSender, to, size-signature, 1)
	header, body, err := splitMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	signer, err := labSigner(contestSender.Domain)
	if err != nil {
		return nil, err
	}
	field, err := signer.Sign(header, body, now)
	return append([]byte(field), raw...), err
}

// heat is what one contestant did in one round.
type heat struct {
	rate float64       // messages a second, in the mailbox
	p99  time.Duration // of the answer
	cpu  time.Duration // for one message, in all processes of the server
	rss  int64         // octets at the end, all processes
	peak int64         // octets, the largest process
}

// inbound is the load of a sender from elsewhere.
func inbound(to netip.AddrPort, recipient mail.Address) bench.Load {
	return bench.Load{To: to, HELO: contestHELO, From: contestSender, Sources: []netip.Addr{contestSource}, Recipients: []mail.Address{recipient}}
}

// run loads a contestant: a warm-up that tells its rate, then as many messages as it
// takes in about the duration.
func (each *contestant) run(ctx context.Context, text []byte, duration time.Duration) (heat, error) {
	load := each.load
	load.Connections, load.Duration, load.Messages = contestConnections, contestWarmUp, [][]byte{text}
	w := &world.World{Network: world.Machine()}
	warm, err := load.Run(ctx, w)
	if err != nil {
		return heat{}, fmt.Errorf("%s: %w", each.name, err)
	}
	if err := each.settle(ctx); err != nil {
		return heat{}, err
	}
	load.Duration, load.Count = 0, max(int64(warm.PerSecond()*duration.Seconds()), 2*contestConnections)
	return each.measure(ctx, w, load)
}

func (each *contestant) measure(ctx context.Context, w *world.World, load bench.Load) (heat, error) {
	had, err := each.mailboxes()
	if err != nil {
		return heat{}, err
	}
	before, err := bench.UsageOf(each.pid)
	if err != nil {
		return heat{}, err
	}
	begin := time.Now()
	r, err := load.Run(ctx, w)
	if err == nil && r.Accepted < load.Count {
		err = fmt.Errorf("%d of %d messages were taken: %s %s", r.Accepted, load.Count, r.Said, r.Trouble)
	}
	if err == nil {
		err = each.arrived(ctx, had+load.Count)
	}
	took := time.Since(begin)
	after, failed := bench.UsageOf(each.pid)
	if err = errors.Join(err, failed); err != nil {
		return heat{}, fmt.Errorf("%s: %w", each.name, err)
	}
	return heat{
		rate: float64(load.Count) / took.Seconds(), p99: r.Latency.Percentile(99),
		cpu: (after.CPU - before.CPU) / time.Duration(load.Count), rss: after.RSS, peak: after.Peak,
	}, nil
}

// mailboxes counts what was delivered, where that comes later than the 250.
func (each *contestant) mailboxes() (int64, error) {
	if each.delivered == nil {
		return 0, nil
	}
	return each.delivered()
}

// arrived waits until so many messages lie in the mailboxes.
func (each *contestant) arrived(ctx context.Context, n int64) error {
	if each.delivered == nil {
		return nil
	}
	return await(ctx, func() error {
		have, err := each.delivered()
		if err == nil && have < n {
			err = fmt.Errorf("%d messages were delivered, %d are missing", have, n-have)
		}
		return err
	})
}

// settle waits until nothing is delivered any more: what the warm-up left.
func (each *contestant) settle(ctx context.Context) error {
	last, err := each.mailboxes()
	for err == nil && each.delivered != nil {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		var now int64
		if now, err = each.delivered(); now == last {
			break
		}
		last = now
	}
	return err
}

// middle is the median of what the heats say.
func middle[T cmp.Ordered](heats []heat, of func(heat) T) T {
	all := make([]T, len(heats))
	for i, h := range heats {
		all[i] = of(h)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// median is a heat that has the median of each figure.
func median(heats []heat) heat {
	return heat{
		rate: middle(heats, func(h heat) float64 { return h.rate }),
		p99:  middle(heats, func(h heat) time.Duration { return h.p99 }),
		cpu:  middle(heats, func(h heat) time.Duration { return h.cpu }),
		rss:  middle(heats, func(h heat) int64 { return h.rss }),
		peak: middle(heats, func(h heat) int64 { return h.peak }),
	}
}
