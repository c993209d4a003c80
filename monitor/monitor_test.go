package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// lamp is a check that shows what it is told to.
type lamp struct {
	id   string
	show func(target string, at time.Time) string // "good", "odd", "bad", "blind"

	mu   sync.Mutex
	seen map[string][]time.Time
}

func (l *lamp) About() check.About {
	return check.About{ID: l.id, Question: "Is the lamp green?", Why: "it must be", Fix: "change the bulb", Who: finding.ThisServer, Affects: []string{"google"},
		Scope: check.Domain | check.Host | check.Address, Codes: []check.Code{
			{Code: "good", Status: finding.Green}, {Code: "odd", Status: finding.Yellow}, {Code: "bad", Status: finding.Red}, {Code: "blind", Status: finding.Unknown},
		}}
}

func (l *lamp) Run(_ context.Context, s *check.Subject) []finding.Finding {
	now := s.World.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string][]time.Time{}
	}
	l.seen[s.String()] = append(l.seen[s.String()], now)
	code := l.show(s.String(), now)
	return []finding.Finding{{Code: code, Subject: s.String(), Summary: "the lamp of " + s.String() + " is " + code}}
}

// looks are when a target was looked at.
func (l *lamp) looks(target string) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen[target])
}

// always shows one colour.
func always(code string) func(string, time.Time) string {
	return func(string, time.Time) string { return code }
}

// inbox is a channel that keeps its letters, while it takes any.
type inbox struct {
	name  string
	fails func(time.Time) bool

	mu      sync.Mutex
	letters []Letter
	tried   []time.Time
}

func (i *inbox) channel() Channel {
	return Channel{Name: i.name, Tell: func(_ context.Context, l Letter) error {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.tried = append(i.tried, time.Now())
		if i.fails != nil && i.fails(time.Now()) {
			return errors.New("nobody is at home")
		}
		i.letters = append(i.letters, l)
		return nil
	}}
}

// first is the letter that came first.
func (i *inbox) first() Letter {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.letters[0]
}

// subjects are what it was told.
func (i *inbox) subjects() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []string
	for _, l := range i.letters {
		all = append(all, l.Subject)
	}
	return strings.Join(all, "; ")
}

func (i *inbox) attempts() []time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.tried)
}

// tower is a watch over lamps, in virtual time.
type tower struct {
	*Monitor
	store *store.Store
	stop  func()
}

// watchOver begins a watch on a store; nil: a fresh one.
func watchOver(t *testing.T, st *store.Store, s Settings, lamps ...*lamp) tower {
	t.Helper()
	if st == nil {
		st = storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Schemas: []store.Schema{standing.Schema, Schema}})
	}
	var checks []check.Check
	for _, l := range lamps {
		checks = append(checks, l)
	}
	m := New(Options{Store: st, World: world.None(), Log: slog.New(slog.DiscardHandler), Checks: checks})
	m.Configure(s)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.Run(ctx) // it has no error
	}()
	w := tower{m, st, func() { cancel(); <-ended }}
	t.Cleanup(w.stop)
	return w
}

func domains(names ...string) (all []mail.Domain) {
	for _, name := range names {
		all = append(all, mail.MustParseDomain(name))
	}
	return all
}

// pass lets time go by, and waits for what it brings.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Full looks vary, at all targets, and leave room to be sure within the hour.
func TestLooksVary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := &lamp{id: "test.lamp", show: always("good")}
		watchOver(t, nil, Settings{Hostname: mail.MustParseDomain("mx.example.com"), Domains: domains("example.com"), Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.7")}}, l)
		pass(24 * time.Hour)
		for _, target := range []string{"example.com", "mx.example.com", "192.0.2.7"} {
			looks := l.looks(target)
			if len(looks) < 28 || len(looks) > 36 || looks[0].Sub(began) > settle {
				t.Errorf("%s was looked at %d times, first after %s", target, len(looks), looks[0].Sub(began))
			}
			gaps := map[time.Duration]bool{}
			for i := range looks[1:] {
				gap := looks[i+1].Sub(looks[i])
				gaps[gap] = true
				if gap < time.Hour*shortest/100-time.Hour/trialsPerEvery/2 || // it joins the others that are due soon
					gap > time.Hour*longest/100 {
					t.Errorf("%s: %s between two looks", target, gap)
				}
			}
			if len(gaps) < 3 {
				t.Errorf("%s: the looks do not vary: %v", target, gaps)
			}
		}
	})
}

// A red counts when it was seen three times, is told once within Every, and its end as
// well.
func TestOneLetterEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		planted, mended := time.Now().Add(5*time.Hour), time.Now().Add(10*time.Hour)
		l := &lamp{id: "test.lamp", show: func(target string, now time.Time) string {
			if target == "example.com" && !now.Before(planted) && now.Before(mended) {
				return "bad"
			}
			return "good"
		}}
		admin := &inbox{name: "admin"}
		w := watchOver(t, nil, Settings{Domains: domains("example.com", "example.net"), Channels: []Channel{admin.channel()}}, l)
		pass(5 * time.Hour)
		if admin.subjects() != "" {
			t.Errorf("told without news: %s", admin.subjects())
		}
		before := len(l.looks("example.net"))
		pass(time.Hour)
		if got := admin.subjects(); got != "red: the lamp of example.com is bad" {
			t.Fatalf("told within the hour: %q", got)
		}
		if others := len(l.looks("example.net")) - before; others > 5 {
			t.Errorf("the other domain was looked at %d times in that hour", others)
		}
		text := admin.first().Text
		for _, want := range []string{"RED x", "Who minds: google", "What to do: change the bulb", "allgreen explain test.lamp", "since " + minute(time.Now())[:10]} {
			if !strings.Contains(text, want) {
				t.Errorf("the letter lacks %q:\n%s", want, text)
			}
		}
		pass(5 * time.Hour)
		const both = "red: the lamp of example.com is bad; over: test.lamp of example.com is green"
		if got := admin.subjects(); got != both {
			t.Fatalf("after the end: %q", got)
		}
		w.stop()
		watchOver(t, w.store, Settings{Domains: domains("example.com", "example.net"), Channels: []Channel{admin.channel()}}, l)
		pass(24 * time.Hour)
		if got := admin.subjects(); got != both {
			t.Errorf("a restart repeats: %q", got)
		}
	})
}

// What flaps is not told, and is not asked for ever more often.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		l := &lamp{id: "test.lamp", show: func(string, time.Time) string {
			n++
			return []string{"good", "good", "bad"}[n%3]
		}}
		admin := &inbox{name: "admin"}
		watchOver(t, nil, Settings{Domains: domains("example.com"), Channels: []Channel{admin.channel()}}, l)
		pass(24 * time.Hour)
		if got := admin.subjects(); got != "" {
			t.Errorf("told %q", got)
		}
		if looks := len(l.looks("example.com")); looks > 36*(1+maxTrials) {
			t.Errorf("%d looks in a day", looks)
		}
	})
}

// Unknown is not red. After a day somebody is told that nothing is seen, once, and that
// it is seen again.
func TestBlind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := &lamp{id: "test.lamp", show: func(_ string, now time.Time) string {
			if at := now.Sub(began); at > 5*time.Hour && at < 48*time.Hour {
				return "blind"
			}
			return "good"
		}}
		admin := &inbox{name: "admin"}
		watchOver(t, nil, Settings{Domains: domains("example.com"), Channels: []Channel{admin.channel()}}, l)
		pass(28 * time.Hour)
		if got := admin.subjects(); got != "" {
			t.Errorf("told within a day: %q", got)
		}
		pass(3 * time.Hour)
		const blind = "blind: test.lamp of example.com was not seen for a day"
		if got := admin.subjects(); got != blind {
			t.Errorf("told after a day: %q", got)
		}
		pass(24 * time.Hour)
		if got := admin.subjects(); got != blind+"; seen again: test.lamp of example.com" {
			t.Errorf("told in the end: %q", got)
		}
	})
}

// What is seen by one half of a look, and by the other half of the next, is one letter.
func TestOneCauseIsOneLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, n := time.Now(), 0
		l := &lamp{id: "test.lamp", show: func(target string, now time.Time) string {
			if now.Sub(began) < 5*time.Hour {
				return "good"
			}
			if n++; target == "example.net" && n <= 2 {
				return "good" // it had looked before
			}
			return "bad"
		}}
		admin := &inbox{name: "admin"}
		watchOver(t, nil, Settings{Domains: domains("example.com", "example.net"), Channels: []Channel{admin.channel()}}, l)
		pass(12 * time.Hour)
		if got := admin.subjects(); got != "2 red" {
			t.Errorf("told %q", got)
		}
	})
}

// A channel that fails is tried again, ever more seldom, holds up no other, and is told
// once; a restart in between repeats nothing.
func TestFailingChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(20 * time.Hour)
		l := &lamp{id: "test.lamp", show: always("bad")}
		admin := &inbox{name: "admin"}
		hook := &inbox{name: "webhook", fails: func(now time.Time) bool { return now.Before(back) }}
		s := Settings{Domains: domains("example.com"), Channels: []Channel{hook.channel(), admin.channel()}}
		w := watchOver(t, nil, s, l)
		pass(time.Hour)
		const red = "red: the lamp of example.com is bad"
		if got := admin.subjects(); got != red {
			t.Errorf("the other channel was told %q", got)
		}
		stats, err := w.Stats(t.Context())
		if err != nil || len(stats.Channels) != 2 || stats.Channels[1].Error == nil || stats.Channels[1].Owed != 1 || stats.Channels[0].Error != nil || stats.Looked.IsZero() {
			t.Errorf("stats %+v, %v", stats, err)
		}
		pass(9 * time.Hour)
		tried := hook.attempts()
		for i := range tried[1:] {
			want := min(firstRetry<<i, lastRetry)
			if gap := tried[i+1].Sub(tried[i]); gap < want || gap > want+time.Second {
				t.Errorf("try %d came %s after the one before, want %s", i+1, gap, want)
			}
		}
		w.stop()
		w = watchOver(t, w.store, s, l)
		pass(20 * time.Hour)
		if hook.subjects() != red || admin.subjects() != red {
			t.Errorf("in the end the hook was told %q, the admin %q", hook.subjects(), admin.subjects())
		}
		if stats, _ := w.Stats(t.Context()); stats.Channels[1].Error != nil || stats.Channels[1].Owed != 0 {
			t.Errorf("stats in the end %+v", stats)
		}
	})
}

// What a dead channel is owed is dropped after a week.
func TestWhatIsOldIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook := &inbox{name: "webhook", fails: func(time.Time) bool { return true }}
		w := watchOver(t, nil, Settings{Domains: domains("example.com"), Channels: []Channel{hook.channel()}}, &lamp{id: "test.lamp", show: always("bad")})
		pass(6 * 24 * time.Hour)
		if stats, _ := w.Stats(t.Context()); stats.Channels[0].Owed != 1 {
			t.Errorf("after six days %+v", stats)
		}
		pass(2 * 24 * time.Hour)
		if stats, _ := w.Stats(t.Context()); stats.Channels[0].Owed != 0 {
			t.Errorf("after eight days %+v", stats)
		}
	})
}

// A reload brings new domains at once, and what is ours no more is forgotten.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lamp{id: "test.lamp", show: always("good")}
		w := watchOver(t, nil, Settings{Domains: domains("example.com")}, l)
		pass(2 * time.Hour)
		w.Configure(Settings{Domains: domains("example.net")})
		pass(time.Minute)
		if n := len(l.looks("example.net")); n != 1 {
			t.Errorf("the new domain was looked at %d times", n)
		}
		before := len(l.looks("example.com"))
		pass(5 * time.Hour)
		if n := len(l.looks("example.com")); n != before {
			t.Error("the old one is looked at still")
		}
		if err := w.store.Read(t.Context(), func(tx *store.Tx) error {
			targets, err := standing.Targets(tx)
			if fmt.Sprint(targets) != "[example.net]" {
				t.Errorf("there is something about %v", targets)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		w.Configure(Settings{Domains: domains("example.net"), Every: 10 * time.Minute})
		before = len(l.looks("example.net"))
		pass(time.Hour)
		if n := len(l.looks("example.net")) - before; n < 6 {
			t.Errorf("%d looks in the hour after the interval became short", n)
		}
	})
}

// A person may look now: at all, at one thing, with one check; and what is nothing of
// ours is said.
func TestLookAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &lamp{id: "test.a", show: func(target string, _ time.Time) string {
			return map[bool]string{true: "bad", false: "good"}[target == "example.com"]
		}}
		b := &lamp{id: "test.b", show: always("good")}
		admin := &inbox{name: "admin"}
		w := watchOver(t, nil, Settings{Domains: domains("example.com", "example.net"), Channels: []Channel{admin.channel()}}, a, b)
		pass(time.Minute)
		var steps []int64
		for range 2 {
			if err := w.LookAgain(t.Context(), "example.com", "test.a", func(done, of int64) { steps = append(steps, done, of) }); err != nil {
				t.Fatal(err)
			}
		}
		if n, m := len(a.looks("example.com")), len(b.looks("example.com")); n != 3 || m != 1 || fmt.Sprint(steps) != "[1 1 1 1]" {
			t.Errorf("%d and %d looks, progress %v", n, m, steps)
		}
		pass(10 * time.Minute)
		if got := admin.subjects(); got != "red: the lamp of example.com is bad" {
			t.Errorf("told %q", got)
		}
		if err := w.LookAgain(t.Context(), "", "", nil); err != nil || len(b.looks("example.net")) != 2 {
			t.Errorf("all of it: %v, %d looks", err, len(b.looks("example.net")))
		}
		if err := w.LookAgain(t.Context(), "example.org", "", nil); !errors.Is(err, ErrNoTarget) {
			t.Errorf("a stranger: %v", err)
		}
		if err := w.LookAgain(t.Context(), "", "test.c", nil); !errors.Is(err, ErrNoCheck) {
			t.Errorf("no check: %v", err)
		}
	})
}

// What hides behind the unseen is not gone.
func TestHiddenIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		first := &lamp{id: "test.first", show: func(_ string, now time.Time) string {
			if now.Sub(began) > 5*time.Hour {
				return "blind"
			}
			return "good"
		}}
		admin := &inbox{name: "admin"}
		second := &needy{lamp{id: "test.second", show: always("bad")}}
		st := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Schemas: []store.Schema{standing.Schema, Schema}})
		m := New(Options{Store: st, World: world.None(), Log: slog.New(slog.DiscardHandler), Checks: []check.Check{first, second}})
		m.Configure(Settings{Domains: domains("example.com"), Channels: []Channel{admin.channel()}})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = m.Run(ctx) })
		pass(20 * time.Hour)
		if got := admin.subjects(); got != "red: the lamp of example.com is bad" {
			t.Errorf("told %q", got)
		}
		cancel()
		running.Wait()
	})
}

// needy needs the first one.
type needy struct{ lamp }

func (n *needy) About() check.About {
	about := n.lamp.About()
	about.Needs = []string{"test.first"}
	return about
}

// A heartbeat that nobody takes is tried again, and shown.
func TestHeartbeatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchOver(t, nil, Settings{Domains: domains("example.com"), Heartbeat: "http://192.0.2.1/secret"}, &lamp{id: "test.lamp", show: always("good")})
		pass(10 * time.Minute)
		stats, err := w.Stats(t.Context())
		if err != nil || stats.BeatError == nil || strings.Contains(stats.BeatError.Error(), "secret") {
			t.Errorf("stats %+v, %v", stats, err)
		}
	})
}
