// Package host is the machines of the lab: mail servers of every character, the
// IMAP and POP3 servers beside them, and web servers.
//
//	h := host.Mail{Name: "mx.slow.example", Character: host.Character{GreetingDelay: 8 * time.Second}}
//
// A Character is data: what one server does differently from a well-run one, whose
// Character is the zero value. The well-run server follows RFC 5321 strictly, with
// SIZE, PIPELINING, 8BITMIME, SMTPUTF8 (6531), CHUNKING (3030), DSN (3461),
// STARTTLS (3207), enhanced status codes (2034) and, for submission, AUTH (4954) after TLS only. It
// knows its mailboxes, refuses unknown ones, other people's domains and bare line
// feeds (RFC 5321 section 2.3.8), and never sends mail that nobody asked for.
//
// The conversation is written here from the RFCs alone. It shares no code with the
// client it is there to judge, on purpose: both would make the same mistake.
package host
