package check

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
)

func roleChecks() []Check {
	return []Check{rolePostmaster, roleAbuse, roleOthers, roleContact, roleServer}
}

const roleFix = "Create the address, or an alias of it to somebody who reads it; exempt it from filters."

var rolePostmaster = rule{About{
	ID:       "role.postmaster",
	Question: "Does postmaster reach somebody?",
	Why: "Every domain that takes mail must have it. It is the address other administrators write to before they block you, and " +
		"blocklists and feedback programmes verify domains through it.",
	Fix:       roleFix,
	Refs:      []string{"RFC 5321 4.5.1", "RFC 2142 5"},
	Rows:      []string{"ROLE-01", "SMTP-09"},
	Practices: []string{"D9"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes:     roleCodes(finding.Red),
}, func(ctx context.Context, s *Subject) []finding.Finding { return s.judgeRoles(ctx, "postmaster") }}

var roleAbuse = rule{About{
	ID:        "role.abuse",
	Question:  "Does abuse reach somebody?",
	Why:       "Complaints about spam from your network go there. Who cannot be told of abuse gets listed instead.",
	Fix:       roleFix,
	Refs:      []string{"RFC 2142 4"},
	Rows:      []string{"ROLE-02"},
	Practices: []string{"D9", "B8"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes:     roleCodes(finding.Red),
}, func(ctx context.Context, s *Subject) []finding.Finding { return s.judgeRoles(ctx, "abuse") }}

var roleOthers = rule{About{
	ID:        "role.others",
	Question:  "Do security, admin, hostmaster, webmaster and noc reach somebody?",
	Why:       "Certificate authorities verify a domain through admin, hostmaster and webmaster; finders of holes write to security.",
	Fix:       roleFix,
	Refs:      []string{"RFC 2142"},
	Rows:      []string{"ROLE-03"},
	Practices: []string{"D9"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes:     roleCodes(finding.Yellow),
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return s.judgeRoles(ctx, "security", "admin", "hostmaster", "webmaster", "noc")
}}

func roleCodes(refused finding.Status) []Code {
	return []Code{
		{"accepted", finding.Green, "the MX accepts the address"},
		{"refused", refused, "the MX refuses the address"},
		{"deferred", finding.Unknown, "the MX answers with a temporary error"},
		refusesUs,
	}
}

// judgeRoles judges each role address by the answer of the first server that gave
// one: nothing is ever sent.
func (s *Subject) judgeRoles(ctx context.Context, roles ...string) []finding.Finding {
	var found []finding.Finding
	for _, role := range roles {
		if f := s.judgeRole(ctx, role); f.Code != "" {
			found = append(found, f)
		}
	}
	return found
}

func (s *Subject) judgeRole(ctx context.Context, role string) finding.Finding {
	address := role + "@" + s.Domain().String()
	var f finding.Finding
	for _, v := range s.Servers(ctx) {
		visit := s.Visit(ctx, v.IP)
		proof := s.Proof(ctx, v.IP)
		asked := visit.Roles[role]
		switch {
		case !proof.Granted:
			f = finding.Finding{Code: "needs-proof", Summary: address + " was not asked about: " + proof.How}
		case asked.IsAnswered():
			f = judgeRecipient(v, visit, address, asked)
			f.Subject = address
			return f
		case f.Code == "" && visit.Hello.IsPositive():
			f = visit.unanswered(v, asked)
		}
	}
	f.Subject = address
	return f
}

// judgeRecipient judges a mailbox that must exist by the answer about it.
func judgeRecipient(v Server, visit *Visit, address string, a Asked) finding.Finding {
	f := finding.Finding{Evidence: a.Evidence()}
	switch a.stance(visit.For) {
	case accepts:
		f.Code, f.Summary, f.Evidence = "accepted", address+" is accepted", nil
	case postpones:
		f.Code, f.Summary = "deferred", fmt.Sprintf("%s is deferred: %s", address, a.Reply)
	case shuns:
		return shunned(v, a.Reply.String(), a.Evidence())
	default:
		f.Code, f.Summary = "refused", fmt.Sprintf("%s is refused: %s", address, a.Reply)
	}
	return f
}
