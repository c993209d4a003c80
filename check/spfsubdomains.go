package check

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
)

var spfSubdomains = rule{About{
	ID:       "spf.subdomains",
	Question: "Are the names below the domain covered against forgery too?",
	Why: "SPF of a domain says nothing about the names below it: a forger may use mx.example.com or any name he invents. A record at each host " +
		"that has an address closes those; DMARC with sp or np closes the invented ones.",
	Fix:       "Publish \"v=spf1 a -all\" at the mail servers, \"v=spf1 -all\" at other hosts, and let DMARC cover the rest.",
	Refs:      []string{"RFC 7208 10.1.3", "RFC 9989 4.7"},
	Rows:      []string{"SPF-17"},
	Practices: []string{"A1"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"spf.record"},
	Codes: []Code{
		{"covered", finding.Green, "the names have records of their own, or DMARC covers them"},
		{"uncovered", finding.Skip, "a name has no SPF record, and DMARC leaves it open"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, name := range s.namesBelow(ctx) {
		got := s.SPFOf(ctx, name)
		f := finding.Finding{Subject: name.String(), Code: "covered", Summary: name.String() + " has an SPF record of its own"}
		switch {
		case got.Record != nil:
		case got.Err != nil && !isAbsence(got.Err):
			f = unseen(name.String(), got.Err)
		default:
			f = s.judgeUncovered(ctx, name)
		}
		found = append(found, f)
	}
	return found
}}

// namesBelow are the MX hosts under the domain.
func (s *Subject) namesBelow(ctx context.Context) []mail.Domain {
	var names []mail.Domain
	for _, h := range s.Exchangers(ctx).Hosts[:min(len(s.Exchangers(ctx).Hosts), maxServers)] {
		if !h.Host.IsZero() && h.Host != s.Domain() && h.Host.IsWithin(s.Domain()) {
			names = append(names, h.Host)
		}
	}
	return names
}

func (s *Subject) judgeUncovered(ctx context.Context, name mail.Domain) finding.Finding {
	d := s.DMARCOf(ctx, name)
	switch applied := d.Applied(); {
	case d.Err != nil && !isAbsence(d.Err):
		return unseen(name.String(), d.Err)
	case applied == dmarc.Reject || applied == dmarc.Quarantine:
		return finding.Finding{Code: "covered", Subject: name.String(), Summary: fmt.Sprintf("DMARC covers %s: %s", name, applied)}
	}
	return finding.Finding{Code: "uncovered", Subject: name.String(), Summary: fmt.Sprintf("%s has no SPF record, and DMARC leaves it open", name),
		Fix: "Publish a TXT record \"v=spf1 a -all\" at " + name.String() + "."}
}
