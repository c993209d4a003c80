package check

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// hosts remembers, for a whole run, what was done to each host: how many
// connections it has from us now, and what was asked of it.
type hosts struct {
	mu     sync.Mutex
	gates  map[string]chan struct{}
	asked  map[question]string
	visits memo[visitKey, *Visit]
	scans  memo[netip.Addr, *Scan]
	proofs memo[netip.Addr, Proof]
	reputations
	pages

	batteries memo[portKey, *Battery]
	letters   memo[portKey, *Correspondence]
}

// question is something a stranger is asked only once per run. The host is a name
// where one is known: its addresses are one machine.
type question struct {
	host, what string
}

// enter waits until this host has no connection from us, and returns the way out.
func (h *hosts) enter(ctx context.Context, host string) (leave func(), err error) {
	h.mu.Lock()
	if h.gates == nil {
		h.gates = map[string]chan struct{}{}
	}
	gate, ok := h.gates[host]
	if !ok {
		gate = make(chan struct{}, 1)
		h.gates[host] = gate
	}
	h.mu.Unlock()
	select {
	case gate <- struct{}{}:
		var once sync.Once
		return func() { once.Do(func() { <-gate }) }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// mayAsk reports whether this is the first time in this run that a host is asked
// this question, and if not, for whom it was asked.
func (h *hosts) mayAsk(host, what, onBehalf string) (first bool, earlier string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked == nil {
		h.asked = map[question]string{}
	}
	q := question{host, what}
	if earlier, ok := h.asked[q]; ok {
		return false, earlier
	}
	h.asked[q] = onBehalf
	return true, ""
}

// gatedConn lets the next connection to the host begin when this one is closed.
type gatedConn struct {
	net.Conn
	leave func()
	took  time.Duration // to connect, once it was our turn
}

func (c *gatedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
