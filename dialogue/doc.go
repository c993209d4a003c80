// Package dialogue is what servers of line protocols have in common whose clients log
// in: connections and how many, lines and how long, TLS before passwords, logins, time,
// and the end. What the lines mean is said elsewhere: by pop3 and managesieve.
//
//	s := dialogue.NewServer(dialogue.Options{
//		Service: "pop3", TLS: config, Accounts: directory, Log: log,
//		Talk: func(ctx context.Context, c *dialogue.Conn) error {
//			c.Print("+OK ready\r\n")
//			for {
//				line, err := c.ReadLine(512) // sends what waits first
//				...
//			}
//		},
//	})
//	err := s.Serve(ctx, listener)
//	err = s.Shutdown(ctx) // who waits for a command reads ErrStopping
//
// A client has LoginTimeout to log in and then IdleTimeout between its commands. Bare
// line ends, lines that are too long, and octets that were sent ahead of a TLS handshake
// are errors of their own, because each of them has been an attack.
//
// Standards: RFC 8314 (TLS for mail programs), RFC 4422 (SASL).
package dialogue
