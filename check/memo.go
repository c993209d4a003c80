package check

import (
	"context"
	"sync"
)

// memo learns each fact once: the first who asks looks, the others wait for the
// same answer. A waiter leaves when its own context ends.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]*fact[V]
}

type fact[V any] struct {
	done  chan struct{}
	value V
}

// get is the value for key, learned by look if nobody has asked before.
func (m *memo[K, V]) get(ctx context.Context, key K, look func(context.Context) V) V {
	m.mu.Lock()
	if m.known == nil {
		m.known = map[K]*fact[V]{}
	}
	f, asked := m.known[key]
	if !asked {
		f = &fact[V]{done: make(chan struct{})}
		m.known[key] = f
	}
	m.mu.Unlock()
	if !asked {
		defer close(f.done)
		f.value = look(ctx)
		return f.value
	}
	// All who ask for a subject's facts share the deadline of its audit, so the
	// one who looks ends in time as well and there is no need to leave earlier.
	<-f.done
	return f.value
}
