package smtp

import (
	"context"
	"net"
	"time"
)

// Serve answers the connections of a listener until the context ends, the server is
// shut down, or the listener fails. It closes the listener. When the context ends it
// shuts the whole server down. It returns nil when it was told to end, and then no
// conversation is left. When it returns an error, those that it began go on; Shutdown
// ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error { return s.sessions.Serve(ctx, l) }

// Shutdown stops accepting, says 421 to who is not sending a message, gives the
// others ten seconds or as long as the context lets them, and then cuts what is left.
// It returns when nothing runs any more; the error tells how many were cut. A second
// call waits for the first.
func (s *Server) Shutdown(ctx context.Context) error { return s.sessions.Shutdown(ctx) }

// retirement is how a server that others have replaced lets its clients go.
type retirement struct {
	idle time.Duration // how long a command may be waited for
	ends time.Time     // when no new transaction begins
}

// Retire asks the clients of a server that another one has replaced to connect again: who
// says nothing for the time of idle, outside of a transaction, is told 421, and so is who
// begins a transaction when the time of most has gone by. What is under way is not
// disturbed. The listeners are left to their owner, and Shutdown ends the server.
func (s *Server) Retire(idle, most time.Duration) {
	now := time.Now() // deadline
	s.retired.Store(&retirement{idle, now.Add(most)})
	s.sessions.Each(func(c *conversation) { c.hurry(now.Add(idle)) })
}
