package probe

import (
	"crypto/rand"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Field is the name of the header field by which our own messages are known.
const Field = "Allgreen-Probe"

// Token stands for one question to the world. The zero value is no token, and no
// mail comes for it.
type Token struct {
	secret string // 128 bits in base32, lower case
	domain mail.Domain
}

func newToken(d mail.Domain) Token { return Token{strings.ToLower(rand.Text()), d} }

// String is the secret: the local part of the address.
func (t Token) String() string { return t.secret }

// Address is where mail for the token goes.
func (t Token) Address() mail.Address { return mail.Address{Local: t.secret, Domain: t.domain} }

// Header is the header field, with its CRLF, that a message of ours carries.
func (t Token) Header() string { return Field + ": " + t.secret + "\r\n" }
