package sessions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Serve answers the connections of a listener until the context ends, the server is
// shut down, or the listener fails. It closes the listener. When the context ends it
// shuts the whole server down. It returns nil when it was told to end, and then no
// session is left. When it returns an error, those that it began go on; Shutdown ends
// them.
func (k *Keeper[S]) Serve(ctx context.Context, l net.Listener) error {
	if !k.listen(l) {
		l.Close()
		return nil
	}
	// The sessions outlive ctx by the grace that Shutdown gives them.
	stop := context.AfterFunc(ctx, func() { k.Shutdown(context.WithoutCancel(ctx)) })
	err := k.accept(l)
	l.Close()
	if k.forget(l) || !stop() {
		<-k.over
		return nil
	}
	return fmt.Errorf("accepting connections: %w", err)
}

// listen remembers a listener for Shutdown, unless that has come already.
func (k *Keeper[S]) listen(l net.Listener) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopping.Load() {
		return false
	}
	k.listeners[l] = true
	return true
}

// forget reports whether the server is stopping.
func (k *Keeper[S]) forget(l net.Listener) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.listeners, l)
	return k.stopping.Load()
}

// accept begins a session for each connection. Running out of file descriptors ends the
// server as little as a stranger's reset does: it waits and goes on.
func (k *Keeper[S]) accept(l net.Listener) error {
	const first, most = 5 * time.Millisecond, time.Second
	pause := first
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = first
			k.begin(conn)
			continue
		}
		if passing := net.Error(nil); !errors.As(err, &passing) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
			return err
		}
		k.options.Log.Warn("accepting a connection", "error", err, "again in", pause)
		select {
		case <-time.After(pause):
			pause = min(2*pause, most)
		case <-k.over:
			return err
		}
	}
}

// begin starts the session over a connection.
func (k *Keeper[S]) begin(conn net.Conn) {
	s := k.options.Begin(conn)
	k.mu.Lock()
	if len(k.sessions) >= k.options.Most || k.stopping.Load() {
		k.mu.Unlock()
		k.turnAway(conn)
		return
	}
	k.sessions[s] = s
	k.running.Add(1)
	k.mu.Unlock()
	k.accepted.Add(1)
	go func() {
		defer k.running.Done()
		s.Run(k.life)
		k.mu.Lock()
		delete(k.sessions, s)
		k.mu.Unlock()
	}()
}

// turnAway says why there is no service, as far as that needs no waiting: a line fits
// every socket's buffer.
func (k *Keeper[S]) turnAway(conn net.Conn) {
	k.overloaded.Add(1)
	if k.options.Busy != nil {
		conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // deadline
		io.WriteString(conn, k.options.Busy())
	}
	conn.Close()
}
