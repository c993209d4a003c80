package check

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// looks are what is under way on behalf of a whole run. A look belongs to the run
// and not to the target that asked first: it has a time limit of its own and may
// outlive that target. The last target that leaves ends what is still under way, and
// waits for it.
type looks struct {
	mu    sync.Mutex
	users int
	term  *term
}

// term is the time between the first who enters and the last who leaves.
type term struct {
	context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// ofTerm is the key under which a context carries its term.
type ofTerm struct{}

// enter begins a term, or joins the one that is on, and hands out a context that
// carries it.
func (l *looks) enter(ctx context.Context) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users++; l.users == 1 {
		t := &term{}
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		t.Context, t.cancel = context.WithValue(own, ofTerm{}, t), cancel
		l.term = t
	}
	return context.WithValue(ctx, ofTerm{}, l.term)
}

// leave ends the term behind the last who entered, and waits for its looks.
func (l *looks) leave() {
	l.mu.Lock()
	ended := l.term
	if l.users--; l.users == 0 {
		l.term = nil
	}
	last := l.users == 0
	l.mu.Unlock()
	if last {
		ended.cancel()
		ended.running.Wait()
	}
}

// bounds are what one look may cost: its time, and how many facts of its kind a run
// remembers.
type bounds struct {
	looks *looks
	limit time.Duration
	keep  int
}

// Facts that a run remembers of each kind. A page may be a megabyte; a host with its
// certificates is some dozen kilobytes.
const (
	keptHosts = 1024
	keptPages = 256
)

// shared learns each fact once for all targets of a run, as memo does for one, and
// remembers those that were asked for last. The zero value is ready to use.
type shared[K comparable, V any] struct {
	mu       sync.Mutex
	known    map[K]*sharedFact[K, V]
	finished list.List // of *sharedFact[K, V], the last one used first
}

// sharedFact is a fact that may be forgotten again.
type sharedFact[K comparable, V any] struct {
	fact[V]
	key  K
	term *term         // under which it is being learned
	at   *list.Element // nil until it is learned
}

// get is the value for key, learned by a look under way for the whole run. Who
// has to leave before gets what a look under an ended context says.
func (m *shared[K, V]) get(ctx context.Context, b bounds, key K, look func(context.Context) V) V {
	term, ok := ctx.Value(ofTerm{}).(*term)
	if !ok { // a question outside of any run is one by itself
		defer b.looks.leave()
		return m.get(b.looks.enter(ctx), b, key, look)
	}
	for ctx.Err() == nil {
		f := m.find(term, b, key, look)
		select {
		case <-f.done:
		case <-ctx.Done():
			return look(ctx)
		}
		// A look that ran into its own limit would again. One that an earlier term
		// ended says nothing to this one.
		if f.lasts || f.term == term {
			return f.value
		}
	}
	return look(ctx)
}

// find is the fact for a key; a look for it begins unless it is known or under way.
func (m *shared[K, V]) find(t *term, b bounds, key K, look func(context.Context) V) *sharedFact[K, V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[K]*sharedFact[K, V]{}
	}
	if f, ok := m.known[key]; ok && (f.at != nil || f.term == t) {
		if f.at != nil {
			m.finished.MoveToFront(f.at)
		}
		return f
	}
	f := &sharedFact[K, V]{fact: fact[V]{done: make(chan struct{})}, key: key, term: t}
	m.known[key] = f
	t.running.Go(func() {
		ctx, cancel := context.WithTimeout(t, b.limit)
		defer cancel()
		defer close(f.done)
		f.value = look(ctx)
		m.settle(f, !isOver(ctx), b.keep)
	})
	return f
}

// settle keeps a value that no context cut short, in the place of the one that was
// not asked for longest.
func (m *shared[K, V]) settle(f *sharedFact[K, V], lasts bool, keep int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.lasts = lasts
	switch {
	case m.known[f.key] != f:
		return // a later term has begun to look by itself
	case !lasts:
		delete(m.known, f.key)
		return
	}
	f.term, f.at = nil, m.finished.PushFront(f)
	for m.finished.Len() > keep {
		oldest := m.finished.Remove(m.finished.Back()).(*sharedFact[K, V])
		delete(m.known, oldest.key)
	}
}

// forRun are the bounds of a look for the whole run. Its time ends before that of a
// target which asked at once, so that the target still hears what was seen.
func (s *Subject) forRun() bounds {
	return bounds{&s.hosts.looks, s.Options.timeout() * 9 / 10, keptHosts}
}
