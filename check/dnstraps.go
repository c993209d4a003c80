package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// randomLabel is a name that nobody has published on purpose: what answers there
// answers everywhere.
func (s *Subject) randomLabel() string {
	return s.label.get(context.Background(), struct{}{}, func(context.Context) string {
		return "no-such-name-" + strings.ToLower(rand.Text()[:10])
	})
}

var dnsWildcard = rule{About{
	ID:       "dns.wildcard",
	Question: "Is the domain free of wildcards and aliases that shadow mail records?",
	Why: "A wildcard TXT record answers for every name that was forgotten: for _dmarc of each subdomain and for each DKIM selector that does not " +
		"exist, with something that is neither. An alias at the domain itself hides its MX and TXT records.",
	Fix:       "Publish the record at the names that need it, and take the wildcard out; replace the alias by address records.",
	Refs:      []string{"RFC 4592", "RFC 1034 3.6.2", "RFC 2181 10.1"},
	Rows:      []string{"DNS-10"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"none", finding.Green, "names that were not published do not exist"},
		{"wildcard-txt", finding.Yellow, "a wildcard TXT record answers for every name"},
		{"wildcard-mx", finding.Skip, "a wildcard MX record: mail to any name below the domain is taken, which may be intended"},
		{"apex-alias", finding.Yellow, "the domain itself is an alias, which hides its other records"},
	},
}, judgeWildcards}

func judgeWildcards(ctx context.Context, s *Subject) []finding.Finding {
	f := finding.Finding{Subject: s.String(), Code: "none", Summary: "no wildcard shadows the mail records of " + s.String()}
	if alias, err := s.apexAlias(ctx); err != nil || alias != "" {
		if err != nil {
			return one(unseen(s.String(), err))
		}
		f.Code, f.Summary = "apex-alias", fmt.Sprintf("%s is an alias of %s", s, alias.Text())
		f.Evidence = []string{fmt.Sprintf("%s. CNAME: %s", s, alias)}
		return one(f)
	}
	anything := world.NameOf(s.Domain()).Under(s.randomLabel())
	texts, _, err := world.LookupTXT(ctx, s.World, anything)
	if err != nil && !isAbsence(err) {
		return one(unseen(s.String(), err))
	}
	if len(texts) > 0 {
		f.Code, f.Summary = "wildcard-txt", "a wildcard TXT record answers for every name below "+s.String()
		f.Evidence = []string{fmt.Sprintf("%s TXT: %.200q", anything, texts[0].Text)}
		return one(f)
	}
	mxs, _, err := world.LookupMX(ctx, s.World, anything)
	if err != nil && !isAbsence(err) {
		return one(unseen(s.String(), err))
	}
	if len(mxs) > 0 {
		f.Code, f.Summary = "wildcard-mx", "a wildcard MX record takes mail for every name below "+s.String()
		f.Evidence = []string{fmt.Sprintf("%s MX: %d %s", anything, mxs[0].Preference, mxs[0].Host)}
	}
	return one(f)
}

// apexAlias is what the domain is an alias of, where it is the top of a zone and so
// must not be one.
func (s *Subject) apexAlias(ctx context.Context) (world.Name, error) {
	name := world.NameOf(s.Domain())
	zone, err := s.zoneOf(ctx, name)
	if err != nil || zone != name {
		return "", err
	}
	a, err := s.World.Lookup(ctx, name, dns.TypeMX)
	var aliases []world.Name
	var failed *world.LookupError
	switch {
	case err == nil:
		aliases = a.Aliases
	case errors.As(err, &failed):
		aliases = failed.Aliases
	}
	if len(aliases) == 0 {
		return "", nil // that it is a zone was seen; what else failed is judged elsewhere
	}
	return aliases[0], nil
}

// The span in which the lives of mail records make sense.
const (
	shortestLife = 300 * time.Second
	longestLife  = 172800 * time.Second
)

var dnsTTL = rule{About{
	ID:       "dns.ttl",
	Question: "Do the records for mail live neither too short nor too long?",
	Why: "For as long as the TTL says a wrong record stays in the caches of the world: after a move of the mail server with a TTL of days, mail goes " +
		"to the old one for days. A few seconds make every message wait for DNS.",
	Fix:       "Use 3600 for MX, TXT and address records; lower it a day before a move.",
	Refs:      []string{"RFC 1912 2.2", "RFC 2181 8"},
	Rows:      []string{"DNS-11"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"fine", finding.Green, "between five minutes and two days"},
		{"short", finding.Skip, "less than five minutes: every message waits for DNS"},
		{"long", finding.Yellow, "more than two days: a change takes as long to be seen"},
	},
}, judgeLives}

func judgeLives(ctx context.Context, s *Subject) []finding.Finding {
	f := finding.Finding{Subject: s.String(), Code: "fine", Summary: "the records for mail live between five minutes and two days"}
	seen := 0
	for _, r := range s.mailRecords(ctx) {
		a, err := s.World.Lookup(ctx, r.name, r.qtype)
		if err != nil {
			if !isAbsence(err) {
				return one(unseen(s.String(), err))
			}
			continue
		}
		seen++
		if life := lifeOf(a.Records[0]); life > longestLife {
			f.Code, f.Summary = "long", fmt.Sprintf("%s %s lives for %.0f s: over two days", r.name.Text(), world.TypeName(r.qtype), life.Seconds())
			f.Evidence = []string{fmt.Sprintf("%s %.0f %s", r.name, life.Seconds(), world.TypeName(r.qtype))}
			return one(f)
		}
	}
	if seen == 0 {
		return nil
	}
	// A resolver counts down what it remembers, so only the name servers' own word
	// tells that a life is short.
	for _, n := range s.Delegation(ctx).Speakers() {
		if n.MX != nil && len(n.MX.Records) > 0 && n.MX.TTL < shortestLife {
			f.Code, f.Summary = "short", fmt.Sprintf("the MX records of %s live for %.0f s only", s, n.MX.TTL.Seconds())
			break
		}
	}
	return one(f)
}

// lifeOf is the TTL of a record, the same for its whole set (RFC 2181 section 5.2).
func lifeOf(rr dns.RR) time.Duration { return time.Duration(rr.Header().Ttl) * time.Second }

type record struct {
	name  world.Name
	qtype uint16
}

// mailRecords are the records without which no mail comes or goes.
func (s *Subject) mailRecords(ctx context.Context) []record {
	name := world.NameOf(s.Domain())
	records := []record{{name, dns.TypeMX}, {name, dns.TypeTXT}}
	hosts := s.Exchangers(ctx).Hosts
	for _, h := range hosts[:min(len(hosts), maxServers)] {
		if !h.Host.IsZero() {
			records = append(records, record{world.NameOf(h.Host), dns.TypeA})
		}
	}
	return records
}
