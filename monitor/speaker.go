package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
)

// Channel is one way to tell somebody.
type Channel struct {
	Name string // what is owed is kept under this name: "admin", "webhook"
	// Tell hands over a letter. One that can settle the debt in the transaction in which
	// it delivers does so by Letter.Settle; for the others it is settled behind Tell.
	Tell func(context.Context, Letter) error
}

// Letter is what one channel is told at once.
type Letter struct {
	Subject string // without the name of the server
	Text    string // 80 columns, for people
	Time    time.Time
	Changes []standing.Change
	Settle  func(*store.Tx) error // may be called twice
}

// How long a channel has for a letter, and when it is tried again: twice as long each
// time.
const (
	tellTime   = 2 * time.Minute
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// speaker pays what is owed to the channels, each by itself.
type speaker struct {
	monitor *Monitor
	poked   chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	channels map[string]*attempts
}

// attempts are how one channel does.
type attempts struct {
	busy    bool
	next    time.Time // not before; zero: at once
	pause   time.Duration
	failing time.Time // since when; zero: it is not
	err     error
}

// run tells until the context ends.
func (p *speaker) run(ctx context.Context) {
	defer p.running.Wait()
	for ctx.Err() == nil {
		timer := time.NewTimer(p.round(ctx))
		select {
		case <-ctx.Done():
		case <-p.poked:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round begins with every channel that is owed something and may be tried; it returns
// when to look again.
func (p *speaker) round(ctx context.Context) time.Duration {
	m := p.monitor
	if !m.lease.isOurs() {
		return idle
	}
	owed, err := p.owed(ctx)
	if err != nil {
		if ctx.Err() == nil {
			m.Log.Warn("whom the watch owes a letter could not be read", "error", err)
		}
		return firstRetry
	}
	s, now, again := m.settings.Load(), m.World.Now(), lastRetry
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range s.Channels {
		a := p.channels[c.Name]
		if a == nil {
			a = &attempts{}
			p.channels[c.Name] = a
		}
		switch {
		case owed[c.Name] == 0 || a.busy:
		case a.next.After(now):
			again = min(again, a.next.Sub(now))
		default:
			a.busy = true
			p.running.Go(func() { p.tell(ctx, c, a) })
		}
	}
	return again
}

// owed is how much each channel was not told, without what is too old to be news.
func (p *speaker) owed(ctx context.Context) (owed map[string]int, err error) {
	m := p.monitor
	var dropped int64
	err = m.Store.Write(ctx, func(tx *store.Tx) error {
		if dropped, err = giveUp(tx, tx.Now().Add(-keepOwed)); err != nil {
			return err
		}
		owed, err = countOwed(tx)
		return err
	})
	if err == nil && dropped > 0 {
		m.Log.Error("the watch gave up telling what is a week old", "changes", dropped)
	}
	return owed, err
}

// tell gathers what one channel is owed and hands it over.
func (p *speaker) tell(ctx context.Context, c Channel, a *attempts) {
	err := p.pay(ctx, c)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.monitor.World.Now()
	a.busy = false
	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		*a = attempts{}
	default:
		a.pause = min(max(2*a.pause, firstRetry), lastRetry)
		a.next, a.err = now.Add(a.pause), err
		if a.failing.IsZero() {
			a.failing = now
		}
		p.monitor.Log.Warn("the watch could not tell somebody, and will try again", "channel", c.Name, "again", a.next, "error", err)
	}
	poke(p.poked)
}

func (p *speaker) pay(ctx context.Context, c Channel) error {
	m := p.monitor
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	var d debt
	err := m.Store.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = readDebt(tx, c.Name)
		return err
	})
	if err != nil || len(d.ids) == 0 {
		return err
	}
	l, isNews := compose(d.changes, m.settings.Load().Hostname.String())
	l.Time, l.Settle = m.World.Now(), d.settle
	if isNews {
		if err := c.Tell(ctx, l); err != nil {
			return err
		}
		m.Log.Info("the watch told somebody", "channel", c.Name, "subject", l.Subject)
	}
	return m.Store.Write(context.WithoutCancel(ctx), d.settle) // what was told must not be told again
}
