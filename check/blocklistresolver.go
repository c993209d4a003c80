package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/reputation"
)

// allAnswers is everything the lists said in the audit of this target.
func (s *Subject) allAnswers(ctx context.Context) []reputation.Answer {
	var all []reputation.Answer
	for _, p := range slices.Concat(s.pollAddresses(ctx), s.pollDomains(ctx)) {
		all = append(all, p.answers...)
	}
	return all
}

var blocklistLists = rule{About{
	ID:       "blocklist.lists",
	Question: "Are the lists that were asked in order?",
	Why: "Lists die: some fall silent, some are sold and from then on list the world. Each list is asked once a day for an entry that it must have " +
		"and one that it must not have; without both its answers count for nothing.",
	Fix:       "Nothing need be done for the audit. Take lists that are out of order out of the configuration of your own server.",
	Refs:      []string{"RFC 5782 5", "RFC 6471 3.4"},
	Rows:      []string{"BL-CTRL"},
	Practices: []string{"B1", "I4"},
	Who:       finding.OtherSide,
	Scope:     Servers,
	Codes: []Code{
		{"in-order", finding.Green, "the control entries of the lists hold"},
		{"out-of-order", finding.Skip, "the control entries of a list do not hold: its answers were not used"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var good, broken []reputation.Answer
	for _, a := range perList(s.allAnswers(ctx)) {
		switch a.Why {
		case "":
			good = append(good, a)
		case reputation.Dead, reputation.ListsAll:
			broken = append(broken, a)
		}
	}
	var found []finding.Finding
	if len(good) > 0 {
		found = append(found, finding.Finding{Code: "in-order", Subject: s.String(), Evidence: []string{listNames(good)},
			Summary: fmt.Sprintf("%d %s showed by their control entries that they are in order", len(good), plural(len(good), "list"))})
	}
	if len(broken) > 0 {
		f := finding.Finding{Code: "out-of-order", Subject: s.String(), Summary: "not to be believed from here: " + listNames(broken)}
		for _, a := range broken {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s (%s): %s", a.List.Name, a.List.Weight, a.Detail))
		}
		found = append(found, f)
	}
	return found
}}

// It is Unknown, not yellow, when lists refuse the resolver: that is a fault of
// where the audit runs, and may have nothing to do with the target.
var blocklistResolver = rule{About{
	ID:       "blocklist.resolver",
	Question: "Do blocklists answer the resolver that was used?",
	Why: "Spamhaus and others refuse public resolvers, forwarders and resolvers without a name of their own. A mail server with such a resolver " +
		"learns nothing from its lists; one that takes a refusal for a listing refuses the world.",
	Fix: "Run a recursive resolver of your own (unbound, Knot Resolver, BIND) on the mail server, without forwarding and with a PTR name that is not " +
		"generic; or get a key for the lists.",
	Refs:      []string{"RFC 6471 1.2"},
	Rows:      []string{"BL-RES"},
	Practices: []string{"I4", "B1"},
	Who:       finding.ThisServer,
	Scope:     Servers | Message,
	Codes: []Code{
		{"fit", finding.Green, "the lists answer this resolver"},
		{"partly", finding.Skip, "a few lists refuse this resolver"},
		{"refused", finding.Unknown, "the lists refuse this resolver: public, forwarding or nameless"},
		{"rewritten", finding.Unknown, "the resolver changes answers"},
		{"silent", finding.Unknown, "no list answers this resolver"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	fit := reputation.JudgeResolver(perList(s.allAnswers(ctx)))
	f := finding.Finding{Code: string(fit.Verdict), Subject: "the resolver of this machine", Evidence: fit.Evidence}
	switch fit.Verdict {
	case reputation.Fit:
		f.Summary = fmt.Sprintf("%d %s answered this resolver", fit.Answered, plural(fit.Answered, "list"))
		return one(f)
	case reputation.Partly:
		f.Summary = "a few lists refuse this resolver: " + strings.Join(fit.Refusing, ", ")
	case reputation.Unfit:
		f.Summary = "the lists refuse this resolver: " + strings.Join(fit.Refusing, ", ")
	case reputation.Mangled:
		f.Summary = "somebody between here and the lists changes their answers"
	case reputation.Helpless:
		f.Summary = "no list answers this resolver"
	default:
		return nil
	}
	f.Fix = fit.Cure
	if f.Fix == "" {
		f.Fix = "See whether this resolver reaches the Internet."
	}
	return one(f)
}}
