package check

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
)

func tlsrptChecks() []Check { return []Check{tlsrptRecord, tlsrptReports} }

var tlsrptRecord = rule{About{
	ID:       "tls-rpt.record",
	Question: "Does the domain ask for reports about TLS with one valid record?",
	Why: "Senders that enforce MTA-STS or DANE do not deliver when something is wrong, and you would not hear of it: the reports are how " +
		"you learn that mail is being held back, and from whom.",
	Fix:       "Publish one TXT record at _smtp._tls that begins with v=TLSRPTv1; and names an address in rua.",
	Refs:      []string{"RFC 8460 3"},
	Rows:      []string{"TLSRPT-01"},
	Practices: []string{"A8"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"valid", finding.Green, "one valid record"},
		{"none", finding.Skip, "no reports are asked for"},
		{"several", finding.Red, "more than one record; senders use none"},
		{"invalid", finding.Red, "the record is not valid; nobody reports"},
		{"faults", finding.Yellow, "the record counts, and has faults"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	t := s.TLSRPT(ctx)
	f := finding.Finding{Subject: s.String(), Evidence: recordEvidence("_smtp._tls."+s.String(), t.Records)}
	switch {
	case t.Err != nil && isAbsence(t.Err):
		f.Code, f.Summary = "none", s.String()+" asks for no reports about TLS"
		return one(f)
	case t.Err != nil:
		return one(unseen(s.String(), t.Err))
	case len(t.Records) > 1:
		f.Code, f.Summary = "several", fmt.Sprintf("%s has %d TLS reporting records; senders use none of them", s, len(t.Records))
		f.Fix = "Keep one of the records and remove the others."
	case route.HasFatal(t.Problems):
		f.Code, f.Summary = "invalid", "the TLS reporting record is not valid: "+joinProblems(t.Problems)
	case len(t.Problems) > 0:
		f.Code, f.Summary = "faults", "the TLS reporting record has faults: "+joinProblems(t.Problems)
	default:
		n := len(t.Record.Mail) + len(t.Record.HTTPS)
		f.Code, f.Summary, f.Evidence = "valid", fmt.Sprintf("reports about TLS go to %d %s", n, plural(n, "place")), nil
		return one(f)
	}
	f.Records = []finding.Record{finding.TXT("_smtp._tls."+s.String()+".", fmt.Sprintf("v=TLSRPTv1; rua=mailto:%s", s.reportMailbox(t)))}
	return one(f)
}}

// reportMailbox is the mailbox that the record names already, else the postmaster's.
func (s *Subject) reportMailbox(t route.TLSRPT) mail.Address {
	if len(t.Record.Mail) > 0 {
		return t.Record.Mail[0]
	}
	return mail.Address{Local: "postmaster", Domain: s.Domain()}
}

var tlsrptReports = rule{About{
	ID:       "tls-rpt.reports",
	Question: "Can the reports be delivered where the record wants them?",
	Why: "A report to a domain that takes no mail is lost. Reports are delivered even when your own TLS is broken, so that they can say so; " +
		"a mailbox at another domain is safer still.",
	Fix:       "Name a mailbox that exists, at a domain that takes mail.",
	Refs:      []string{"RFC 8460 3", "RFC 8460 5.3"},
	Rows:      []string{"TLSRPT-02"},
	Practices: []string{"A8"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"tls-rpt.record"},
	Codes: []Code{
		{"deliverable", finding.Green, "the domain of the address takes mail"},
		{"undeliverable", finding.Yellow, "the domain of the address takes no mail"},
		{"web", finding.Skip, "reports are posted to a web address, which was not tried"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	t := s.TLSRPT(ctx)
	if t.Err != nil || route.HasFatal(t.Problems) {
		return nil
	}
	var found []finding.Finding
	for _, a := range t.Record.Mail[:min(len(t.Record.Mail), maxReportPlaces)] {
		found = append(found, s.judgeReportMailbox(ctx, a))
	}
	for _, u := range t.Record.HTTPS[:min(len(t.Record.HTTPS), maxReportPlaces)] {
		found = append(found, finding.Finding{Code: "web", Subject: u.Host, Summary: "reports are posted to " + u.Host + ", which was not tried"})
	}
	return found
}}

// maxReportPlaces bounds how many places of each kind are looked at.
const maxReportPlaces = 5

func (s *Subject) judgeReportMailbox(ctx context.Context, a mail.Address) finding.Finding {
	f := finding.Finding{Subject: a.String()}
	switch err := s.takesMail(ctx, a.Domain); {
	case err == nil:
		f.Code, f.Summary = "deliverable", fmt.Sprintf("reports can be sent to %s", a)
	case isAbsence(err) || err == errNoExchanger || err == errTakesNone:
		f.Code, f.Summary = "undeliverable", fmt.Sprintf("reports to %s cannot be delivered: %s", a, err)
		f.Evidence = []string{evidenceOf(err)}
	default:
		return unseen(a.String(), err)
	}
	return f
}
