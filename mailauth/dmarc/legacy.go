package dmarc

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Legacy is how a receiver of RFC 7489 reads the same zone: by the public suffix
// list instead of the tree, with pct, without np, psd and t.
type Legacy struct {
	OrgDomain    mail.Domain // by the public suffix list
	PolicyDomain mail.Domain // zero when that receiver finds no record
	Policy       Policy      // p or sp; "" when it applies none
	Percent      int         // of failing mail the policy is applied to; 100 without pct
	Err          error       // the lookup that failed
}

// ReadAs7489 reads the zone of a discovery as RFC 7489 sections 3.2 and 6.6.3 told
// receivers to. It reuses the answers of the walk and asks once more only when the
// list names a domain that the walk did not visit.
func ReadAs7489(ctx context.Context, r world.Resolver, d Discovery) Legacy {
	ask := stepsOf(r, d.Walk.Steps)
	l := Legacy{OrgDomain: d.Author.Registrable(), Percent: 100}
	s := ask(ctx, d.Author)
	if s.Err == nil && s.Record == nil && l.OrgDomain != d.Author {
		s = ask(ctx, l.OrgDomain)
	}
	if l.Err = s.Err; s.Record == nil {
		return l
	}
	l.PolicyDomain, l.Percent = s.Domain, s.Record.Percent
	// An invalid np is an unknown tag to that receiver, an invalid p or sp is not.
	old := *s.Record
	old.badPolicy = old.hasInvalid("p") || old.hasInvalid("sp")
	p, sp, _, ok := old.Effective()
	if l.Policy = p; ok && s.Domain != d.Author && sp != "" {
		l.Policy = sp
	}
	return l
}

func (r *Record) hasInvalid(name string) bool {
	_, there := r.Tag(name)
	value := map[string]Policy{"p": r.P, "sp": r.SP}[name]
	return there && value == ""
}

// Differences says, a sentence each, where that receiver judges otherwise than one
// of RFC 9989.
func (l Legacy) Differences(d Discovery) []string {
	var diff []string
	if !d.OrgDomain.IsZero() && l.OrgDomain != d.OrgDomain {
		diff = append(diff, fmt.Sprintf("the organizational domain is %s by the tree (%s) and %s by the public suffix list", d.OrgDomain, d.Boundary, l.OrgDomain))
	}
	if l.Err != nil || d.Err != nil || d.ExistenceErr != nil {
		return diff
	}
	if l.PolicyDomain != d.PolicyDomain() {
		diff = append(diff, fmt.Sprintf("the record is taken from %s, by an older receiver from %s", orNowhere(d.PolicyDomain()), orNowhere(l.PolicyDomain)))
	}
	if l.Policy != d.Applied() {
		diff = append(diff, fmt.Sprintf("the policy applied is %s, with an older receiver %s", orNothing(d.Applied()), orNothing(l.Policy)))
	}
	if l.Percent != 100 {
		diff = append(diff, fmt.Sprintf("an older receiver applies the policy to %d%% of failing mail, because of pct", l.Percent))
	}
	return diff
}

func orNowhere(d mail.Domain) string {
	if d.IsZero() {
		return "nowhere"
	}
	return d.String()
}

func orNothing(p Policy) Policy {
	if p == "" {
		return "nothing"
	}
	return p
}
