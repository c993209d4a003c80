// Package pop3 lets mail programs fetch the mail of an INBOX: the protocol of programs
// that keep their mail themselves, and of other servers that collect it.
//
//	s := pop3.NewServer(pop3.Options{
//		Name: name, TLS: config, ImplicitTLS: true, // 995
//		Store: st, Accounts: directory, Log: log,
//	})
//	err := s.Serve(ctx, listener)
//
// A session sees the INBOX as it was at its login. What it deletes is expunged at QUIT,
// all in one transaction, and not at all when the connection ends in another way (RFC
// 1939 section 6). There is no lock: what somebody else removes meanwhile is answered
// with an error, and nothing is deleted that the session did not name. What was fetched
// whole is marked as seen at QUIT.
//
// The identifier of a message is its folder's UIDVALIDITY and its UID, so that it never
// comes again.
//
// Standards: RFC 1939 (POP3), 2449 (CAPA, RESP-CODES, PIPELINING), 2595 (STLS), 3206
// (AUTH and SYS codes), 5034 (SASL), 6856 (UTF8), 8314 (TLS).
package pop3
