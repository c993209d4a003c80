// Package sasl is the server's side of the logins that SMTP, IMAP, POP3 and ManageSieve
// have in common: what goes back and forth, and whether the client knows the password.
// Who may log in is the caller's to say, and so is how a challenge looks on the wire.
//
//	user, err := sasl.SCRAM(sasl.Exchange{
//		Mechanism: "SCRAM-SHA-256-PLUS", Offered: mechanisms, TLS: &state, Shown: certificate,
//		First: initial, Ask: ask,
//		Keys: func(user string) (sasl.Keys, error) { return stored(user) },
//	})
//
//	authzid, user, password, err := sasl.Plain(message)
//
// ErrExchange is a client that did not prove to know the password, or does not keep to
// the mechanism; an error of Ask or Keys comes back as it is.
//
// For tls-server-end-point a server must know which certificate the client saw; Remember
// makes a TLS configuration that notes it.
//
// Standards: RFC 4616 (PLAIN), 5802 and 7677 (SCRAM-SHA-256), 5929 and 9266 (channel
// bindings).
package sasl
