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
	looks looks

	mu         sync.Mutex
	gates      map[string]*gate
	asked      map[question]string
	askedFirst map[question]string // the generation before, when asked was full

	visits   shared[visitKey, *Visit]
	scans    shared[netip.Addr, *Scan]
	proofs   shared[netip.Addr, Proof]
	services shared[serviceKey, *ServiceVisit]
	reputations
	pages

	batteries shared[portKey, *Battery]
	letters   shared[portKey, *Correspondence]
}

// question is something a stranger is asked only once per run.
type question struct {
	host, what string
}

// gate lets one connection at a time through. It is forgotten when nobody is in it
// or before it.
type gate struct {
	turn  chan struct{}
	users int
}

// enter waits until none of these names of one host has a connection from us, and
// returns the way out. A host name must come before an address: where all enter in
// one order, nobody waits in a circle.
func (h *hosts) enter(ctx context.Context, names ...string) (leave func(), err error) {
	var entered []string
	var once sync.Once
	leave = func() {
		once.Do(func() {
			for _, name := range entered {
				<-h.approach(name, 0).turn
				h.approach(name, -1)
			}
		})
	}
	for _, name := range names {
		if err := h.pass(ctx, name); err != nil {
			leave()
			return nil, err
		}
		entered = append(entered, name)
	}
	return leave, nil
}

// pass goes through one gate when it is free.
func (h *hosts) pass(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g := h.approach(name, +1)
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		h.approach(name, -1)
		return ctx.Err()
	}
}

// approach is the gate of a name, after so many more have come to it.
func (h *hosts) approach(name string, more int) *gate {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gates == nil {
		h.gates = map[string]*gate{}
	}
	g, ok := h.gates[name]
	if !ok {
		g = &gate{turn: make(chan struct{}, 1)}
		h.gates[name] = g
	}
	if g.users += more; g.users == 0 {
		delete(h.gates, name)
	}
	return g
}

// maxQuestions bounds the questions that a run remembers: this many, at most twice.
const maxQuestions = 1 << 16

// mayAsk reports whether this is the first time in this run that a host, under any
// of its names, is asked this question, and if not, for whom it was asked.
func (h *hosts) mayAsk(what, onBehalf string, names ...string) (first bool, earlier string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		for _, asked := range []map[question]string{h.asked, h.askedFirst} {
			if earlier, ok := asked[question{name, what}]; ok {
				return false, earlier
			}
		}
	}
	if h.asked == nil || len(h.asked) >= maxQuestions {
		h.askedFirst, h.asked = h.asked, map[question]string{}
	}
	for _, name := range names {
		h.asked[question{name, what}] = onBehalf
	}
	return true, ""
}

// unask forgets a question whose answer was not waited for.
func (h *hosts) unask(what, onBehalf string, names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		for _, asked := range []map[question]string{h.asked, h.askedFirst} {
			if q := (question{name, what}); asked[q] == onBehalf {
				delete(asked, q)
			}
		}
	}
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
