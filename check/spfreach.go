package check

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

var spfExplanation = rule{About{
	ID:        "spf.explanation",
	Question:  "Does exp= lead to one text?",
	Why:       "The text is shown to people whose mail was refused. A pointer to nothing shows nothing, and says that nobody looks after the record.",
	Fix:       "Publish one TXT record at the name, or remove exp=.",
	Refs:      []string{"RFC 7208 6.2"},
	Rows:      []string{"SPF-12"},
	Practices: []string{"A1"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"none", finding.Skip, "no explanation is published"},
		{"text", finding.Green, "exp= leads to one text"},
		{"missing", finding.Yellow, "exp= leads to no text, or to several"},
		{"per-message", finding.Skip, "exp= depends on the message"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	got := s.SPFOf(ctx, s.Domain())
	f := finding.Finding{Subject: s.String(), Code: "none", Summary: "no explanation is published"}
	term := got.Record.First(spf.Exp)
	if term == nil {
		return one(f)
	}
	name, err := world.ParseName(term.Target.Text)
	if len(term.Target.Macros()) > 0 || err != nil {
		f.Code, f.Summary = "per-message", term.Text+" depends on the message"
		return one(f)
	}
	texts, _, err := world.LookupTXT(ctx, s.World, name)
	switch {
	case err != nil && !errors.Is(err, world.ErrNotFound):
		return one(unseen(s.String(), err))
	case len(texts) != 1:
		f.Code, f.Summary = "missing", fmt.Sprintf("%s leads to %d texts, not one", term.Text, len(texts))
		f.Evidence = []string{fmt.Sprintf("%s. TXT: %q", s, got.Record.Text)}
	default:
		f.Code, f.Summary = "text", term.Text+" leads to one text"
	}
	return one(f)
}}

var spfAddresses = rule{About{
	ID:       "spf.addresses",
	Question: "Does SPF pass for every address that sends for the domain?",
	Why: "The record may be perfect and still not name the server: mail over IPv6, through the web server or a second address then fails SPF, " +
		"at some receivers now and then, which is the hardest to find.",
	Fix:       "Add the address to the record, or send through the address that is there.",
	Refs:      []string{"RFC 7208 4", "RFC 7208 2.4"},
	Rows:      []string{"SPF-13"},
	Practices: []string{"A1", "R3"},
	Affects:   []string{"google", "yahoo", "outlook", "apple", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax", "spf.includes", "spf.lookups", "spf.voids"},
	Codes: []Code{
		{"pass", finding.Green, "SPF passes for the address"},
		{"not-authorised", finding.Red, "SPF does not pass for an address that sends"},
		{"mx-only", finding.Skip, "an MX host that SPF does not name: it need not send"},
		{"error", finding.Red, "SPF ends in a permanent error for the address"},
		{"no-address", finding.Skip, "no sending address is known"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	addresses := s.Addresses(ctx)
	if len(addresses) == 0 {
		return one(finding.Finding{Code: "no-address", Subject: s.String(), Summary: "no sending address is known; name one with --ip"})
	}
	var found []finding.Finding
	for _, a := range addresses {
		found = append(found, s.judgeSPFAddress(ctx, a))
	}
	return found
}}

func (s *Subject) judgeSPFAddress(ctx context.Context, a SendingAddress) finding.Finding {
	sender := mail.Address{Local: "postmaster", Domain: s.Domain()}
	e := spf.Evaluate(ctx, s.World, spf.Request{IP: a.IP, Sender: sender, HELO: s.String(), Now: s.World.Now()})
	f := finding.Finding{Subject: a.IP.String()}
	switch {
	case e.Result == spf.Pass:
		f.Code, f.Summary = "pass", fmt.Sprintf("SPF passes for %s by %s", a.IP, e.Mechanism)
	case e.Result == spf.TempError:
		f.Code, f.Summary = "no-answer", fmt.Sprintf("SPF for %s could not be evaluated: %s", a.IP, e.Reason)
	case e.Result == spf.PermError:
		f.Code, f.Summary = "error", fmt.Sprintf("SPF for %s is a permanent error: %s", a.IP, e.Reason)
	case a.Source == "mx":
		f.Code, f.Summary = "mx-only", fmt.Sprintf("%s (%s) is not in SPF; right if it only receives", a.IP, a.Detail)
	default:
		f.Code, f.Summary = "not-authorised", fmt.Sprintf("SPF of %s gives %s for %s", s, e.Result, a.IP)
		f.Evidence = []string{fmt.Sprintf("result %s by %s", e.Result, e.Mechanism)}
		f.Records = []finding.Record{finding.TXT(s.String()+".", s.extendSPF(ctx, a.IP))}
	}
	return f
}

// extendSPF is the published record with one more address, where it is read first.
func (s *Subject) extendSPF(ctx context.Context, ip netip.Addr) string {
	kind := "ip4:"
	if ip.Is6() {
		kind = "ip6:"
	}
	text := s.SPFOf(ctx, s.Domain()).Record.Text
	const head = "v=spf1"
	return text[:len(head)] + " " + kind + ip.String() + text[len(head):]
}

var spfHELO = rule{About{
	ID:       "spf.helo",
	Question: "Does SPF pass for the EHLO name too?",
	Why: "Bounces and other mail from the null sender have only the EHLO name to judge. Without a record of its own their SPF is none, and " +
		"receivers that want authentication of everything refuse them.",
	Fix:       "Publish \"v=spf1 a -all\" at the EHLO name.",
	Refs:      []string{"RFC 7208 2.3", "RFC 7208 10.1.3"},
	Rows:      []string{"SPF-14"},
	Practices: []string{"A1", "D4"},
	Affects:   []string{"google"},
	Who:       finding.DNSOwner,
	Scope:     Servers,
	Needs:     []string{"helo.name"},
	Codes: []Code{
		{"pass", finding.Green, "SPF of the EHLO name passes"},
		{"none", finding.Yellow, "the EHLO name has no SPF record"},
		{"fail", finding.Red, "SPF of the EHLO name does not pass for the server's own address"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		name := smtp.NameIn(visit.Hello)
		e := spf.EvaluateHELO(ctx, s.World, spf.Request{IP: v.IP, HELO: name, Now: s.World.Now()})
		switch e.Result {
		case spf.Pass:
			return finding.Finding{Code: "pass", Summary: fmt.Sprintf("SPF of %s passes for %s", name, v.IP)}
		case spf.TempError:
			return finding.Finding{Code: "no-answer", Summary: fmt.Sprintf("SPF of %s could not be evaluated: %s", name, e.Reason)}
		case spf.None:
			f := finding.Finding{Code: "none", Summary: name + " has no SPF record"}
			if d, err := mail.ParseDomain(name); err == nil {
				f.Records = []finding.Record{finding.TXT(d.String()+".", "v=spf1 a -all")}
			}
			return f
		}
		return finding.Finding{Code: "fail", Summary: fmt.Sprintf("SPF of %s gives %s for %s", name, e.Result, v.IP)}
	})
}}

// Breadth limits of the catalogue: 65,536 addresses is more than a mail operator
// needs; a /8 is a sign of somebody who gave up counting.
const (
	wideSPF  = 1 << 16
	hugeBits = 8
)

var spfBreadth = rule{About{
	ID:       "spf.breadth",
	Question: "Is the SPF record as narrow as what really sends?",
	Why: "Every authorised address can send as you. Google answers 4.7.24 and 5.7.24 to records with suspicious breadth, and whoever rents a " +
		"machine in a range you authorise is you.",
	Fix:       "Name the addresses you send from. For a shared service, use its include on a subdomain.",
	Refs:      []string{"RFC 7208 11.4"},
	Rows:      []string{"SPF-15"},
	Practices: []string{"A1"},
	Affects:   []string{"google"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"narrow", finding.Green, "the domain's own terms authorise at most 65,536 IPv4 addresses"},
		{"wide", finding.Yellow, "the domain's own terms authorise more than 65,536 IPv4 addresses"},
		{"huge", finding.Red, "a /8 or more is authorised"},
	},
}, ofTree(judgeBreadth)}

// judgeBreadth counts what the domain's own terms authorise. What its includes
// answer does not matter to that; what its own a and mx terms answer does.
func judgeBreadth(s *Subject, t *spf.Tree, f finding.Finding) finding.Finding {
	own, widest := countOwn(t)
	f.Code, f.Summary = "narrow", fmt.Sprintf("IPv4 addresses that SPF's own terms authorise: %d", own)
	if own > wideSPF {
		f.Code, f.Evidence = "wide", []string{widest.Term + " in the record of " + widest.Domain}
	}
	if own > 0 && bits.Len64(own) > 32-hugeBits {
		f.Code = "huge"
		return f
	}
	for _, r := range t.Root.Terms {
		if r.Err != nil && !isAbsence(r.Err) && (r.Term.Kind == spf.A || r.Term.Kind == spf.MX) {
			return unseen(s.String(), r.Err)
		}
	}
	return f
}

// countOwn counts the IPv4 addresses that the domain's own terms authorise, and
// finds the widest of the terms.
func countOwn(t *spf.Tree) (count uint64, widest spf.Authorized) {
	least := 33
	for _, a := range t.Authorized {
		if len(a.Via) > 0 || !a.Prefix.Addr().Is4() || a.Prefix.Bits() == 0 { // all is spf.all's
			continue
		}
		count += 1 << (32 - a.Prefix.Bits())
		if a.Prefix.Bits() < least {
			least, widest = a.Prefix.Bits(), a
		}
	}
	return count, widest
}
