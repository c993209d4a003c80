package imap

import (
	"context"
	"net"
)

// Serve answers the connections of a listener until the context ends, the server is
// shut down, or the listener fails. It closes the listener. When the context ends it
// shuts the whole server down. It returns nil when it was told to end, and then no
// session is left. When it returns an error, those that it began go on; Shutdown ends
// them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error { return s.sessions.Serve(ctx, l) }

// Shutdown stops accepting, says BYE to who waits or idles, gives commands under way ten
// seconds or as long as the context lets them, and then cuts what is left. It returns
// when nothing runs any more; the error tells how many were cut. A second call waits for
// the first.
func (s *Server) Shutdown(ctx context.Context) error { return s.sessions.Shutdown(ctx) }

// Guard ends the sessions of accounts that are disabled or removed, or whose passwords
// were changed, until the context ends.
func (s *Server) Guard(ctx context.Context) error { return s.logins.Guard(ctx) }
