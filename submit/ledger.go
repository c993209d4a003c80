package submit

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// ledger remembers what every sender did: in the store, so that it survives a
// restart and other processes see it, and in memory, so that it costs a message one
// row.
type ledger struct {
	store *store.Store
	stale time.Duration // after which other processes may have counted on

	mu      sync.Mutex
	senders map[string]*sender
}

// sender is one principal's history in memory.
type sender struct {
	mu      sync.Mutex
	history *history         // nil: not loaded yet
	pending map[*charge]bool // charged, and not in the store yet
}

// mostSenders bounds what stands in memory; more are loaded again when they send.
const mostSenders = 10000

// Other processes exist only beside PostgreSQL.
const (
	staleShared   = 2 * time.Second
	staleEmbedded = 10 * time.Minute
)

func newLedger(st *store.Store) *ledger {
	l := &ledger{store: st, stale: staleEmbedded, senders: map[string]*sender{}}
	if st.Engine() == store.PostgreSQL {
		l.stale = staleShared
	}
	return l
}

func (l *ledger) sender(name string) *sender {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.senders[name]
	if s == nil {
		if len(l.senders) >= mostSenders {
			clear(l.senders) // charges under way keep theirs
		}
		s = &sender{pending: map[*charge]bool{}}
		l.senders[name] = s
	}
	return s
}

// forget drops what is in memory of a sender, so that the store is asked again.
func (l *ledger) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.senders, name)
}

// fresh gives the sender's history; the caller holds its lock.
func (l *ledger) fresh(ctx context.Context, name string, s *sender, rate Rate, now time.Time) (*history, error) {
	if h := s.history; h != nil && now.Sub(h.loaded) < l.stale && !now.Before(h.loaded) {
		return h, nil
	}
	h, err := l.load(ctx, name, now)
	if err != nil {
		return nil, fmt.Errorf("read what %s sent: %w", name, err)
	}
	// Who sends more than it ever did is suspect; who never sent is not. A limit
	// says how much somebody expects of it.
	h.usual = max(h.usual, rate.Hour/4)
	for c := range s.pending {
		h.add(c)
	}
	s.history = h
	return h, nil
}

// charge is what one message adds to its sender's account.
type charge struct {
	principal string
	at        time.Time
	network   netip.Prefix
	tally     tally
	contacts  []int64 // digests of the recipients it never wrote to
	moved     bool    // the network was not seen lately
	sender    *sender
}

// add counts a charge.
func (h *history) add(c *charge) {
	t := h.slots[slotOf(c.at)]
	t.add(c.tally)
	h.slots[slotOf(c.at)] = t
	if c.network.IsValid() {
		if _, known := h.networks[c.network]; !known {
			h.networks[c.network] = c.at
		}
		if last := h.lately[c.network]; c.at.Sub(last) >= slotLength {
			h.lately[c.network] = c.at
			c.moved = true
		}
	}
}

// charge counts a message in memory, if its sender has room for it, and judges. The
// error is errTooMany or that of the store. Write the charge with the message, then
// settle it.
func (l *ledger) charge(ctx context.Context, c *charge, rate Rate, w *Watch) (Suspicion, error) {
	s := l.sender(c.principal)
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := l.fresh(ctx, c.principal, s, rate, c.at)
	if err != nil {
		return Suspicion{}, err
	}
	if err := rate.room(h, c.at, c.tally.Recipients); err != nil {
		return Suspicion{}, err
	}
	c.sender = s
	h.add(c)
	s.pending[c] = true
	h.network = c.network
	return w.judge(h, c.at), nil
}

// room reports whether a sender may write to n more recipients now.
func (l *ledger) room(ctx context.Context, name string, rate Rate, now time.Time, n int) error {
	if rate == (Rate{}) {
		return nil
	}
	s := l.sender(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := l.fresh(ctx, name, s, rate, now)
	if err != nil {
		return err
	}
	return rate.room(h, now, n)
}

// room answers with the reply for the client when the limit is reached.
func (r Rate) room(h *history, now time.Time, n int) error {
	hour, day := h.spent(now)
	switch {
	case r.Hour > 0 && hour+n > r.Hour:
		return refusal(tooMany, "You may write to %d recipients an hour, and did to %d; please go on later", r.Hour, hour)
	case r.Day > 0 && day+n > r.Day:
		return refusal(tooMany, "You may write to %d recipients a day, and did to %d; please go on tomorrow", r.Day, day)
	}
	return nil
}

// settle ends a charge: it is in the store, or it never happened.
func (c *charge) settle(done bool) {
	c.sender.mu.Lock()
	defer c.sender.mu.Unlock()
	delete(c.sender.pending, c)
	if !done && c.sender.history != nil {
		t := c.sender.history.slots[slotOf(c.at)]
		t.add(c.tally.minus())
		c.sender.history.slots[slotOf(c.at)] = t
	}
}
