package check

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
)

func backscatterChecks() []Check {
	return []Check{backscatterUnknown, backscatterBounces, backscatterFilter, backscatterAutoreply, backscatterCallout, backscatterChallenge}
}

var backscatterUnknown = rule{About{
	ID:       "backscatter.unknown-user",
	Question: "Is mail for users who do not exist refused at RCPT?",
	Why: "A server that accepts such mail must bounce it later, and the bounce goes to whoever the spammer named as sender: backscatter. " +
		"Servers that send it are listed, and their bounces hurt strangers.",
	Fix: "Let the server know its mailboxes and refuse all others at RCPT with 550 5.1.1 (local_recipient_maps and relay_recipient_maps " +
		"in Postfix, verify = recipient in Exim). Backup MX hosts too.",
	Refs:      []string{"RFC 5321 6.1", "RFC 5321 6.2"},
	Rows:      []string{"BSC-01"},
	Practices: []string{"I1", "B4"},
	Affects:   []string{"outlook", "yahoo"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"refused", finding.Green, "an unknown mailbox is refused at RCPT"},
		{"accepts-all", finding.Red, "a mailbox that nobody has is accepted: catch-all, or backscatter later"},
		{"deferred", finding.Unknown, "an unknown mailbox gets a temporary error, as with greylisting"},
		refusesUs,
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		a := visit.Unknown
		f := finding.Finding{Evidence: a.Evidence()}
		if visit.For != s.mailDomain() {
			f.Code, f.Summary = "asked-already", fmt.Sprintf("%s was asked on behalf of %s in this run", v, visit.For)
			return f
		}
		if a.WhyNot != "" {
			f.Code, f.Summary = "asked-already", a.WhyNot
			return f
		}
		switch visit.unknownStance() {
		case accepts:
			f.Code, f.Summary = "accepts-all", v.String()+" accepts mail for a mailbox that nobody has"
		case postpones:
			f.Code, f.Summary = "deferred", fmt.Sprintf("%s defers an unknown mailbox: %s", v, a.Reply)
			f.Fix = "If this is greylisting, the answer comes only later; ask again in some minutes."
		case denies, disowns:
			f.Code, f.Summary, f.Evidence = "refused", fmt.Sprintf("%s refuses an unknown mailbox: %s", v, a.Reply), nil
		case shuns:
			return shunned(v, a.Reply.String(), a.Evidence())
		default:
			return visit.unanswered(v, a)
		}
		return f
	})
}}
