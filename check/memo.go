package check

import (
	"context"
	"sync"
)

// memo learns each fact about one target once: the first who asks looks, the others
// wait for the same answer. What was seen under a context that ended is kept for
// nobody, for it may be wrong.
//
// A look must obey its context: under one that has ended it returns soon, with what
// it can say without having seen anything. That is also what a waiter gets who has
// to leave.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]*fact[V]
}

// fact is a value that is known, or soon will be.
type fact[V any] struct {
	done  chan struct{}
	value V
	lasts bool // true once done when no context cut the look short
}

// get is the value for key, learned by look if nobody has asked before.
func (m *memo[K, V]) get(ctx context.Context, key K, look func(context.Context) V) V {
	for {
		f, first := m.claim(key)
		if first {
			return m.learn(ctx, key, f, look)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return look(ctx)
		}
		if f.lasts || ctx.Err() != nil {
			return f.value
		}
	}
}

// claim is the fact for a key, and whether the caller is to learn it.
func (m *memo[K, V]) claim(key K) (f *fact[V], first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[K]*fact[V]{}
	}
	f, known := m.known[key]
	if !known {
		f = &fact[V]{done: make(chan struct{})}
		m.known[key] = f
	}
	return f, !known
}

func (m *memo[K, V]) learn(ctx context.Context, key K, f *fact[V], look func(context.Context) V) V {
	defer close(f.done)
	f.value = look(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.lasts = !isOver(ctx); !f.lasts {
		delete(m.known, key)
	}
	return f.value
}
