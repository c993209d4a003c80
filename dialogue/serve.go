package dialogue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// grace is how long a command under way may take to its end when the server stops.
const grace = 10 * time.Second

// Serve answers the connections of a listener until the context ends, the server is
// shut down, or the listener fails. It closes the listener. When the context ends it
// shuts the whole server down. It returns nil when it was told to end, and then no
// dialogue is left. When it returns an error, those that it began go on; Shutdown ends
// them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if !s.listen(l) {
		l.Close()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { s.Shutdown(context.WithoutCancel(ctx)) })
	err := s.accept(l)
	l.Close()
	if s.forget(l) || !stop() {
		<-s.over
		return nil
	}
	return fmt.Errorf("accepting connections: %w", err)
}

// listen remembers a listener for Shutdown, unless that has come already.
func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.listeners[l] = true
	return true
}

// forget reports whether the server is stopping.
func (s *Server) forget(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	return s.stopping.Load()
}

// accept begins a dialogue for each connection. Running out of file descriptors ends the
// server as little as a stranger's reset does: it waits and goes on.
func (s *Server) accept(l net.Listener) error {
	const first, most = 5 * time.Millisecond, time.Second
	pause := first
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = first
			s.begin(conn)
			continue
		}
		if passing := net.Error(nil); !errors.As(err, &passing) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
			return err
		}
		s.options.Log.Warn("accepting a connection", "error", err, "again in", pause)
		select {
		case <-time.After(pause):
			pause = min(2*pause, most)
		case <-s.over:
			return err
		}
	}
}

// begin starts the dialogue over a connection.
func (s *Server) begin(conn net.Conn) {
	c := newConn(s, conn)
	s.mu.Lock()
	if len(s.open) >= s.options.MaxConnections || s.stopping.Load() {
		s.mu.Unlock()
		s.turnAway(conn)
		return
	}
	s.open[c] = true
	s.running.Add(1)
	s.mu.Unlock()
	s.stats.connections.Add(1)
	go func() {
		defer s.running.Done()
		c.run(s.life)
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
	}()
}

// turnAway says why there is no service, as far as that needs no waiting: the line
// fits every socket's buffer.
func (s *Server) turnAway(conn net.Conn) {
	s.stats.overloaded.Add(1)
	if !s.options.ImplicitTLS && s.options.Busy != "" {
		conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // deadline
		io.WriteString(conn, s.options.Busy+"\r\n")
	}
	conn.Close()
}

// Shutdown stops accepting, wakes who waits for a command, gives commands under way ten
// seconds or as long as the context lets them, and then cuts what is left. It returns
// when nothing runs any more; the error tells how many were cut. A second call waits for
// the first.
func (s *Server) Shutdown(ctx context.Context) error {
	if !s.stop() {
		<-s.over
		return s.stopped
	}
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	patience, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	select {
	case <-ended:
	case <-patience.Done():
		s.stopped = s.cut()
		<-ended
	}
	s.kill()
	close(s.over)
	return s.stopped
}

// stop reports whether this call was the first. It wakes who waits for a command.
func (s *Server) stop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Swap(true) {
		return false
	}
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.open {
		c.wake()
	}
	return true
}

// cut ends the dialogues that are left.
func (s *Server) cut() error {
	s.kill()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.cut()
	}
	if n := len(s.open); n > 0 {
		return fmt.Errorf("%d dialogues were cut", n)
	}
	return nil
}
