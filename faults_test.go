package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// faultTime is how long a fault may take to show, or to be forgotten.
const faultTime = 2 * time.Minute

// load is mail that comes in all the time, from several senders, each message with a
// subject of its own. Whatever happens nobody may be refused for good.
type load struct {
	village
	t       *testing.T
	stop    context.CancelFunc
	senders sync.WaitGroup
	number  atomic.Int64

	mu       sync.Mutex
	promised []string        // subjects that got a 250
	refused  map[string]int  // temporary answers, by code
	slowest  time.Duration   // from MAIL to the 250
	moved    []chan struct{} // closed at the next answer
}

func (v village) startLoad(t *testing.T, senders int) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{village: v, t: t, stop: stop, refused: map[string]int{}}
	for range senders {
		l.senders.Go(func() {
			for ctx.Err() == nil {
				l.visit(ctx)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stop()
	l.senders.Wait()
}

// visit is one connection, from an address in a network of its own.
func (l *load) visit(ctx context.Context) {
	n := l.number.Add(1)
	conn, err := l.world.DialFrom(ctx, netip.AddrFrom4([4]byte{127, 60, byte(n >> 8), byte(n)}), l.home.address(25))
	if err != nil {
		l.note("", time.Time{}, mail.Reply{}, err)
		return
	}
	c := smtp.NewClient(conn, smtp.ClientOptions{Name: "client.example"})
	defer c.Close()
	for _, say := range []func(context.Context) (mail.Reply, error){c.Greet, c.Hello} {
		if reply, err := say(ctx); err != nil || !reply.IsPositive() {
			l.note("", time.Time{}, reply, err)
			return
		}
	}
	to := mail.Address{Local: "postmaster", Domain: l.home.settings.Domains[0]}
	for i := range 10 {
		subject := fmt.Sprintf("message %d of %d", i, n)
		begin := time.Now()
		text := fmt.Sprintf("From: a@b.example\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%d.%d@b.example>\r\n\r\n%s\r\n",
			subject, l.world.Now().Format(time.RFC1123Z), i, n, strings.Repeat("all work and no play\r\n", 200))
		fates, err := c.Send(ctx, smtp.Envelope{To: []smtp.Recipient{{Address: to}}}, strings.NewReader(text))
		var reply mail.Reply
		if err == nil {
			reply = fates[0].Reply
		}
		if l.note(subject, begin, reply, err); err != nil || reply.Code == 421 || ctx.Err() != nil {
			return
		}
	}
}

// note counts an answer.
func (l *load) note(subject string, begin time.Time, reply mail.Reply, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled):
		return
	case err != nil:
		l.refused["cut"]++
	case reply.IsPositive():
		l.promised = append(l.promised, subject)
		l.slowest = max(l.slowest, time.Since(begin))
	case reply.IsTransient():
		l.refused[fmt.Sprint(reply.Code)]++
	default:
		l.t.Errorf("refused for good: %s", reply)
	}
	for _, c := range l.moved {
		close(c)
	}
	l.moved = nil
}

// figures are how many were promised, and refused for now with some code; "" is any.
func (l *load) figures(code string) (promised, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, n := range l.refused {
		if code == "" || c == code {
			refused += n
		}
	}
	return len(l.promised), refused
}

// await waits until so many more were promised, and refused with some code.
func (l *load) await(what string, promised, refused int, code string) {
	l.t.Helper()
	p0, r0 := l.figures(code)
	deadline := time.NewTimer(faultTime)
	defer deadline.Stop()
	for {
		next := make(chan struct{})
		l.mu.Lock()
		l.moved = append(l.moved, next)
		l.mu.Unlock()
		p, r := l.figures(code)
		if p-p0 >= promised && r-r0 >= refused {
			return
		}
		select {
		case <-next:
		case <-deadline.C:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.t.Fatalf("%s: %d more were promised, want %d; %d more refused, want %d; all refusals: %v", what, p-p0, promised, r-r0, refused, l.refused)
		}
	}
}

// nothingIsLost ends the load and looks for every message that was promised.
func (l *load) nothingIsLost() {
	l.t.Helper()
	l.end()
	a, err := l.home.server.accounts.Get(l.t.Context(), l.home.settings.Admin)
	if err != nil {
		l.t.Fatal(err)
	}
	there := map[string]int{}
	for _, text := range l.inbox(l.t, a.ID) {
		_, rest, _ := strings.Cut(text, "\r\nSubject: ")
		subject, _, _ := strings.Cut(rest, "\r\n")
		there[subject]++
	}
	for _, subject := range l.promised {
		if n := there[subject]; n != 1 {
			l.t.Errorf("%q got a 250 and is there %d times", subject, n)
		}
	}
	if len(l.promised) == 0 {
		l.t.Error("nothing was promised")
	}
}

// mountDisk is a disk of some size that is not shared.
func mountDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("faults", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("a small disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// New mail is refused before the disk is full; when something else fills it all the
// same nothing is lost; and with room again all goes on by itself.
func TestFaultDiskFull(t *testing.T) {
	disk := mountDisk(t, "272m") // 256 are kept free
	v := settleIn(t, disk, "", lab.Options{Bare: true}, func(*world.World) {})
	l := v.startLoad(t, 4)
	l.await("with room", 20, 0, "")

	ballast := filepath.Join(disk, "ballast")
	fill := func(octets int64) {
		t.Helper()
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, octets); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	fill(20 << 20)
	l.await("below the watermark", 0, 50, "452")
	if v.home.server.readiness(t.Context()).Ready {
		t.Error("ready without room")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.await("with room again", 20, 0, "")
	for rest := int64(272 << 20); rest > 1<<20; rest /= 2 { // all that there is, to the last megabyte
		f := filepath.Join(disk, fmt.Sprintf("ballast%d", rest))
		ballast = f
		fill(rest)
	}
	l.await("on a full disk", 0, 50, "452")
	all, err := filepath.Glob(filepath.Join(disk, "ballast*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	l.await("after it", 20, 0, "")
	l.nothingIsLost()
}

// While the database is gone everybody is told to come again; when it is back nothing
// has to be done.
func TestFaultDatabaseGone(t *testing.T) {
	db := storetest.OwnPostgreSQL(t)
	v := settle(t, fmt.Sprintf("[store]\npostgresql = %q\n", db.DSN), lab.Options{Bare: true})
	l := v.startLoad(t, 4)
	l.await("with the database", 20, 0, "")
	db.Stop(t)
	l.await("without it", 0, 20, "451")
	if v.home.server.readiness(t.Context()).Ready {
		t.Error("ready without a database")
	}
	db.Start(t)
	l.await("with it again", 20, 0, "")
	if r := v.home.server.readiness(t.Context()); !r.Ready {
		t.Errorf("not ready: %+v", r)
	}
	l.nothingIsLost()
}

// moody is a network in which some addresses cannot be reached at times.
type moody struct {
	world.Network
	without atomic.Pointer[[]netip.AddrPort]
}

func (m *moody) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if none := m.without.Load(); none != nil {
		if at, err := netip.ParseAddrPort(address); err == nil && slices.Contains(*none, at) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
		}
	}
	return m.Network.DialContext(ctx, network, address)
}

// Without name servers nobody is refused for good and nothing bounces, and what waits
// goes out when they are back.
func TestFaultNameServersGone(t *testing.T) {
	net := &moody{}
	v := settleIn(t, t.TempDir(), "", lab.Options{}, func(w *world.World) {
		net.Network = w.Network
		w.Network = net
	})
	none := v.File().Resolvers
	net.without.Store(&none)
	green, err := v.Addr("mx.green.example.")
	if err != nil {
		t.Fatal(err)
	}
	l := v.startLoad(t, 2)
	l.await("without names", 20, 0, "") // postmaster is reached all the same
	honest := letter{
		at: v.home.address(25), from: green, helo: "mx.green.example", sender: "alice@green.example",
		author: "alice@green.example", to: v.home.settings.Admin.String(), subject: "in the dark",
	}
	if reply, err := honest.post(t.Context(), v.world); err != nil || reply.IsPermanent() {
		t.Errorf("an honest sender is told %s, %v", reply, err)
	}
	anna := v.home.settings.Admin
	mustSend(t, v.login(t), smtp.Envelope{From: anna, To: []smtp.Recipient{{Address: mail.MustParseAddress("alice@green.example")}}},
		cargo(anna.String(), "alice@green.example", "out of the dark"))
	ctx, cancel := context.WithTimeout(t.Context(), faultTime)
	defer cancel()
	why, err := v.home.waits(ctx, "alice@green.example")
	if err != nil {
		t.Fatal(err)
	}
	if why.Job.State != queue.Waiting {
		t.Errorf("it does not wait: %+v", why)
	}

	net.without.Store(nil)
	arrived := make(chan error, 1)
	go func() {
		_, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: out of the dark") })
		arrived <- err
	}()
	again := time.NewTicker(500 * time.Millisecond) // its own time would come in some minutes
	defer again.Stop()
	for waiting := true; waiting; {
		select {
		case err := <-arrived:
			if err != nil {
				t.Error(err)
			}
			waiting = false
		case <-again.C:
			if _, err := v.home.server.queue.Retry(ctx, queue.Selection{All: true}); err != nil {
				t.Error(err)
			}
		}
	}
	l.await("with names again", 20, 0, "")
	if reply, err := honest.post(t.Context(), v.world); err != nil || !reply.IsPositive() {
		t.Errorf("with names again an honest sender is told %s, %v", reply, err)
	}
	l.nothingIsLost()
}

// A clock that jumps a day forward and back again keeps nobody out, loses nothing, and
// holds nothing up.
func TestFaultClockJumps(t *testing.T) {
	var ahead atomic.Int64
	v := settleIn(t, t.TempDir(), "[receive]\ngreylist = true\n", lab.Options{}, func(w *world.World) {
		w.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	green, err := v.Addr("mx.green.example.")
	if err != nil {
		t.Fatal(err)
	}
	stranger := letter{
		at: v.home.address(25), from: green, helo: "mx.green.example", sender: "alice@green.example",
		author: "alice@green.example", to: v.home.settings.Admin.String(),
	}
	anna := v.home.settings.Admin
	ctx, cancel := context.WithTimeout(t.Context(), faultTime)
	defer cancel()
	l := v.startLoad(t, 2)
	for i, jump := range []time.Duration{0, 24 * time.Hour, 0, -24 * time.Hour, 0} {
		ahead.Store(int64(jump))
		l.await(fmt.Sprintf("at %s", jump), 10, 0, "")
		subject := fmt.Sprintf("out at jump %d", i)
		mustSend(t, v.login(t), smtp.Envelope{From: anna, To: []smtp.Recipient{{Address: mail.MustParseAddress("alice@green.example")}}},
			cargo(anna.String(), "alice@green.example", subject))
		if _, err := v.WaitForMail(ctx, func(m host.Message) bool { return strings.Contains(string(m.Data), "Subject: "+subject) }); err != nil {
			t.Errorf("at %s nothing goes out: %v", jump, err)
		}
		if r := v.home.server.readiness(t.Context()); !r.Ready {
			t.Errorf("at %s: %+v", jump, r)
		}
		if reply, err := stranger.post(t.Context(), v.world); err != nil || reply.IsPermanent() {
			t.Errorf("at %s a stranger is told %s, %v", jump, reply, err)
		}
	}
	// Who was put off at any of these times, and comes again as servers do, gets in.
	ahead.Store(int64(2 * time.Hour))
	if reply, err := stranger.post(t.Context(), v.world); err != nil || !reply.IsPositive() {
		t.Errorf("two hours later the stranger is told %s, %v", reply, err)
	}
	l.nothingIsLost()
}

// idlers is how many do nothing at a time.
const idlers = 10_000

// Ten thousand connections that say nothing take little memory each, and keep no mail
// from coming in at once.
func TestFaultIdleConnections(t *testing.T) {
	n := openFiles(t, idlers)
	v := settle(t, "", lab.Options{Bare: true})
	before := memoryInUse()
	conns := make([]net.Conn, n)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	var dialers sync.WaitGroup
	for worker := range 8 {
		dialers.Go(func() {
			banner := make([]byte, 3)
			for i := worker; i < n; i += 8 {
				from := netip.AddrFrom4([4]byte{127, 70, byte(i / 400), byte(1 + i/100%4)}) // as many from each as may be
				c, err := v.world.DialFrom(t.Context(), from, v.home.address(25))
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				conns[i] = c
				if _, err := c.Read(banner); err != nil || string(banner) != "220" {
					t.Errorf("connection %d was greeted with %q, %v", i, banner, err)
					return
				}
			}
		})
	}
	dialers.Wait()
	if t.Failed() {
		return
	}
	if each := (memoryInUse() - before) / int64(n); each > 16<<10 {
		t.Errorf("an idle connection takes %d octets, both ends together", each)
	} else {
		t.Logf("%d idle connections, %d octets each, both ends together", n, each)
	}
	l := v.startLoad(t, 4)
	l.await("beside the idle", 200, 0, "")
	l.nothingIsLost()
	if l.slowest > faultTime || len(l.refused) > 0 {
		t.Errorf("the slowest message took %s; refused: %v", l.slowest, l.refused)
	}
}

// openFiles lets this process have both ends of so many connections, or says how many
// it may have.
func openFiles(t *testing.T, n int) int {
	t.Helper()
	const others = 1000
	want := uint64(2*n + others)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= want {
		return n
	}
	before := limit
	limit.Cur, limit.Max = want, max(want, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
		return n
	}
	fewer := (int(before.Cur) - others) / 2
	if fewer < 100 {
		t.Skipf("only %d files may be open here", before.Cur)
	}
	t.Logf("%d connections instead of %d: only %d files may be open here", fewer, n, before.Cur)
	return fewer
}

// memoryInUse is what the heap and the stacks hold.
func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
