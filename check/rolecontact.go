package check

import (
	"context"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
)

var roleContact = rule{About{
	ID:       "role.contact",
	Question: "Do the mailboxes that the domain's records name reach somebody?",
	Why: "Receivers send their reports about spoofed mail and broken TLS to these addresses. A mailbox that does not exist makes you deaf, and the " +
		"bounces of the reports look bad on you.",
	Fix:       "Create the mailbox, or name another one in the record.",
	Refs:      []string{"RFC 9990", "RFC 8460 3"},
	Rows:      []string{"ROLE-04"},
	Practices: []string{"D9", "A5"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes: append([]Code{
		{"none", finding.Skip, "no record names a mailbox at the domain itself"},
	}, contactCodes()...),
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, c := range s.Contacts(ctx) {
		// dns.rname judges the contact of the SOA; that a domain takes no reports at
		// all is said by the checks of the records that name it.
		if c.Where != whereSOA && c.Address.Domain == s.Domain() && s.takesMail(ctx, c.Address.Domain) == nil {
			found = append(found, s.judgeMailbox(ctx, c))
		}
	}
	if len(found) == 0 {
		return one(finding.Finding{Code: "none", Subject: s.String(), Summary: "no record of " + s.String() + " names a mailbox for reports here"})
	}
	return found
}}

// judgeMailbox judges a contact at the audited domain, where its servers may be
// asked.
func (s *Subject) judgeMailbox(ctx context.Context, c Contact) finding.Finding {
	for _, v := range s.Servers(ctx) {
		if s.Proof(ctx, v.IP).Granted {
			return s.judgeContact(ctx, c)
		}
	}
	return finding.Finding{Code: "needs-proof", Subject: c.Address.String(), Summary: c.Address.String() + " was not asked about: that takes proof of control"}
}

var roleServer = rule{About{
	ID:       "role.server",
	Question: "Can postmaster and abuse be reached at the domain of the mail server and of its PTR name?",
	Why: "Who has trouble with your server sees its name and its address, not your domain: complaints go to postmaster and abuse at the domain " +
		"of the host name. Where no mail is taken there, the next step is a blocklist.",
	Fix:       "Give the domain of the host name an MX record, with postmaster and abuse as aliases to somebody who reads them.",
	Refs:      []string{"RFC 2142 2", "RFC 5321 4.5.1"},
	Rows:      []string{"ROLE-06"},
	Practices: []string{"D9"},
	Who:       finding.DNSOwner,
	Scope:     Servers,
	Codes: []Code{
		{"takes-mail", finding.Green, "the domain takes mail; its mailboxes were not asked about"},
		{"takes-none", finding.Yellow, "the domain of a server's name takes no mail"},
		{"same", finding.Skip, "the servers are named under the audited domain itself"},
		{"no-server", finding.Skip, "no server and no name is known"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	domains, own := s.serverDomains(ctx)
	var found []finding.Finding
	for _, d := range domains {
		found = append(found, s.judgeServerDomain(ctx, d))
	}
	switch {
	case len(found) > 0:
		return found
	case own:
		return one(finding.Finding{Code: "same", Subject: s.String(), Summary: "the servers are named under " + s.String()})
	}
	return one(finding.Finding{Code: "no-server", Subject: s.String(), Summary: "no server name is known"})
}}

// serverDomains are the registered domains of the servers' names and of their
// confirmed PTR names, but for the audited one; own says that this was among them.
func (s *Subject) serverDomains(ctx context.Context) (domains []mail.Domain, own bool) {
	add := func(name mail.Domain) {
		if name.IsZero() {
			return
		}
		d := name.Registrable()
		switch {
		case s.mailDomain() == d:
			own = true
		case !slices.Contains(domains, d):
			domains = append(domains, d)
		}
	}
	for _, v := range s.Servers(ctx) {
		add(v.Name)
		for _, name := range s.confirmedNames(ctx, v.IP) {
			add(name)
		}
	}
	return domains, own
}

func (s *Subject) judgeServerDomain(ctx context.Context, d mail.Domain) finding.Finding {
	f := finding.Finding{Subject: d.String(), Code: "takes-mail", Summary: fmt.Sprintf("%s takes mail, so postmaster and abuse can be there", d)}
	switch err := s.takesMail(ctx, d); {
	case err == nil:
	case isAbsence(err) || err == errNoExchanger || err == errTakesNone:
		f.Code, f.Summary = "takes-none", fmt.Sprintf("%s, under which a server is named, takes no mail: %s", d, err)
		f.Evidence = []string{evidenceOf(err)}
	default:
		return unseen(d.String(), err)
	}
	return f
}
