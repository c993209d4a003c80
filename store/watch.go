package store

import "sync"

// Watch waits for the wakes of a topic.
type Watch struct {
	c     chan struct{}
	topic string
	all   *watches
}

// C gives a value after every Wake; several wakes may come as one, and one may come
// for nothing: look into the tables.
func (w *Watch) C() <-chan struct{} { return w.c }

// Close ends the watch.
func (w *Watch) Close() { w.all.remove(w) }

// Watch begins to watch a topic.
func (s *Store) Watch(topic string) *Watch {
	w := &Watch{c: make(chan struct{}, 1), topic: topic, all: &s.watches}
	s.watches.add(w)
	return w
}

// watches are the watchers of this process.
type watches struct {
	mu sync.Mutex
	by map[string]map[*Watch]struct{}
}

func (ws *watches) add(w *Watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.by == nil {
		ws.by = map[string]map[*Watch]struct{}{}
	}
	if ws.by[w.topic] == nil {
		ws.by[w.topic] = map[*Watch]struct{}{}
	}
	ws.by[w.topic][w] = struct{}{}
}

func (ws *watches) remove(w *Watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.by[w.topic], w)
	if len(ws.by[w.topic]) == 0 {
		delete(ws.by, w.topic)
	}
}

func (ws *watches) wake(topic string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.by[topic] {
		w.signal()
	}
}

// wakeAll is for after a gap, when nobody knows what was missed.
func (ws *watches) wakeAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, of := range ws.by {
		for w := range of {
			w.signal()
		}
	}
}

func (w *Watch) signal() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}
