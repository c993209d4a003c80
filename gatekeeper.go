package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/gate"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/monitor"
	"github.com/allgreen-mail/allgreen/provider"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/web"
)

// gatekeeper stands between the gate and the rest: it has mail held before it is
// queued and before it is sent, tells those whom it concerns, and lets go what need
// not wait any more.
type gatekeeper struct {
	server *server
	gate   *gate.Gate
	woken  chan struct{}
	open   []string     // keys of the reds when it last looked; only tend touches it
	looks  atomic.Int32 // at held mail that are still to be made
	ticks  int          // since held mail was looked at in any case; only run touches it
}

func newGatekeeper(s *server) *gatekeeper {
	k := &gatekeeper{server: s, woken: make(chan struct{}, 1)}
	o := gate.Options{Store: s.store, Providers: sync.OnceValue(provider.New), Confirm: monitor.Confirm, Now: s.world.Now, Log: s.log}
	if !s.world.IsMade() { // a made world lives too short to wait in
		o.FirstLook = k.isFirstLook
	}
	k.gate = gate.New(o)
	k.looks.Store(afterHold)
	return k
}

// mode is what the configuration wants now.
func (k *gatekeeper) mode() string {
	if now := k.server.now.Load(); now != nil {
		return now.settings.Gate
	}
	return k.server.settings.Gate
}

// isFirstLook: the watch looks at all of our domains.
func (k *gatekeeper) isFirstLook(d mail.Domain) bool {
	now := k.server.now.Load()
	return now != nil && slices.Contains(now.settings.Domains, d)
}

// onSubmit holds what nobody is to get: its way does not matter.
func (k *gatekeeper) onSubmit(ctx context.Context, m *submit.Submission, trace mail.TraceID) string {
	return k.judge(ctx, gate.Mail{Domain: m.From.Domain}, trace)
}

// onDelivery holds what waits already, and what only some receivers mind.
func (k *gatekeeper) onDelivery(ctx context.Context, j *queue.Job, passages []deliver.Passage) deliver.Verdict {
	if strings.HasPrefix(j.Released, gate.Mark) || k.mode() == "off" {
		return deliver.Verdict{}
	}
	m := gate.Mail{Domain: j.From.Domain, Queued: j.Queued}
	for _, p := range passages {
		m.Ways = append(m.Ways, gate.Way(p))
	}
	if why := k.judge(ctx, m, j.Trace); why != "" {
		return deliver.Verdict{Hold: why}
	}
	switch a := k.gate.Ask(ctx, m); {
	case a.Wait:
		return deliver.Verdict{Wait: "the first look at " + j.From.Domain.String() + " is under way"}
	case a.Unseen:
		k.server.log.Warn("the message goes before the watch has looked at its domain", "trace", j.Trace, "from", j.From.Domain)
	}
	return deliver.Verdict{}
}

// judge gives the reason to hold a message, "" to let it go.
func (k *gatekeeper) judge(ctx context.Context, m gate.Mail, trace mail.TraceID) string {
	mode := k.mode()
	if mode == "off" {
		return ""
	}
	red := k.gate.Ask(ctx, m).Red
	switch {
	case red == nil:
		return ""
	case mode == "warn":
		k.server.log.Warn("the message goes, though receivers may refuse it", "trace", trace, "from", m.Domain, "why", red.Text, "check", red.Check)
		return ""
	}
	k.server.log.Warn("the message is held by the gate", "trace", trace, "from", m.Domain, "why", red.Text, "check", red.Check,
		"release", "allgreen queue release "+string(trace))
	k.wake()
	return gate.Why(red, trace)
}

// look has the standing read and held mail looked at now.
func (k *gatekeeper) look() {
	k.gate.Reread()
	k.wake()
}

// wake has held mail looked at now.
func (k *gatekeeper) wake() {
	k.looks.Store(afterHold)
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

// How often held mail is looked at when something changes and, because it is committed
// only after it was judged, some times after something was held; and how often in any
// case: another process may have held it and ended, or have been slow to commit.
const (
	tendEvery = 20 * time.Second
	afterHold = 3
	inAnyCase = int(15 * time.Minute / tendEvery) // ticks
)

// tick counts the ticks, and has held mail looked at now and then.
func (k *gatekeeper) tick() {
	if k.ticks++; k.ticks >= inAnyCase {
		k.ticks = 0
		k.looks.Store(afterHold)
	}
}

// run tends what is held until the context ends.
func (k *gatekeeper) run(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := k.tend(ctx); err != nil && ctx.Err() == nil {
			k.looks.Store(afterHold)
			k.server.log.Warn("held mail could not be tended and will be again", "error", err)
		}
		select {
		case <-tick.C:
			k.tick()
		case <-k.woken:
		case <-ctx.Done():
		}
	}
	return nil
}

// errUnread is the error of a start without a standing that can be read: whom to tell and
// what to let go cannot be known yet.
var errUnread = errors.New("the standing was not read yet")

// tend lets go what need not wait any more, and tells of the rest.
func (k *gatekeeper) tend(ctx context.Context) error {
	var keys []string
	reds, known := k.gate.Reds(ctx)
	switch {
	case k.mode() == "off":
		reds = nil
	case !known:
		return errUnread
	}
	for i := range reds {
		keys = append(keys, reds[i].Key())
	}
	slices.Sort(keys)
	holding := keys
	if k.mode() != "hold" {
		holding = nil
	}
	if !slices.Equal(holding, k.open) {
		k.looks.Store(afterHold)
		k.open = holding
	}
	if k.looks.Load() <= 0 {
		return nil
	}
	k.looks.Add(-1)
	if err := k.server.store.Write(ctx, func(tx *store.Tx) error { return gate.Forget(tx, keys) }); err != nil {
		return fmt.Errorf("forget who was told: %w", err)
	}
	held, err := k.sort(ctx, holding)
	if err != nil {
		return err
	}
	err = k.letGo(ctx, held.done)
	for _, n := range held.news {
		err = errors.Join(err, k.tell(ctx, n))
	}
	if k.mode() == "warn" {
		for i := range reds {
			err = errors.Join(err, k.warn(ctx, &reds[i]))
		}
	}
	return err
}

func (k *gatekeeper) letGo(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	n, err := k.server.queue.Resume(ctx, ids, "the gate is open again")
	if n > 0 {
		k.server.log.Info("held mail goes: what it was held for is mended", "messages", n)
	}
	return err
}

// ask is what /readyz says of the gate.
func (k *gatekeeper) ask(ctx context.Context) error {
	mode := k.mode()
	if mode == "off" {
		return nil
	}
	var texts []string
	reds, _ := k.gate.Reds(ctx)
	for _, r := range reds {
		texts = append(texts, fmt.Sprintf("%s (%s)", r.Text, r.Check))
	}
	switch {
	case len(texts) == 0:
		return nil
	case mode == "warn":
		return fmt.Errorf("receivers may refuse our mail: %s", strings.Join(texts, "; "))
	}
	return fmt.Errorf("outgoing mail is held: %s; to see it: allgreen queue list --state held; to let one go: allgreen queue release ID", strings.Join(texts, "; "))
}

// figures show what stops mail.
func (k *gatekeeper) figures() []web.Family {
	return []web.Family{{Name: "gate_reds", Help: "Confirmed reds of our own addresses and domains for which receivers refuse mail.", Shape: web.Gauge,
		Read: func(emit func(float64, ...string)) {
			ctx, cancel := context.WithTimeout(context.Background(), figurePatience)
			defer cancel()
			reds, _ := k.gate.Reds(ctx)
			emit(float64(len(reds)))
		}}}
}
