package check

import (
	"context"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
)

// Contact is a mailbox that the domain publishes for others to write to.
type Contact struct {
	Address mail.Address
	Where   string // "the SOA record", "rua of DMARC": for people
}

// maxPublished bounds how many published mailboxes are looked at.
const maxPublished = 8

// Contacts are the mailboxes that the domain's records name: the SOA, DMARC and TLS
// reports. Records that cannot be read name nobody; their own checks say so.
func (s *Subject) Contacts(ctx context.Context) []Contact {
	return s.contacts.get(ctx, struct{}{}, s.findContacts)
}

func (s *Subject) findContacts(ctx context.Context) []Contact {
	if s.Target.Kind != Domain {
		return nil
	}
	var found []Contact
	add := func(a mail.Address, where string) {
		known := slices.ContainsFunc(found, func(c Contact) bool { return c.Address == a })
		if !known && !a.IsZero() && !a.Domain.IsZero() && len(found) < maxPublished {
			found = append(found, Contact{a, where})
		}
	}
	if soa, err := s.soaOf(ctx); err == nil {
		if a, err := rnameAddress(soa.Mbox); err == nil {
			add(a, whereSOA)
		}
	}
	if record := s.DMARCOf(ctx, s.Domain()).Record; record != nil {
		for _, u := range record.RUA {
			add(u.Mailbox, "rua of DMARC")
		}
	}
	for _, a := range s.TLSRPT(ctx).Record.Mail {
		add(a, "rua of TLS reports")
	}
	return found
}

const whereSOA = "the SOA record"

// mailboxes are the local parts at the audited domain that are asked about where
// proof allows: the role addresses, and whom the records name.
func (s *Subject) mailboxes(ctx context.Context) []string {
	names := slices.Clone(RoleNames)
	for _, c := range s.Contacts(ctx) {
		if c.Address.Domain == s.mailDomain() && !slices.Contains(names, c.Address.Local) {
			names = append(names, c.Address.Local)
		}
	}
	return names
}

func contactCodes() []Code {
	return []Code{
		{"deliverable", finding.Green, "its domain takes mail; where proof allowed to ask, the mailbox exists"},
		{"undeliverable", finding.Yellow, "its domain takes no mail"},
		{"refused", finding.Yellow, "the server refuses the mailbox"},
		{"deferred", finding.Unknown, "the server answers with a temporary error"},
		refusesUs,
	}
}

// judgeContact judges a published mailbox by its domain, and, at the audited domain
// with proof, by the answer of its own server.
func (s *Subject) judgeContact(ctx context.Context, c Contact) finding.Finding {
	f := finding.Finding{Subject: c.Address.String(), Code: "deliverable",
		Summary: fmt.Sprintf("%s, named in %s, is at a domain that takes mail", c.Address, c.Where)}
	err := s.takesMail(ctx, c.Address.Domain)
	switch {
	case err == nil:
	case isAbsence(err) || err == errNoExchanger || err == errTakesNone:
		f.Code, f.Summary = "undeliverable", fmt.Sprintf("%s, named in %s, takes no mail: %s", c.Address, c.Where, err)
		f.Evidence = []string{evidenceOf(err)}
		return f
	default:
		return unseen(c.Address.String(), err)
	}
	if c.Address.Domain == s.mailDomain() {
		s.askContact(ctx, c, &f)
	}
	return f
}

// askContact takes the word of the first server that was asked about the mailbox.
func (s *Subject) askContact(ctx context.Context, c Contact, f *finding.Finding) {
	for _, v := range s.Servers(ctx) {
		if !s.Proof(ctx, v.IP).Granted {
			continue
		}
		visit := s.Visit(ctx, v.IP)
		asked := visit.Roles[c.Address.Local]
		if !asked.IsAnswered() {
			continue
		}
		said := judgeRecipient(v, visit, fmt.Sprintf("%s, named in %s,", c.Address, c.Where), asked)
		f.Summary, f.Evidence, f.Fix = said.Summary, said.Evidence, said.Fix
		switch {
		case said.Code != "accepted":
			f.Code = said.Code
		case visit.Unknown.Reply.IsPositive():
			f.Summary += ", as every mailbox there is"
		}
		return
	}
}
