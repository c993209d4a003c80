package check

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
)

var dmarcReports = rule{About{
	ID:       "dmarc.reports",
	Question: "Do aggregate reports go to a mailbox that can take them?",
	Why: "The reports show who sends in your name and what of your own fails: without them nobody dares to raise the policy, and nobody " +
		"notices when signing breaks.",
	Fix:       "Name a mailbox that exists in rua; read the reports, or have a service read them.",
	Refs:      []string{"RFC 9989 4.7", "RFC 9990"},
	Rows:      []string{"DMARC-08", "ROLE-04"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"deliverable", finding.Green, "reports go to a domain that takes mail"},
		{"none", finding.Yellow, "no aggregate reports are asked for"},
		{"invalid", finding.Red, "no address in rua can be used"},
		{"undeliverable", finding.Red, "the domain of a report address takes no mail"},
	},
}, ofDMARC(func(ctx context.Context, s *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	mailboxes := 0
	f.Code, f.Summary = "deliverable", fmt.Sprintf("aggregate reports go to %d %s", len(d.Record.RUA), plural(len(d.Record.RUA), "address"))
	for _, u := range d.Record.RUA {
		if u.Mailbox.IsZero() {
			continue
		}
		mailboxes++
		switch err := s.takesMail(ctx, u.Host); {
		case err == nil:
		case isAbsence(err) || err == errNoExchanger || err == errTakesNone:
			f.Code, f.Summary = "undeliverable", fmt.Sprintf("reports to %s cannot be delivered: %s", u.Mailbox, err)
		default:
			return unseen(u.Host.String(), err)
		}
	}
	switch {
	case len(d.Record.RUA) == 0:
		f.Code, f.Summary = "none", "DMARC of "+s.String()+" asks for no aggregate reports"
		f.Records = []finding.Record{finding.TXT(d.Step.Name.String(), fmt.Sprintf("%s; rua=mailto:postmaster@%s", trimTail(d.Record.Text), s))}
	case mailboxes == 0:
		f.Code, f.Summary = "invalid", "no address in rua can be used"
	}
	return f
})}

// trimTail takes the last separator off a tag list.
func trimTail(text string) string {
	for len(text) > 0 && (text[len(text)-1] == ';' || text[len(text)-1] == ' ') {
		text = text[:len(text)-1]
	}
	return text
}

var dmarcExternal = rule{About{
	ID:       "dmarc.external",
	Question: "Have report addresses at other organizations agreed to get the reports?",
	Why: "Without the consent record of the destination no receiver sends the reports: the address stands there, and nothing ever comes. " +
		"Consent is what keeps a record from flooding a stranger.",
	Fix:       "Have the owner of the destination publish the record, or use an address of your own.",
	Refs:      []string{"RFC 9990 4"},
	Rows:      []string{"DMARC-09"},
	Practices: []string{"A5"},
	Who:       finding.OtherSide,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"internal", finding.Green, "reports stay within the organization"},
		{"consented", finding.Green, "every other destination agreed"},
		{"not-authorised", finding.Red, "a destination has not agreed, so reports are not sent"},
		{"none", finding.Skip, "no reports are asked for"},
	},
}, ofDMARC(func(ctx context.Context, s *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "internal", "reports stay within the organization"
	uris := append(append([]dmarc.URI(nil), d.Record.RUA...), d.Record.RUF...)
	if len(uris) == 0 {
		f.Code, f.Summary = "none", "no reports are asked for"
	}
	for _, u := range uris {
		switch a := dmarc.AuthorizeReport(ctx, s.World, d.Step.Domain, u); {
		case a.Permission == dmarc.PermissionUnknown:
			return unseen(u.Host.String(), a.Err)
		case a.Permission == dmarc.Forbidden && a.Name != "":
			f.Code, f.Summary = "not-authorised", fmt.Sprintf("%s has not agreed to get reports about %s", u.Host, d.Step.Domain)
			f.Evidence = []string{a.Reason}
			f.Records = []finding.Record{finding.TXT(a.Name.String(), "v=DMARC1")}
			return f
		case a.Permission == dmarc.Permitted && !a.Internal:
			f.Code, f.Summary = "consented", fmt.Sprintf("%s agreed to get the reports", u.Host)
		}
	}
	return f
})}

var dmarcFailureReports = rule{About{
	ID:        "dmarc.failure-reports",
	Question:  "Is ruf used knowingly?",
	Why:       "Failure reports carry parts of real messages, so most large receivers send none, and privacy law may forbid to ask for them.",
	Fix:       "Leave ruf away unless somebody reads the reports and may.",
	Refs:      []string{"RFC 9991", "RFC 9989 4.7"},
	Rows:      []string{"DMARC-10"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"none", finding.Green, "no failure reports are asked for"},
		{"asked", finding.Skip, "failure reports are asked for: mind privacy, and expect few"},
	},
}, ofDMARC(func(_ context.Context, _ *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "none", "no failure reports are asked for"
	if len(d.Record.RUF) > 0 {
		f.Code, f.Summary = "asked", "failure reports are asked for; few receivers send them"
	}
	return f
})}

var dmarcAlignment = rule{About{
	ID:        "dmarc.alignment",
	Question:  "Is alignment as relaxed as the senders need?",
	Why:       "Strict alignment refuses mail that a subdomain signed or sent: newsletters and ticket systems on subdomains then fail.",
	Fix:       "Remove adkim=s and aspf=s unless every stream signs and sends with exactly the From domain.",
	Refs:      []string{"RFC 9989 4.4"},
	Rows:      []string{"DMARC-13"},
	Practices: []string{"A5", "D10"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"relaxed", finding.Green, "relaxed alignment"},
		{"strict", finding.Skip, "strict alignment: right only when no subdomain sends for the domain"},
	},
}, ofDMARC(func(_ context.Context, _ *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "relaxed", "alignment is relaxed"
	if d.Record.ADKIM == dmarc.Strict || d.Record.ASPF == dmarc.Strict {
		f.Code, f.Summary = "strict", "alignment is strict: mail signed or sent by a subdomain fails"
	}
	return f
})}
