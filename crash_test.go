package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// The crash test. Clients that behave as mail servers do, and try again until they
// have a 250, send to the real server while it is killed without warning and started
// again, many times. Then each attempt must have come out as its answer says:
//
//	250         each recipient has the message, whole, once
//	none        all recipients have it, once, or none has
//	a refusal   nobody has it
//
// What goes on to another server arrives there once, or once more for each time that
// the server was killed before it had noted the answer: the queue is looked at after
// each kill.
//
//	CRASHES=300 go test -run TestCrash .
//
// The parts: storm_test.go sends, sink_test.go takes, wreck_test.go looks at what
// the server has left behind.

// crashes is how often each engine's server is killed.
func crashes(t *testing.T) int {
	t.Helper()
	if text := os.Getenv("CRASHES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("CRASHES: %v", err)
		}
		return n
	}
	if os.Getenv("CI") == "true" {
		return 100
	}
	return 20
}

func TestCrashOfServer(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { killOften(t, newShip(t, "")) })
	t.Run("PostgreSQL", func(t *testing.T) { killOften(t, newShip(t, storetest.PostgreSQL(t))) })
}

// killOften kills the server at random moments: in most lives after some messages
// were promised, in the others while it starts.
func killOften(t *testing.T, s *ship) {
	s.start(t)
	s.man(t)
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	s.storm.begin(t.Context())
	began, starting := time.Now(), s.startTime
	for n := range crashes(t) {
		if n%6 == 5 {
			s.launch(t)
			linger(t, time.Duration(random.Int64N(int64(starting))))
		} else {
			s.start(t)
			s.storm.awaitTaken(t, 1+random.IntN(40))
			linger(t, time.Duration(random.IntN(30_000))*time.Microsecond)
		}
		s.kill(t)
		s.lookBetween(t, n)
	}
	t.Logf("%d crashes in %s; a start takes %s", crashes(t), time.Since(began).Round(time.Millisecond), starting.Round(time.Millisecond))
	s.start(t)
	s.arrive(t)
}

// The database is killed, too, and comes back: whoever sends then is told to come
// again, and the server goes on by itself.
func TestCrashOfDatabase(t *testing.T) {
	database := storetest.OwnPostgreSQL(t)
	s := newShip(t, database.DSN)
	s.databaseDies = true
	s.start(t)
	s.man(t)
	s.start(t)
	s.storm.begin(t.Context())
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for range max(3, crashes(t)/10) {
		s.storm.awaitTaken(t, 1+random.IntN(100))
		database.Stop(t)
		linger(t, time.Duration(random.IntN(500))*time.Millisecond)
		database.Start(t)
		s.storm.awaitTaken(t, 1)
	}
	if refused := s.storm.refusedForGood(); len(refused) > 0 {
		t.Errorf("%d were told never to come again, as %s", len(refused), refused[0])
	}
	s.arrive(t)
}

// linger waits for a part of a second: a random moment is what the test is about.
func linger(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// ship is the server under test in its lab.
type ship struct {
	settings     *config.Config
	config       string // path
	lab          string // path
	world        *world.World
	storm        *storm
	sink         *sink
	notes        []note // of the queue at the end of each life
	doubles      int    // messages that came to the sink again
	databaseDies bool
	log          *os.File
	child        *exec.Cmd
	startTime    time.Duration
}

// The addresses of the crash test. Mail to away is forwarded to far.
const (
	shipPassword = "correct horse battery"
	shipAway     = "away@allgreen.example"
	sinkFar      = "far@sink.example"
)

var (
	shipCrew = []string{"anna@allgreen.example", "bert@allgreen.example", "carl@evergreen.example"}
	sinkAddr = netip.MustParseAddr("127.12.0.10")
)

const sinkZone = `$ORIGIN sink.example.
$TTL 3600
@ SOA ns1.nameserver.example. hostmaster 2026112101 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
@ NS ns2.nameserver.example.
@ MX 10 mx
mx A 127.12.0.10
`

const shipConfig = homeConfig + `
[listen]
submission = []
http = []
https = []
[tls]
self_signed = true
[receive]
blocklists = []
[submit]
socket = ""
recipients_per_hour = 1000000
recipients_per_day = 1000000
[store]
`

// newShip prepares everything but the server.
func newShip(t *testing.T, postgreSQL string) *ship {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Bare: true, Zones: []string{sinkZone}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	dir := t.TempDir()
	s := &ship{config: filepath.Join(dir, "allgreen.toml"), lab: filepath.Join(dir, "lab.json"), world: l.World()}
	text := shipConfig
	if postgreSQL != "" {
		text += fmt.Sprintf("postgresql = %q\n", postgreSQL)
	}
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.File().Write(s.lab); err != nil {
		t.Fatal(err)
	}
	if s.settings, err = config.Read(s.config); err != nil {
		t.Fatal(err)
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.showLog(t) })
	s.sink = newSink(t, netip.AddrPortFrom(sinkAddr, l.File().Ports[25]))
	s.storm = newStorm(t, s.world, s.settings.Addresses[0])
	return s
}

// showLog shows how the log of the server ends when the test fails.
func (s *ship) showLog(t *testing.T) {
	if !t.Failed() {
		return
	}
	const most = 8 << 10
	size, _ := s.log.Seek(0, io.SeekEnd)
	tail := make([]byte, min(size, most))
	_, _ = s.log.ReadAt(tail, size-int64(len(tail)))
	t.Logf("the log of the server ends with:\n%s", tail)
}

// launch starts the server in a process of its own, by itself or under a program
// that becomes it.
func (s *ship) launch(t *testing.T, before ...string) {
	t.Helper()
	args := append(before, os.Args[0], "-test.run=^TestServeAsChild$")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "ALLGREEN_TEST_SERVE=serve --lab --config "+s.config, "ALLGREEN_LAB="+s.lab)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.child = cmd
	s.sink.nextLife()
	t.Cleanup(sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}))
}

// start starts the server and waits until it is ready. When it started before, that
// is a recovery.
func (s *ship) start(t *testing.T, before ...string) {
	t.Helper()
	began := time.Now()
	s.launch(t, before...)
	s.await(t, "the server is ready", func(ctx context.Context) bool {
		status, err := web.Status.Do(ctx, s.client(), web.None{})
		return err == nil && status.Ready
	})
	s.startTime = time.Since(began)
}

// longest bounds everything that must come by itself. It is more than a worker of a
// shared database may be silent before others take over what it had in hand.
const longest = 3 * time.Minute

// await asks until something is so.
func (s *ship) await(t *testing.T, what string, is func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waiting until %s: %v", what, ctx.Err())
		}
	}
}

func (s *ship) client() *web.Client {
	return web.NewClient(machineWorld(), filepath.Join(s.settings.Data, socketName))
}

// kill ends the server as a crash does.
func (s *ship) kill(t *testing.T) {
	t.Helper()
	if err := s.child.Process.Kill(); err != nil {
		t.Fatalf("the server ended by itself: %v", err)
	}
	_ = s.child.Wait()
	if status, ok := s.child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the server ended by itself: %s", s.child.ProcessState)
	}
}

// man makes the accounts and the forward.
func (s *ship) man(t *testing.T) {
	t.Helper()
	for _, name := range shipCrew {
		if _, err := web.AccountAdd.Do(t.Context(), s.client(), web.NewAccount{Address: name, Password: shipPassword}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := web.AliasAdd.Do(t.Context(), s.client(), web.Alias{From: shipAway, To: []string{sinkFar}}); err != nil {
		t.Fatal(err)
	}
	s.kill(t)
}

// arrive lets the storm end, waits until all mail is where it goes, stops the server
// as a person would, and compares.
func (s *ship) arrive(t *testing.T) {
	t.Helper()
	s.storm.end(t)
	s.await(t, "the queue is empty", func(ctx context.Context) bool {
		s.hasten(ctx)
		page, err := web.QueueList.Do(ctx, s.client(), web.QueueQuery{Limit: 1})
		return err == nil && page.Waiting+page.Deferred+page.Held == 0 && len(page.Entries) == 0
	})
	if err := s.child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.child.Wait(); err != nil {
		t.Errorf("the server was stopped and ended with: %v", err)
	}
	s.compare(t)
}

// hasten has everything sent now: what waits because the server could not read it
// while its database was gone, and what was held because a sender sends so much. Both
// must survive as everything else.
func (s *ship) hasten(ctx context.Context) {
	held, _ := web.PrincipalsOnHold.Do(ctx, s.client(), web.None{})
	for _, h := range held {
		_, _ = web.PrincipalFree.Do(ctx, s.client(), web.Freeing{Name: h.Name}) // or the next time
	}
	if !s.databaseDies {
		return
	}
	_, _ = web.QueueRetry.Do(ctx, s.client(), web.QueueChange{QueueSelection: web.QueueSelection{States: []string{"waiting"}, All: true}})
}
