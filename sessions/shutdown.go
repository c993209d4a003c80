package sessions

import (
	"context"
	"fmt"
	"time"
)

// Grace is how long a command under way may take to its end when the server stops.
const Grace = 10 * time.Second

// Shutdown stops accepting, wakes who waits for a command, gives the others ten seconds
// or as long as the context lets them, and then cuts what is left. It returns when
// nothing runs any more; the error tells how many were cut. A second call waits for the
// first.
func (k *Keeper[S]) Shutdown(ctx context.Context) error {
	if !k.stop() {
		<-k.over
		return k.stopped
	}
	ended := make(chan struct{})
	go func() { k.running.Wait(); close(ended) }()
	patience, cancel := context.WithTimeout(ctx, Grace)
	defer cancel()
	select {
	case <-ended:
	case <-patience.Done():
		k.stopped = k.cut()
		<-ended
	}
	k.kill()
	close(k.over)
	return k.stopped
}

// stop reports whether this call was the first. It wakes who waits for a command.
func (k *Keeper[S]) stop() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopping.Swap(true) {
		return false
	}
	for l := range k.listeners {
		l.Close()
	}
	for s := range k.sessions {
		s.Wake()
	}
	return true
}

// cut ends the sessions that are left.
func (k *Keeper[S]) cut() error {
	k.kill()
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.sessions {
		s.Cut()
	}
	if n := len(k.sessions); n > 0 {
		return fmt.Errorf("%d sessions were cut", n)
	}
	return nil
}
