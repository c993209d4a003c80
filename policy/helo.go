package policy

import (
	"context"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/reputation"
)

// reverse looks at the name of the address (RFC 8601 section 3, RFC 1912 section
// 2.1): who runs a mail server on purpose gives it one that leads back.
type reverse struct{ p *Policy }

// Name is "reverse".
func (*reverse) Name() string { return "reverse" }

// Decide adds what speaks against the address. A lookup that failed says nothing.
func (*reverse) Decide(ctx context.Context, s *Session) Verdict {
	c := s.wait(ctx)
	switch c.iprev.Result {
	case mailauth.IPRevPermError:
		s.add("no-ptr", c.iprev.Reason)
	case mailauth.IPRevFail:
		s.add("ptr-unconfirmed", c.iprev.Reason)
	}
	switch c.name.Class {
	case reputation.Dynamic:
		s.add("ptr-dynamic", strings.Join(c.name.Reasons, "; "))
	case reputation.HosterDefault:
		s.add("ptr-hoster", strings.Join(c.name.Reasons, "; "))
	}
	return Verdict{}
}

// helo looks at the name the client gave itself (RFC 5321 section 4.1.1.1). Many
// honest servers have a wrong one, so that it never decides alone.
type helo struct{ o Options }

// Name is "helo".
func (*helo) Name() string { return "helo" }

// Decide adds what is odd about the name.
func (h *helo) Decide(_ context.Context, s *Session) Verdict {
	if code := h.judge(s); code != "" {
		s.add(code, s.Peer.HELO)
	}
	return Verdict{}
}

func (h *helo) judge(s *Session) string {
	said := s.Peer.HELO
	if strings.HasPrefix(said, "[") {
		literal, err := mail.ParseAddress("x@" + said)
		switch {
		case err != nil || literal.Literal.Unmap() != s.IP:
			return "helo-other-address"
		case literal.Literal.Unmap() == s.Peer.Local.Addr().Unmap():
			return "helo-ours"
		}
		return "helo-literal" // allowed, and hardly any mail server does it
	}
	name, err := mail.ParseDomain(said)
	switch {
	case err != nil && isAddress(said):
		return "helo-bare-address" // RFC 5321 section 4.1.3 wants brackets
	case err != nil:
		return "helo-no-name"
	case name == h.o.Hostname || ours(h.o, name):
		return "helo-ours"
	case name.Labels() < 2:
		return "helo-short"
	}
	return ""
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
