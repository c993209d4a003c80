package account

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"
)

// How failures are answered. Nothing here is for a user: it is what makes a guesser's
// hour short of guesses.
const (
	patience = 10 * time.Second // who would wait longer is sent away
	halfLife = 2 * time.Hour    // of failures
	bookSize = 8192             // networks, neighbourhoods, logins and pairs remembered, each
)

// A pace is the delay that failures bring: none up to free, then first, doubled with
// every failure more, up to most.
type pace struct {
	free        float64
	first, most time.Duration
}

// The paces. Those of the neighbourhood and the login end at seconds, because the user
// may be somebody else than the guesser.
var (
	sourcePace    = pace{5, time.Second, 15 * time.Minute}
	neighbourPace = pace{30, time.Second, 4 * time.Second}
	loginPace     = pace{10, time.Second / 4, 4 * time.Second}
	ownPace       = pace{5, time.Second, time.Minute} // a known network at its own login
)

func (p pace) delay(failures float64) time.Duration {
	over := failures - p.free
	if over <= 0 {
		return 0
	}
	return min(p.most, time.Duration(float64(p.first)*math.Pow(2, min(over-1, 30))))
}

// visit is one attempt, as the throttle sees it.
type visit struct {
	login    string
	from     netip.Addr // invalid: this machine
	familiar bool
}

// sourceOf is the network a guesser owns surely, neighbourhoodOf the one it may own.
func sourceOf(ip netip.Addr) netip.Prefix { return cut(ip, 32, 64) }

func neighbourhoodOf(ip netip.Addr) netip.Prefix { return cut(ip, 24, 48) }

func cut(ip netip.Addr, v4, v6 int) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return netip.Prefix{}
	}
	if ip.Is4() {
		v6 = v4
	}
	p, _ := ip.Prefix(v6) // the lengths are possible ones
	return p
}

func networkOf(ip netip.Addr) string {
	if !ip.IsValid() {
		return "local"
	}
	return sourceOf(ip).String()
}

// pair is a login from a network.
type pair struct {
	login  string
	source netip.Prefix
}

// throttle remembers who failed.
type throttle struct {
	now        func() time.Time
	mu         sync.Mutex
	sources    book[netip.Prefix]
	neighbours book[netip.Prefix]
	logins     book[string]
	pairs      book[pair]
}

func newThrottle(now func() time.Time) *throttle { return &throttle{now: now} }

// record is what is remembered of one network, login or pair.
type record struct {
	failures float64
	at       time.Time // when failures was right
	next     time.Time // not before then
	wrong    [4]uint64 // fingerprints of the last wrong passwords, of a pair
}

// fail counts one more, after the older ones faded.
func (r *record) fail(now time.Time, p pace) {
	r.failures = r.left(now) + 1
	r.at = now
	r.next = now.Add(p.delay(r.failures))
}

// left is what time has left of the failures.
func (r *record) left(now time.Time) float64 {
	age := max(0, now.Sub(r.at))
	return r.failures * math.Exp2(-float64(age)/float64(halfLife))
}

// book is a bounded map: the record touched least recently goes first.
type book[K comparable] struct {
	records map[K]*list.Element
	order   list.List
}

type page[K comparable] struct {
	key K
	record
}

// look gives the record of k, an empty one that is not kept when there is none.
func (b *book[K]) look(k K) *record {
	if e := b.records[k]; e != nil {
		return &e.Value.(*page[K]).record
	}
	return &record{}
}

// open gives the record of k, made if need be.
func (b *book[K]) open(k K) *record {
	if e := b.records[k]; e != nil {
		b.order.MoveToFront(e)
		return &e.Value.(*page[K]).record
	}
	if b.records == nil {
		b.records = map[K]*list.Element{}
	}
	if len(b.records) >= bookSize {
		last := b.order.Back()
		delete(b.records, last.Value.(*page[K]).key)
		b.order.Remove(last)
	}
	p := &page[K]{key: k}
	b.records[k] = b.order.PushFront(p)
	return &p.record
}

func (b *book[K]) drop(k K) {
	if e := b.records[k]; e != nil {
		b.order.Remove(e)
		delete(b.records, k)
	}
}

// turn says how long an attempt must wait for its turn, and how long it is delayed once
// for what others did.
func (t *throttle) turn(v visit) (wait, delay time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if v.familiar || !v.from.IsValid() {
		return t.pairs.look(pair{v.login, sourceOf(v.from)}).next.Sub(now), 0
	}
	wait = t.sources.look(sourceOf(v.from)).next.Sub(now)
	delay = max(neighbourPace.delay(t.neighbours.look(neighbourhoodOf(v.from)).left(now)),
		loginPace.delay(t.logins.look(v.login).left(now)))
	return wait, delay
}

// enter waits until v may try, and then holds a place in the lane, which the caller
// gives back. The place comes first and the turn is looked at again: what failed while
// this one waited counts, so a thousand guesses at once are no quicker than one by one.
func (t *throttle) enter(ctx context.Context, v visit, lane chan struct{}) error {
	until := t.now().Add(patience)
	wait, delay := t.turn(v)
	wait = max(wait, delay)
	for {
		if err := t.pause(ctx, wait, until); err != nil {
			return err
		}
		if err := t.join(ctx, lane, until); err != nil {
			return err
		}
		if wait, _ = t.turn(v); wait <= 0 {
			return nil
		}
		<-lane
	}
}

// pause waits, unless that would be beyond patience.
func (t *throttle) pause(ctx context.Context, wait time.Duration, until time.Time) error {
	if wait <= 0 {
		return nil
	}
	if t.now().Add(wait).After(until) {
		return fmt.Errorf("%w (%s)", ErrThrottled, wait.Round(time.Second))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join takes a place in the lane.
func (t *throttle) join(ctx context.Context, lane chan struct{}, until time.Time) error {
	select {
	case lane <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(until.Sub(t.now()) + patience) // the lane being full is not its fault
	defer timer.Stop()
	select {
	case lane <- struct{}{}:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: many are trying", ErrThrottled)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed counts a wrong password where it belongs.
func (t *throttle) failed(v visit, wrong uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	own := t.pairs.open(pair{v.login, sourceOf(v.from)})
	copy(own.wrong[1:], own.wrong[:])
	own.wrong[0] = wrong
	if v.familiar || !v.from.IsValid() {
		own.fail(now, ownPace)
		return
	}
	t.sources.open(sourceOf(v.from)).fail(now, sourcePace)
	t.neighbours.open(neighbourhoodOf(v.from)).fail(now, neighbourPace)
	t.logins.open(v.login).fail(now, loginPace)
}

// knows reports whether this very password was wrong a moment ago.
func (t *throttle) knows(v visit, wrong uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.pairs.look(pair{v.login, sourceOf(v.from)}).wrong {
		if w == wrong {
			return true
		}
	}
	return false
}

// succeeded forgives a login its failures from where it succeeded. What the network did
// to others stays: an account of one's own buys no guesses.
func (t *throttle) succeeded(v visit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairs.drop(pair{v.login, sourceOf(v.from)})
}
