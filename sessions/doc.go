// Package sessions keeps the life of a server's sessions, whatever they speak: it
// accepts connections, begins a session for each, and ends them all in an orderly way.
//
//	keeper := sessions.NewKeeper(sessions.Options[*session]{
//		Begin: func(conn net.Conn) *session { return newSession(conn) },
//		Busy:  func() string { return "421 too many connections\r\n" },
//		Most:  4096,
//	})
//	go keeper.Serve(ctx, listener) // as many listeners as there are
//	err := keeper.Shutdown(ctx)    // nothing runs any more
//
// A session is told to end in two steps. Wake ends the wait for a command, so that it
// can say goodbye and IsStopping tells it why; a command under way may come to its end.
// What is left after the grace is Cut.
//
// It knows no protocol and no account. SMTP, IMAP, POP3 and ManageSieve stand on it.
package sessions
