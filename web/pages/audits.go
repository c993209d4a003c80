package pages

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// Bounds of the checks that the pages run.
const (
	maxAudits      = 8                // at once
	maxByStrangers = 3                // of them for strangers
	keptAudits     = 50               // reports that are remembered
	reportTerm     = 10 * time.Minute // for which a report answers whoever asks again
	reportYoung    = 30 * time.Second // for which nobody needs another
	auditPatience  = 60 * time.Second
)

// errBusy is the error of a check that has to wait until others are done.
var errBusy = errors.New("too many checks are under way")

// audits run checks of any domain, and remember what they found for a while.
type audits struct {
	world   *world.World
	options check.Options
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu  sync.Mutex
	all []*audit // the oldest first
}

// audit is one check of one target, under way or over.
type audit struct {
	target   check.Target
	stranger bool
	begun    time.Time

	mu       sync.Mutex
	done, of int
	report   *finding.Report // nil while it is under way
	changed  chan struct{}   // closed, and replaced, whenever something above changes
}

func newAudits(w *world.World, o check.Options) *audits {
	a := &audits{world: w, options: o}
	a.options.Timeout = auditPatience
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a
}

// close stops all checks and waits for them.
func (a *audits) close() {
	a.stop()
	a.running.Wait()
}

// find is the check of a target that is under way or answers still; nil: none.
func (a *audits) find(target string) *audit {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range slices.Backward(a.all) {
		if one.target.Text == target && (!one.isOver() || a.world.Now().Sub(one.begun) < reportTerm) {
			return one
		}
	}
	return nil
}

// begin starts a check, or gives the one that is under way or was made just now.
func (a *audits) begin(t check.Target, stranger bool) (*audit, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.world.Now()
	running, theirs := 0, 0
	for _, one := range slices.Backward(a.all) {
		over := one.isOver()
		switch {
		case one.target.Text == t.Text && (!over || now.Sub(one.begun) < reportYoung):
			return one, nil
		case over:
		case one.stranger:
			theirs++
			fallthrough
		default:
			running++
		}
	}
	if running >= maxAudits || stranger && theirs >= maxByStrangers || a.ctx.Err() != nil {
		return nil, errBusy
	}
	one := &audit{target: t, stranger: stranger, begun: now, changed: make(chan struct{})}
	a.all = append(a.forgetOld(), one)
	a.running.Go(func() { one.run(a.ctx, a.world, a.options) })
	return one, nil
}

// forgetOld leaves room for one more. Those under way stay, and are few.
func (a *audits) forgetOld() []*audit {
	over := len(a.all) - keptAudits + 1
	return slices.DeleteFunc(a.all, func(one *audit) bool {
		if over <= 0 || !one.isOver() {
			return false
		}
		over--
		return true
	})
}

func (o *audit) run(ctx context.Context, w *world.World, options check.Options) {
	fresh := w.Fresh() // who checks again has changed something
	report := check.NewAudit(fresh, options).Run(ctx, o.target, func(done, of int) {
		o.change(func() { o.done, o.of = done, of })
	})
	o.change(func() { o.report = report })
}

// change changes the state, and tells those who wait.
func (o *audit) change(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *audit) isOver() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.report != nil
}

// auditState is how far a check is.
type auditState struct {
	Target   string
	Done, Of int
	Report   *finding.Report // nil while it is under way
}

// look is the state now, and what is closed when there is another.
func (o *audit) look() (auditState, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return auditState{o.target.Text, o.done, o.of, o.report}, o.changed
}
