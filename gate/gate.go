package gate

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/provider"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
)

// Options are what a Gate is made of. Store and Providers must be set.
type Options struct {
	Store     *store.Store
	Providers func() *provider.Directory // asked when a red is only minded by some
	Confirm   int                        // runs after which a red counts; below one: 3, as the watch
	Now       func() time.Time           // nil: there are no first looks, and nothing is too old
	// FirstLook tells that the watch is looking at a domain for the first time. Nil:
	// mail of a domain that nobody looked at goes.
	FirstLook func(mail.Domain) bool
	Fresh     time.Duration // how long what was read counts; zero: five seconds; below: not at all
	Log       *slog.Logger  // nil: nowhere
}

// Gate knows what stops mail. It is safe for concurrent use.
type Gate struct {
	o     Options
	stops []Stop

	mu     sync.Mutex
	read   time.Time // monotonic; zero: never
	reds   []Red
	looked map[string]bool // targets that were looked at
}

// New makes a Gate.
func New(o Options) *Gate {
	o.Fresh = cmp.Or(o.Fresh, 5*time.Second)
	if o.Confirm < 1 {
		o.Confirm = 3
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Gate{o: o, stops: Stops()}
}

// Mail is what the gate wants to know of a message.
type Mail struct {
	Domain mail.Domain // of the reverse-path; zero: null
	Ways   []Way       // that it may take; none: not known yet
	Queued time.Time   // when it was promised; zero: now
}

// Answer is what is to become of a message. The zero value lets it go.
type Answer struct {
	Red    *Red // not nil: it is not to leave
	Wait   bool // its domain is being looked at for the first time: not yet
	Unseen bool // it has waited for that first look, and goes without
}

// stale is how old a look may be: where nobody looks any more, what was red once stops
// nothing.
const stale = 48 * time.Hour

// firstLook is how long mail waits for the first look at its domain.
const firstLook = 2 * time.Minute

// Ask says whether a message may leave. What cannot be read stops nothing.
func (g *Gate) Ask(ctx context.Context, m Mail) Answer {
	reds, looked := g.standing(ctx)
	for i := range reds {
		if reds[i].stops(m.Domain, m.Ways, g.minds) {
			return Answer{Red: &reds[i]}
		}
	}
	if g.o.FirstLook == nil || g.o.Now == nil || m.Domain.IsZero() || m.Queued.IsZero() || looked[m.Domain.String()] || !g.o.FirstLook(m.Domain) {
		return Answer{}
	}
	wait := g.o.Now().Sub(m.Queued) < firstLook
	return Answer{Wait: wait, Unseen: !wait}
}

// minds reports whether a host belongs to one of these providers.
func (g *Gate) minds(mx mail.Domain, ids []string) bool {
	p, ok := g.o.Providers().ByMX(mx)
	return ok && slices.Contains(ids, p.ID)
}

// Reread has the next question answered by what stands then.
func (g *Gate) Reread() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.read = time.Time{}
}

// Reds are what stops mail now, as it was read last; false when it never could be.
func (g *Gate) Reds(ctx context.Context) ([]Red, bool) {
	reds, looked := g.standing(ctx)
	return reds, looked != nil
}

// standing reads at most every few seconds. What was read must not be changed.
func (g *Gate) standing(ctx context.Context) ([]Red, map[string]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.read.IsZero() && time.Since(g.read) < g.o.Fresh { // elapsed
		return g.reds, g.looked
	}
	var rows []standing.Row
	err := g.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		rows, err = standing.Rows(tx, standing.Query{})
		return err
	})
	if err != nil {
		g.o.Log.Warn("the standing cannot be read, so the gate stays as it is", "error", err)
		return g.reds, g.looked
	}
	g.read = time.Now() // elapsed
	g.reds, g.looked = nil, map[string]bool{}
	for i := range rows {
		g.looked[rows[i].Target] = true
		if rows[i].Status != finding.Red || !rows[i].Confirmed(g.o.Confirm) || g.isStale(rows[i].Seen) {
			continue
		}
		if r, ok := redOf(g.stops, &rows[i]); ok {
			g.reds = append(g.reds, r)
		}
	}
	return g.reds, g.looked
}

func (g *Gate) isStale(seen time.Time) bool {
	return g.o.Now != nil && g.o.Now().Sub(seen) > stale
}
