// Package smtp speaks the protocol and has no opinion. It says exactly what it is
// told to, hands back exactly what was answered, and keeps a transcript.
//
//	c, err := smtp.Dial(ctx, w, netip.MustParseAddrPort("192.0.2.25:25"), smtp.ClientOptions{Name: "mx.example.org"})
//	defer c.Close()
//	banner, err := c.Greet(ctx)                 // 220 mx.example.com ESMTP
//	hello, err := c.Hello(ctx)                  // EHLO, or HELO where EHLO is refused
//	if c.Extensions().Has("STARTTLS") {
//		reply, err := c.StartTLS(ctx, config)   // then Hello again
//	}
//	reply, err := c.Mail(ctx, from, smtp.MailOptions{})
//	reply, err = c.Rcpt(ctx, to, smtp.RcptOptions{})
//	reply, err = c.Data(ctx, body)
//	fmt.Println(c.Transcript())                 // S: 220 ... C: EHLO ...
//
// A refusal is an answer: every method returns the reply with a nil error, be it
// 250 or 550. The error tells of what is not an answer: a time-out, a lost
// connection, bytes that are no SMTP. It is a *DialogueError, and errors.Is tells
// which of ErrTimeout, ErrClosed, ErrProtocol, ErrLimit, ErrInjection or ErrTLS it
// was. After such an error the dialogue is over, because a late reply would be
// taken for the answer to the next command.
//
// Whoever delivers mail leaves the order of the commands to Send: one flight where the
// server pipelines, the fate of each recipient, the connection used again.
//
//	fates, err := c.Send(ctx, smtp.Envelope{From: from, To: []smtp.Recipient{{Address: to}}}, body)
//
// What no well-behaved client says is there too: Do sends any line, Raw any
// octets, ReadReply waits for whatever comes. The checks need them.
//
// Everything is bounded: each command in time (ClientOptions and the context), each
// reply in line length, lines and octets, the transcript in lines.
//
// # The server
//
// A Server owns the rules of the dialogue and asks a Session for everything else. What
// the Session answers is said; what it does not want to word itself is worded here.
//
//	s := smtp.NewServer(smtp.ServerOptions{Name: name, TLS: config, Open: open})
//	go s.Serve(ctx, listener)
//	defer s.Shutdown(context.Background())
//
//	func open(ctx context.Context, p smtp.Peer) (smtp.Session, mail.Reply) // nil, 554: the banner
//
//	func (s *session) Data(ctx context.Context, body io.Reader) []mail.Reply {
//		if _, err := io.Copy(spool, body); err != nil {
//			return []mail.Reply{temporary}  // io.EOF alone says that the message is whole
//		}
//		return nil                              // 250
//	}
//
// Only CRLF.CRLF ends a message, and only CRLF a command. A message with a bare CR, a
// bare LF or a NUL is read to its true end and refused with 554 5.6.0; with Normalize its
// line ends are made right, but end the message as little as before. Input behind
// STARTTLS or AUTH ends the conversation. Passwords are never taken in the clear.
//
// Limits: a command line of 2048 octets (12288 in a login), a line of a message of 1 MiB,
// which no memory is needed for, and what ServerOptions say. A client that sends less than
// 128 octets a second, a block's time-out beside, is told 421; so is who errs too often, or
// talks for a hundred commands without a message. An idle connection costs some 8 KiB, 22
// KiB over TLS: buffers for messages are lent for as long as one comes.
//
// Replies wait until the client has said all that it had to say for now, so a pipelined
// batch costs one read and one write.
//
// Shutdown says 421 to all who send no message at the moment, waits ten seconds for the
// others, and returns when no goroutine is left.
//
// Standards: RFC 5321 (SMTP), 3207 (STARTTLS), 4954 (AUTH), 2920 (PIPELINING), 3030
// (CHUNKING), 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 and 6533 (DSN),
// 8689 (REQUIRETLS), 2033 (LMTP), 2034 (enhanced codes), 9422 (LIMITS), 3848 (Received
// "with"), 4616 (PLAIN), 5802, 7677, 5929 and 9266 (SCRAM and channel bindings), the PROXY
// protocol of HAProxy.
package smtp
