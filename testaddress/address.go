package testaddress

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// How long an address lives, and how much it takes.
const (
	Takes       = time.Hour           // mail, from its making on
	Keeps       = 30 * 24 * time.Hour // its verdicts
	MaxSize     = 10 << 20            // octets of a message
	MaxMessages = 5                   // of one address
)

// prefix and length are what local parts of test addresses look like. 20 letters of
// base32 are 100 bits: nobody guesses one.
const (
	prefix = "test-"
	length = 20
)

// Address is one test address and what came to it.
type Address struct {
	ID       string    `json:"id"` // opens the verdicts: a secret of who made it
	Address  string    `json:"address"`
	Made     time.Time `json:"made"`
	Closes   time.Time `json:"closes"` // takes no mail from then on
	Ends     time.Time `json:"ends"`   // is forgotten then
	Open     bool      `json:"open"`   // takes mail now
	Messages []Message `json:"messages"`
}

// Judged is how many messages have their verdict.
func (a *Address) Judged() (n int) {
	for i := range a.Messages {
		if a.Messages[i].Report != nil {
			n++
		}
	}
	return n
}

// newAddress draws both secrets.
func newAddress(domain mail.Domain, now time.Time) Address {
	now = now.UTC().Truncate(time.Microsecond)
	local := prefix + strings.ToLower(rand.Text())[:length]
	return Address{
		ID: strings.ToLower(rand.Text()), Address: mail.Address{Local: local, Domain: domain}.String(),
		Made: now, Closes: now.Add(Takes), Ends: now.Add(Keeps), Open: true, Messages: []Message{},
	}
}

// IsLike reports whether an address looks like a test address, so that nobody else need be
// asked.
func IsLike(to mail.Address) bool {
	token, ok := strings.CutPrefix(strings.ToLower(to.Local), prefix)
	return ok && len(token) == length && isToken(token)
}

// isToken reports whether a text has only letters of base32 in lower case.
func isToken(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}
