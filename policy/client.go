package policy

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/reputation"
)

// client is what the DNS says of an address: its name, and the lists it is on. It
// is asked once and shared by all connections of some minutes.
type client struct {
	done  chan struct{} // closed when the rest is set
	until time.Time     // guarded by the mutex of clients
	iprev mailauth.IPRev
	name  reputation.NameJudgement
	lists []reputation.Answer
}

const (
	clientFor  = 5 * time.Minute  // how long the facts are believed
	doubtedFor = 20 * time.Second // where a lookup failed
	askingFor  = 20 * time.Second // at most
	maxClients = 1 << 14
)

// clients remembers addresses. Who asks runs in goroutines that Close waits for.
type clients struct {
	p      *Policy
	ctx    context.Context
	cancel context.CancelFunc
	asking sync.WaitGroup

	mu   sync.Mutex
	byIP map[netip.Addr]*client
}

func newClients(p *Policy) *clients {
	c := &clients{p: p, byIP: map[netip.Addr]*client{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// get gives the facts of an address, which may still be on their way.
func (c *clients) get(ip netip.Addr) *client {
	now := c.p.o.World.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.byIP[ip]; known != nil && now.Before(known.until) {
		return known
	}
	if len(c.byIP) >= maxClients {
		c.forget(now)
	}
	fresh := &client{done: make(chan struct{}), until: now.Add(clientFor)}
	c.byIP[ip] = fresh
	c.asking.Go(func() { c.ask(fresh, ip) })
	return fresh
}

// forget drops what is stale, and everything if that does not help.
func (c *clients) forget(now time.Time) {
	for ip, known := range c.byIP {
		if !now.Before(known.until) {
			delete(c.byIP, ip)
		}
	}
	if len(c.byIP) >= maxClients {
		clear(c.byIP) // who waits holds what it waits for
	}
}

// ask asks for everything side by side.
func (c *clients) ask(to *client, ip netip.Addr) {
	defer close(to.done)
	ctx, cancel := context.WithTimeout(c.ctx, askingFor)
	defer cancel()
	var all sync.WaitGroup
	lists := c.p.ipLists
	to.lists = make([]reputation.Answer, len(lists))
	for i, list := range lists {
		all.Go(func() { to.lists[i] = c.p.directory.LookupIP(ctx, c.p.o.World, list, ip) })
	}
	to.iprev = mailauth.CheckIPRev(ctx, c.p.o.World, ip)
	if to.iprev.Result == mailauth.IPRevPass {
		to.name = reputation.JudgeName(to.iprev.Name.Text(), ip)
	}
	all.Wait()
	if to.doubted() {
		c.mu.Lock()
		to.until = c.p.o.World.Now().Add(doubtedFor)
		c.mu.Unlock()
	}
}

// doubted reports whether asking again could bring more.
func (c *client) doubted() bool {
	if c.iprev.Result == mailauth.IPRevTempError {
		return true
	}
	for _, a := range c.lists {
		if a.Why == reputation.NoAnswer || a.Why == reputation.NoControl {
			return true
		}
	}
	return false
}

// wait waits for the facts. They are never nil; without an answer in time they are
// empty and accuse nobody.
func (s *Session) wait(ctx context.Context) *client {
	if s.client == nil {
		return &client{}
	}
	select {
	case <-s.client.done:
		return s.client
	case <-ctx.Done():
		return &client{}
	}
}

// close ends what is asked and waits for it.
func (c *clients) close() {
	c.cancel()
	c.asking.Wait()
}
