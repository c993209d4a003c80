package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/world"
)

// ofClient judges who handed the message over, where that is known.
func ofClient(what string, judge func(ctx context.Context, s *Subject, h *Handover, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		h := s.Handover(ctx)
		if h.IPSource == "" {
			return one(noClient(s, what))
		}
		f := judge(ctx, s, h, finding.Finding{Subject: h.IP.String()})
		if f.Code == "" {
			return nil
		}
		if len(f.Evidence) > 0 {
			f.Evidence = append(f.Evidence, "the client's address is taken "+h.Trust())
		}
		return one(f)
	}
}

var rdnsClient = rule{About{
	ID:        "rdns.client",
	Question:  "Does the client that brought the message have a PTR name that leads back to it?",
	Why:       rdnsForwardConfirmed.about.Why,
	Fix:       rdnsForwardConfirmed.about.Fix,
	Refs:      rdnsForwardConfirmed.about.Refs,
	Rows:      []string{"RDNS-01", "RDNS-02", "RDNS-06"},
	Practices: []string{"D1", "D2"},
	Affects:   rdnsForwardConfirmed.about.Affects,
	Who:       finding.IPOwner,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"confirmed", finding.Green, "a PTR name leads back to the address"},
		{"no-ptr", finding.Red, "the address has no PTR record"},
		{"not-confirmed", finding.Red, "no PTR name leads back to the address"},
		noClientCode,
	},
}, ofClient("the reverse DNS", func(ctx context.Context, s *Subject, h *Handover, _ finding.Finding) finding.Finding {
	return s.judgeIPRev(ctx, SendingAddress{IP: h.IP, Source: "message"})
})}

var heloClient = rule{About{
	ID:        "helo.client",
	Question:  "Did the client call itself by its own full host name?",
	Why:       heloWhy,
	Fix:       "Let the sending server say its host name in EHLO (smtp_helo_name in Postfix), give that name the address, and the address the name in its PTR.",
	Refs:      []string{"RFC 5321 4.1.1.1", "RFC 5321 2.3.5", "RFC 5321 4.1.4"},
	Rows:      []string{"HELO-01", "HELO-02", "HELO-03"},
	Practices: []string{"D4"},
	Affects:   []string{"gmx", "t-online", "comcast", "outlook"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"own-name", finding.Green, "a full host name that leads to the client and is its PTR name"},
		{"literal", finding.Red, "the client calls itself by an address"},
		{"not-a-host", finding.Red, "the name is no valid host name"},
		{"short", finding.Red, "the name has no domain"},
		{"local", finding.Red, "the name exists only inside a network"},
		{"none", finding.Unknown, "the name is not known"},
		{"unresolved", finding.Red, "the name has no address"},
		{"other-address", finding.Yellow, "the name has another address than the client"},
		{"other-ptr", finding.Yellow, "the PTR record carries another name"},
		noClientCode,
	},
}, ofClient("the HELO name", func(ctx context.Context, s *Subject, h *Handover, f finding.Finding) finding.Finding {
	if h.HELOSource == "" || h.HELO == "" {
		f.Code, f.Summary, f.Fix = "none", "nothing tells what the client said in EHLO", "Name it with --helo."
		return f
	}
	f.Evidence = []string{fmt.Sprintf("HELO %.100q, from %s", h.HELO, h.HELOSource)}
	if names := s.confirmedNames(ctx, h.IP); len(names) > 0 {
		f.Fix = fmt.Sprintf("Let the sending server say %s in EHLO (smtp_helo_name in Postfix): that name and %s lead to each other.", names[0], h.IP)
	}
	code, summary := judgeHELOName(h.HELO)
	if code != "host-name" {
		f.Code, f.Summary = code, fmt.Sprintf("%s %s", h.IP, summary)
		return f
	}
	d, _ := mail.ParseDomain(h.HELO)
	return s.judgeClientName(ctx, h, d, f)
})}

// judgeClientName judges a HELO name that is a host name by its addresses and by
// the PTR record.
func (s *Subject) judgeClientName(ctx context.Context, h *Handover, d mail.Domain, f finding.Finding) finding.Finding {
	ips, err := s.addressesLike(ctx, d, h.IP)
	switch {
	case errors.Is(err, world.ErrNotFound):
		f.Code, f.Summary = "unresolved", fmt.Sprintf("%s calls itself %s, which has no address", h.IP, d)
		f.Evidence = append(f.Evidence, evidenceOf(err))
		f.Records = []finding.Record{{Name: d.String() + ".", Type: addressType(h.IP), Value: h.IP.String()}}
		return f
	case err != nil:
		return unseen(h.IP.String(), err)
	case !slices.Contains(ips, h.IP):
		f.Code, f.Summary = "other-address", fmt.Sprintf("%s calls itself %s, which is at %s", h.IP, d, joinAddresses(ips))
		return f
	}
	names := s.reverseNames(ctx, h.IP)
	same := slices.ContainsFunc(names, func(n world.Name) bool { return strings.EqualFold(n.Text(), d.String()) })
	if !same && len(names) > 0 {
		f.Code, f.Summary = "other-ptr", fmt.Sprintf("%s calls itself %s, its PTR record says %s", h.IP, d, joinNames(names))
		return f
	}
	f.Code, f.Summary = "own-name", fmt.Sprintf("%s calls itself %s, and is", h.IP, d)
	f.Evidence, f.Fix = nil, ""
	return f
}

var spfMessage = rule{About{
	ID:       "spf.message",
	Question: "Does SPF pass for the client and the reverse-path of this message?",
	Why: "Google, Yahoo, Microsoft and Apple require SPF or DKIM of everybody and both of those who send much. Fail and softfail are what forged " +
		"mail looks like.",
	Fix:       "Add the client's address to the SPF record of the envelope domain, or send through a server that it names.",
	Refs:      []string{"RFC 7208 2.4", "RFC 7208 8"},
	Rows:      []string{"SPF-13", "OUT-AUTH"},
	Practices: []string{"A1"},
	Affects:   []string{"google", "yahoo", "outlook", "apple", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"pass", finding.Green, "SPF passes"},
		{"none", finding.Red, "the envelope domain has no SPF record"},
		{"neutral", finding.Yellow, "the record says nothing about the client"},
		{"softfail", finding.Yellow, "the client probably may not send for the domain"},
		{"fail", finding.Red, "the client may not send for the domain"},
		{"permerror", finding.Red, "the record cannot be evaluated"},
		{"no-path", finding.Unknown, "the reverse-path is not known"},
		noClientCode,
	},
}, ofClient("SPF", func(ctx context.Context, s *Subject, h *Handover, f finding.Finding) finding.Finding {
	e := s.Authentication(ctx).SPF.MailFrom
	switch {
	case h.PathSource == "":
		f.Code, f.Summary, f.Fix = "no-path", "nothing tells the reverse-path of the message", "Name it with --from, \"<>\" for the null one."
		return f
	case e.Result == spf.TempError:
		return unanswered(f.Subject, "SPF", e.Reason)
	case e.Result == "":
		e.Result = spf.None
	}
	f.Code = string(e.Result)
	f.Summary = fmt.Sprintf("SPF of %s for %s: %s", e.Domain, h.IP, e.Result)
	if e.Result == spf.Pass {
		f.Summary = fmt.Sprintf("SPF of %s passes for %s by %s", e.Domain, h.IP, e.Mechanism)
		return f
	}
	f.Evidence = evidence(fmt.Sprintf("MAIL FROM:%s, from %s", h.ReversePath.Path(), h.PathSource), e.Mechanism, e.Reason)
	if e.Domain.IsZero() || e.Result == spf.PermError {
		return f
	}
	f.Fix = fmt.Sprintf("If %s is yours, let SPF of %s name it; else send through a server that is named.", h.IP, e.Domain)
	f.Records = []finding.Record{finding.TXT(e.Domain.String()+".", s.namingSPF(ctx, e.Domain, h.IP))}
	return f
})}

// namingSPF is the record of a domain with one more address, or a new one.
func (s *Subject) namingSPF(ctx context.Context, d mail.Domain, ip netip.Addr) string {
	text := "v=spf1 -all"
	if published := s.SPFOf(ctx, d).Record; published != nil {
		text = published.Text
	}
	const head = "v=spf1"
	return fmt.Sprintf("%s ip%s:%s%s", head, family(ip), ip, text[len(head):])
}

// family is the digit behind "ip" in SPF.
func family(ip netip.Addr) string {
	if ip.Is4() {
		return "4"
	}
	return "6"
}
