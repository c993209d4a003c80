package world

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// cache remembers values for a time, within a number of entries and bytes, least
// recently used out first. One fill at a time runs per key: who asks meanwhile
// waits for it.
type cache[K comparable, V any] struct {
	now     func() time.Time
	timeout time.Duration // of one fill
	entries int           // at most
	bytes   int           // at most, by the costs the fills name

	mu      sync.Mutex
	byKey   map[K]*list.Element // of *kept[K, V]
	recent  list.List           // most recently used first
	used    int                 // bytes
	flights map[K]*flight[V]
	hits    uint64
}

// kept is one remembered value.
type kept[K comparable, V any] struct {
	key   K
	until time.Time
	filled[V]
}

// filled is what a fill brings: a value, how long it may be kept (zero: not at
// all) and about how many bytes it holds.
type filled[V any] struct {
	value V
	ttl   time.Duration
	cost  int
}

// flight is a fill under way. Its goroutine belongs to those who wait: the last
// one to leave stops it.
type flight[V any] struct {
	waiting int // guarded by the cache's mutex
	stop    context.CancelFunc
	done    chan struct{}
	value   V // valid once done is closed
}

func newCache[K comparable, V any](entries, bytes int, timeout time.Duration, now func() time.Time) *cache[K, V] {
	return &cache[K, V]{
		now: now, timeout: timeout, entries: entries, bytes: bytes,
		byKey: make(map[K]*list.Element), flights: make(map[K]*flight[V]),
	}
}

// get gives the value of a key, from memory or through fill. A caller whose
// context ends leaves with that error and disturbs nobody else.
func (c *cache[K, V]) get(ctx context.Context, key K, fill func(context.Context) filled[V]) (V, error) {
	c.mu.Lock()
	if v, ok := c.recall(key); ok {
		c.mu.Unlock()
		return v, nil
	}
	f := c.board(key, fill)
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.value, nil
	case <-ctx.Done():
		c.leave(key, f)
		var none V
		return none, ctx.Err()
	}
}

func (c *cache[K, V]) recall(key K) (V, bool) {
	var none V
	e, ok := c.byKey[key]
	if !ok {
		return none, false
	}
	k := e.Value.(*kept[K, V])
	if !c.now().Before(k.until) {
		c.forget(e)
		return none, false
	}
	c.recent.MoveToFront(e)
	c.hits++
	return k.value, true
}

// board joins the flight for a key, or starts it.
func (c *cache[K, V]) board(key K, fill func(context.Context) filled[V]) *flight[V] {
	if f, ok := c.flights[key]; ok {
		f.waiting++
		return f
	}
	// The fill serves all who wait, so the context of the first is not its own.
	ctx, stop := context.WithTimeout(context.Background(), c.timeout)
	f := &flight[V]{waiting: 1, stop: stop, done: make(chan struct{})}
	c.flights[key] = f
	go func() {
		defer stop()
		c.land(key, f, fill(ctx))
	}()
	return f
}

func (c *cache[K, V]) land(key K, f *flight[V], got filled[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[key] == f { // otherwise it was given up, and what came back is a broken-off lookup
		delete(c.flights, key)
		c.keep(key, got)
	}
	f.value = got.value
	close(f.done)
}

// leave takes one waiter off; the last one stops the flight and sees it end.
func (c *cache[K, V]) leave(key K, f *flight[V]) {
	c.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	if last && c.flights[key] == f {
		delete(c.flights, key)
	}
	c.mu.Unlock()
	if last {
		f.stop()
		<-f.done
	}
}

func (c *cache[K, V]) keep(key K, got filled[V]) {
	if e, ok := c.byKey[key]; ok {
		c.forget(e)
	}
	if got.ttl <= 0 || got.cost > c.bytes {
		return
	}
	c.byKey[key] = c.recent.PushFront(&kept[K, V]{key, c.now().Add(got.ttl), got})
	c.used += got.cost
	for c.used > c.bytes || len(c.byKey) > c.entries {
		c.forget(c.recent.Back())
	}
}

func (c *cache[K, V]) forget(e *list.Element) {
	k := c.recent.Remove(e).(*kept[K, V])
	delete(c.byKey, k.key)
	c.used -= k.cost
}

// recalled counts the answers that came from memory.
func (c *cache[K, V]) recalled() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits
}
