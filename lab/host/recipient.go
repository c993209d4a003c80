package host

import (
	"net/netip"
	"slices"
	"strings"
)

// verdict is what a server decides about one recipient.
type verdict struct {
	reply string
	local bool   // for a mailbox of its own
	lost  bool   // taken, though there is no such mailbox
	relay target // to be passed on; domain "" when not
}

const (
	replyOK       = "250 2.1.5 Recipient OK"
	replyNoUser   = "550 5.1.1 No such mailbox here"
	replyNoRelay  = "550 5.7.1 Relaying denied"
	replyBadPath  = "501 5.1.3 Bad recipient address syntax"
	replyLater    = "450 4.2.1 Try again later"
	replyGreylist = "451 4.7.1 Greylisted, please try again in a minute"
)

// decide is a server's whole opinion about one recipient.
func (s *session) decide(path string) verdict {
	if path == "" {
		return verdict{reply: replyBadPath}
	}
	to := splitPath(path)
	if to.route && s.mail.Character.Relay.SourceRoute && !s.isLocal(to.domain) {
		return s.pass(to)
	}
	inner, trick, tricky := to.hidden()
	if tricky && s.isLocalOrNone(to.domain) && !s.isLocalOrNone(inner.domain) && s.falls(trick) {
		return s.pass(inner)
	}
	if s.isLocalOrNone(to.domain) {
		return s.mailbox(to)
	}
	if s.passesOn(to) {
		return s.pass(to)
	}
	return verdict{reply: replyNoRelay}
}

// mailbox decides about a recipient of the server's own.
func (s *session) mailbox(to target) verdict {
	if to.domain == "" && !strings.EqualFold(to.local, "postmaster") {
		return verdict{reply: replyBadPath} // RFC 5321 section 4.5.1 allows one bare name
	}
	if s.mail.knows(to.local) {
		return verdict{reply: replyOK, local: true}
	}
	switch s.mail.Character.UnknownUsers {
	case Accepted, Bounced:
		return verdict{reply: replyOK, lost: true}
	case Deferred:
		return verdict{reply: replyLater}
	}
	return verdict{reply: replyNoUser}
}

func (s *session) pass(to target) verdict {
	to.domain = strings.TrimSuffix(to.domain, ".")
	return verdict{reply: replyOK, relay: to}
}

// falls reports whether the server falls for a way to write the recipient.
func (s *session) falls(trick string) bool {
	r := s.mail.Character.Relay
	switch trick {
	case "percent":
		return r.Percent
	case "bang":
		return r.Bang
	case "quoted":
		return r.Quoted
	}
	return r.DoubleAt
}

// passesOn reports whether the server passes mail on to a foreign domain.
func (s *session) passesOn(to target) bool {
	if s.login != "" || s.port != 25 && s.mail.Character.SubmitsFreely {
		return true
	}
	r := s.mail.Character.Relay
	from := splitPath(s.from)
	conditions := []struct{ falls, holds bool }{
		{r.All, true},
		{r.NullSender, s.from == ""},
		{r.LocalSender, slices.Contains(s.mail.domains(), from.domain)},
		{r.HostSender, from.domain == s.mail.Name},
		{r.LiteralSender, s.isOwnLiteral(from.domain)},
		{r.LocalhostSender, from.domain == "localhost"},
		{r.BareSender, from.domain == "" && s.from != ""},
		{r.Postmaster, strings.EqualFold(from.local, "postmaster") && slices.Contains(s.mail.domains(), from.domain)},
		{r.TrailingDot, strings.HasSuffix(to.domain, ".")},
		{r.SubDomain, s.isBelow(to.domain)},
		{r.AfterLocal, s.hasLocal},
		{r.OverTLS, s.tls},
		{r.LocalHelo, s.isLocal(strings.ToLower(s.helo))},
	}
	for _, c := range conditions {
		if c.falls && c.holds {
			return true
		}
	}
	return false
}

func (s *session) isLocalOrNone(domain string) bool { return domain == "" || s.isLocal(domain) }

// isLocal reports whether a domain, name or address literal is the server's own.
func (s *session) isLocal(domain string) bool {
	return slices.Contains(s.mail.domains(), domain) || domain == s.mail.Name || s.isOwnLiteral(domain)
}

// isOwnLiteral reports whether a domain is an address literal of the server's own: its
// IPv4 address, or an IPv6 address that the lab lays onto that.
func (s *session) isOwnLiteral(domain string) bool {
	text, ok := strings.CutPrefix(strings.TrimSuffix(domain, "]"), "[")
	ip, err := netip.ParseAddr(strings.TrimPrefix(text, "ipv6:"))
	if !ok || err != nil {
		return false
	}
	octets := ip.As16()
	return netip.AddrFrom4([4]byte(octets[12:])) == s.mail.Addr
}

func (s *session) isBelow(domain string) bool {
	return slices.ContainsFunc(s.mail.domains(), func(d string) bool { return strings.HasSuffix(domain, "."+d) })
}
