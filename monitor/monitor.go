package monitor

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// Options are what a Monitor works with.
type Options struct {
	Store *store.Store
	World *world.World
	Log   *slog.Logger
	// Ours are all addresses of this server, to which the checks may speak. Nil: none,
	// and only DNS and the web are looked at.
	Ours   func(context.Context) []netip.Addr
	Checks []check.Check // nil: all
	// Annotate adds to a finding what only this server knows. Nil: nothing.
	Annotate func(*finding.Finding)
}

// Settings are what is watched and who is told. They may change while it runs.
type Settings struct {
	Every     time.Duration // within which a change is seen, confirmed and told; zero: an hour
	Hostname  mail.Domain
	Domains   []mail.Domain
	Addresses []netip.Addr          // that mail leaves from
	Lists     *reputation.Directory // the blocklists to ask; nil: those we know, without keys
	Channels  []Channel
	Heartbeat string // URL to fetch after every full look that went well; "": none
}

// Confirm is in how many looks one after the other a colour must be seen to count.
const Confirm = 3

const usualEvery = time.Hour

func (s *Settings) every() time.Duration {
	if s.Every > 0 {
		return s.Every
	}
	return usualEvery
}

// Monitor is the watch over our own addresses and domains. Make it with New.
type Monitor struct {
	Options
	settings atomic.Pointer[Settings]
	schedule schedule
	turn     chan struct{} // one look at a time
	waited   int           // looks since changes wait for others; of whoever has the turn
	changed  chan struct{} // the settings, or what is on trial
	speaker  speaker
	lease    lease
	beats    sync.WaitGroup
	looks    atomic.Int64
	state    state
}

// New is a watch over nothing yet.
func New(o Options) *Monitor {
	m := &Monitor{Options: o, turn: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	m.speaker = speaker{monitor: m, poked: make(chan struct{}, 1), channels: map[string]*attempts{}}
	m.lease = newLease(o.Store)
	m.settings.Store(&Settings{})
	return m
}

// Configure says what is watched and who is told from now on.
func (m *Monitor) Configure(s Settings) {
	m.settings.Store(&s)
	poke(m.changed)
	poke(m.speaker.poked)
}

// Looks is how many looks have ended since the start: each leaves memory behind.
func (m *Monitor) Looks() int64 { return m.looks.Load() }

// poke wakes whoever waits, and never waits itself.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was not looked at since the last one
	}
}

// Run looks and tells until the context ends.
func (m *Monitor) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { m.lease.keep(ctx, m.Log) })
	parts.Go(func() { m.speaker.run(ctx) })
	m.watch(ctx)
	parts.Wait()
	m.beats.Wait()
	return nil
}

// target is one thing of ours, by the name under which its standing is kept. A name that
// is a domain and the host name at once is both kinds of target.
type target struct {
	name string
	as   []check.Target
}

// targets are all that is to be looked at, in their order.
func (s *Settings) targets() []target {
	var all []target
	add := func(name string, t check.Target) {
		t.Text = name
		for i := range all {
			if all[i].name == name {
				all[i].as = append(all[i].as, t)
				return
			}
		}
		all = append(all, target{name, []check.Target{t}})
	}
	for _, d := range s.Domains {
		add(d.String(), check.Target{Kind: check.Domain, Domain: d})
	}
	if !s.Hostname.IsZero() {
		add(s.Hostname.String(), check.Target{Kind: check.Host, Domain: s.Hostname})
	}
	for _, ip := range s.Addresses {
		ip = ip.Unmap()
		add(ip.String(), check.Target{Kind: check.Address, IP: ip})
	}
	return all
}
