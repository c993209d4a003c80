package policy

import (
	"context"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// relay refuses everything that is not plainly a mailbox here (RFC 2505 section
// 2.1). It does not look at who sends: on this port nobody has a right to more.
type relay struct {
	domains  []mail.Domain
	hostname mail.Domain
}

// Name is "relay".
func (*relay) Name() string { return "relay" }

// Decide looks at the recipient alone.
func (r *relay) Decide(_ context.Context, s *Session) Verdict {
	to := s.Recipient.To
	switch {
	case to.Literal.IsValid():
		// Our own address is no exception: who knows which of them is ours behind a
		// NAT, and nobody sends there in earnest.
		return reject(550, refusedPolicy, "relay.literal", "no mail is taken for address literals")
	case to.Domain.IsZero() && strings.EqualFold(to.Local, "postmaster"):
		return Verdict{} // RFC 5321 section 4.5.1
	case !r.isOurs(to.Domain):
		return reject(550, refusedPolicy, "relay.denied", "relaying denied: the domain is not ours")
	}
	if how := routing(to.Local); how != "" {
		return reject(550, refusedPolicy, "relay."+how, "no mail is routed through addresses")
	}
	return Verdict{}
}

func (r *relay) isOurs(d mail.Domain) bool {
	return !d.IsZero() && (d == r.hostname || slices.Contains(r.domains, d))
}

// routing names the trick by which a local part asks to be passed on.
func routing(local string) string {
	switch {
	case strings.HasPrefix(local, "@"):
		return "route"
	case strings.Contains(local, "@"):
		return "quoted" // "user@outside"@here
	case strings.Contains(local, "%"):
		return "percent" // RFC 2505 section 2.10
	case strings.Contains(local, "!"):
		return "bang" // RFC 976
	case strings.HasPrefix(local, "|"), strings.HasPrefix(local, "/"), strings.HasPrefix(local, ":"):
		return "program" // a command, a file or a list for some who get the address later
	}
	return ""
}
