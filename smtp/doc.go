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
// What no well-behaved client says is there too: Do sends any line, Raw any
// octets, ReadReply waits for whatever comes. The checks need them.
//
// Everything is bounded: each command in time (ClientOptions and the context), each
// reply in line length, lines and octets, the transcript in lines.
//
// Standards: RFC 5321 (SMTP), 3207 (STARTTLS), 4954 (AUTH), 2920 (PIPELINING), 3030
// (CHUNKING), 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 and 6533 (DSN),
// 8689 (REQUIRETLS), 2033 (LMTP), 2034 (enhanced codes).
package smtp
