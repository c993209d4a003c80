package smtp

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/sasl"
)

// Peer is who speaks to a server, as far as it is known at the time.
type Peer struct {
	Remote, Local netip.AddrPort       // behind a proxy: what the proxy says they are
	Proxied       bool                 // a PROXY header told the addresses
	TLS           *tls.ConnectionState // nil in the clear
	HELO          string               // as the client said it, unchecked but printable; empty before
	EHLO          bool                 // it was EHLO or LHLO
	Protocol      string               // for Received: Via(false, false)
	lmtp          bool
}

// Via is the "with" of a Received field (RFC 3848, RFC 6531 section 4.3): ESMTPSA,
// UTF8SMTPS, LMTP. It takes what a Peer cannot know: whether the client has logged
// in, and whether MAIL said SMTPUTF8.
func (p Peer) Via(authenticated, smtputf8 bool) string {
	name := "SMTP"
	switch {
	case smtputf8 && p.lmtp:
		name = "UTF8LMTP"
	case smtputf8:
		name = "UTF8SMTP"
	case p.lmtp:
		name = "LMTP"
	case p.EHLO:
		name = "ESMTP"
	}
	if p.TLS != nil {
		name += "S"
	}
	if authenticated {
		name += "A"
	}
	return name
}

// Session is what a server asks about one connection. All its methods are called by
// one goroutine, in the order of the dialogue, and only when the dialogue allows:
// Rcpt after an accepted Mail, Data after an accepted Rcpt. A reply decides: the
// zero Reply is the ordinary positive answer, another positive one is that with its
// own words, a negative one refuses. 421 also ends the connection. The context ends
// when the server stops and cannot wait any longer.
type Session interface {
	// Hello is EHLO, HELO or LHLO. It comes again when the client says it again, which
	// it must after STARTTLS; the Peer says what is true now.
	Hello(ctx context.Context, p Peer) mail.Reply
	// Mail begins a transaction. The zero address is the null reverse-path.
	Mail(ctx context.Context, from mail.Address, o MailOptions) mail.Reply
	// Rcpt names a recipient. "<Postmaster>" without a domain comes as an Address that
	// has only a Local.
	Rcpt(ctx context.Context, to mail.Address, o RcptOptions) mail.Reply
	// Data takes the message: every line ends in CRLF, no dot is doubled, no CR, LF or
	// NUL stands alone. Only io.EOF says that the message is whole; any other error
	// (ErrTooLarge, ErrBareLine, ErrNUL, ErrLongLine, ErrSlow, ErrGivenUp, ErrClosed)
	// says that it never will be, and the server answers by itself then. So a positive
	// reply may only be given after io.EOF. A negative one may be given at any time,
	// the rest is thrown away.
	//
	// The answer is one reply, or none for the ordinary one. For LMTP it is a reply for
	// each accepted recipient in their order; a single one counts for all.
	//
	// The body has WriteTo, so that io.Copy moves it without a buffer in between.
	Data(ctx context.Context, body io.Reader) []mail.Reply
	// Reset ends a transaction: after Data was answered, at RSET, at a new EHLO, after
	// STARTTLS. It may come without a transaction.
	Reset()
	// Close ends the session; nothing is called afterwards.
	Close()
}

// Authenticator is what a Session has beside when its clients may log in. A zero or
// positive reply is a successful login.
type Authenticator interface {
	// Plain judges a password, of PLAIN (RFC 4616) or LOGIN. The identity to act as,
	// authzid, is empty when it is not said.
	Plain(ctx context.Context, authzid, user, password string) mail.Reply
	// SCRAM gives what is stored for a user instead of a password. For a user who does
	// not exist it gives keys that no password fits, the same each time, so that
	// nobody learns who exists.
	SCRAM(ctx context.Context, user string) (ScramKeys, mail.Reply)
	// Authenticated tells that a user has proven to know the password by a SCRAM
	// mechanism. A negative reply still refuses.
	Authenticated(ctx context.Context, user, mechanism string) mail.Reply
}

// ScramKeys are a SCRAM-SHA-256 verifier.
type ScramKeys = sasl.Keys
