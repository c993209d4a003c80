package check

import (
	"context"
	"errors"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

func domainChecks() []Check { return []Check{domainExists} }

// existsID is needed by every check of a domain: of a name that is not there,
// nothing else is worth saying, and no record is worth pasting.
const existsID = "domain.exists"

var domainExists = rule{About{
	ID:        existsID,
	Question:  "Does the domain exist?",
	Why:       "A name that does not exist sends and takes no mail, and receivers refuse what claims to come from it.",
	Fix:       "Look at the spelling. If it is right, register the domain, or have its registry delegate it.",
	Refs:      []string{"RFC 8020", "RFC 5321 3.6.2"},
	Rows:      []string{"DNS-01"},
	Practices: []string{"D7"},
	Affects:   []string{"google", "yahoo", "outlook", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"exists", finding.Green, "the name exists"},
		{"no-domain", finding.Red, "the name does not exist"},
		{"no-names", finding.Unknown, "the resolver knows no names at all, so its word counts for nothing"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	x := s.Exchangers(ctx)
	if x.Kind == route.Unknown {
		return one(unseen(s.String(), x.Err))
	}
	if !errors.Is(x.Err, world.ErrNoName) || len(x.Aliases) > 0 { // an alias of nothing is a name all the same
		return one(finding.Finding{Code: "exists", Subject: s.String(), Summary: s.String() + " exists"})
	}
	f := finding.Finding{Code: "no-domain", Subject: s.String(), Summary: s.String() + " does not exist", Evidence: []string{evidenceOf(x.Err)}}
	if _, err := s.World.Lookup(ctx, world.Root, dns.TypeNS); err != nil {
		f.Code, f.Summary = "no-names", "the resolver denies "+s.String()+", and the root of all names too"
		f.Evidence = append(f.Evidence, evidenceOf(err))
		f.Fix = "Look at the network of this machine, or name a resolver with --resolver HOST:PORT."
	}
	return one(f)
}}
