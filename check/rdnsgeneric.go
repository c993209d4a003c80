package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

var rdnsGeneric = rule{About{
	ID:       "rdns.generic",
	Question: "Is the PTR name the server's own, and not one that the provider made from the address?",
	Why: "Names like 1-2-3-4.dsl.isp.example are what home connections and freshly rented machines have, and most of the mail from " +
		"such names is spam: Yahoo, Comcast, GMX, T-Online and Spamhaus PBL refuse by the pattern alone.",
	Fix:       "Have the PTR record name the mail server itself, such as mail.example.com. Send from a static address.",
	Refs:      []string{"RFC 1912 2.1"},
	Rows:      []string{"RDNS-04"},
	Practices: []string{"D3"},
	Affects:   []string{"yahoo", "comcast", "gmx", "t-online", "outlook"},
	Who:       finding.IPOwner,
	Scope:     Servers | Message,
	Needs:     []string{"rdns.forward-confirmed"},
	Codes: []Code{
		{"own-name", finding.Green, "the PTR name looks like a server's own"},
		{"dynamic", finding.Red, "the PTR name looks like a dynamic or home connection"},
		{"hoster-default", finding.Yellow, "the PTR name is the one the hoster gives by default"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, a := range s.Addresses(ctx) {
		if names := s.reverseNames(ctx, a.IP); len(names) > 0 {
			found = append(found, s.judgeGeneric(ctx, a, names[0]))
		}
	}
	return found
}}

func (s *Subject) judgeGeneric(ctx context.Context, a SendingAddress, name world.Name) finding.Finding {
	verdict := reputation.JudgeName(name.Text(), a.IP)
	f := finding.Finding{Subject: a.IP.String(), Code: "own-name",
		Summary: fmt.Sprintf("%s does not look made from the address", name.Text())}
	switch verdict.Class {
	case reputation.Dynamic:
		f.Code = "dynamic"
		f.Summary = fmt.Sprintf("%s looks like a home connection (%s)", name.Text(), strings.Join(verdict.Reasons, ", "))
	case reputation.HosterDefault:
		f.Code = "hoster-default"
		f.Summary = fmt.Sprintf("%s looks like a hoster's default name (%s)", name.Text(), strings.Join(verdict.Reasons, ", "))
	default:
		return f
	}
	f.Evidence = []string{fmt.Sprintf("%s PTR: %s", world.ReverseName(a.IP), name.Text())}
	s.wantPTR(ctx, &f, a)
	return f
}
