package check

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

func asnChecks() []Check {
	return []Check{asnOrigin, asnRange, asnNeighbours, asnKind}
}

var asnOrigin = rule{About{
	ID:       "asn.origin",
	Question: "Whose network are the sending addresses in?",
	Why: "Receivers hold the company that a network belongs to for its customers: at Microsoft (S3150), T-Online and others a bad neighbour costs " +
		"everybody in the network. It is also who must set the PTR record and answer complaints.",
	Fix:       "Nothing need be done. Where the network has a bad name, move, or send through a smarthost elsewhere.",
	Refs:      []string{"RFC 4271 3"},
	Rows:      []string{"ASN-01"},
	Practices: []string{"B2"},
	Affects:   []string{"outlook", "t-online"},
	Who:       finding.IPOwner,
	Scope:     Servers,
	Codes: []Code{
		{"announced", finding.Green, "the network that the address belongs to is known"},
		{"unannounced", finding.Skip, "nobody announces the address, or the mapping does not know it"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, a := range s.Addresses(ctx) {
		if s.World.IsPublic(a.IP) {
			found = append(found, s.judgeOrigin(ctx, a.IP))
		}
	}
	return found
}}

func (s *Subject) judgeOrigin(ctx context.Context, ip netip.Addr) finding.Finding {
	n := s.NetworkOf(ctx, ip)
	f := finding.Finding{Subject: ip.String()}
	switch {
	case n.Err != nil && isAbsence(n.Err):
		f.Code, f.Summary = "unannounced", fmt.Sprintf("no network is known that announces %s", ip)
		f.Evidence = []string{evidenceOf(n.Err)}
	case n.Err != nil:
		return unseen(ip.String(), n.Err)
	default:
		f.Code, f.Summary = "announced", fmt.Sprintf("%s is in %s", ip, n)
		f.Evidence = evidence(strings.TrimSpace(fmt.Sprintf("registered in %s with %s %s", n.Country, n.Registry, n.Allocated)))
	}
	return f
}

var asnRange = rule{About{
	ID:       "asn.range",
	Question: "Are the ranges and networks of the sending addresses free of lists?",
	Why: "UCEPROTECT levels 2 and 3 list whole ranges and whole providers for what some of their customers send. Such an entry says nothing about " +
		"your server, hardly any receiver refuses by it, and nothing you do ends it; other audit tools show it in red all the same.",
	Fix:       "Nothing need be done; do not pay for an express removal. A provider that is always listed is a reason to look for another one.",
	Refs:      []string{"RFC 6471 2.1.3", "RFC 6471 2.2.5"},
	Rows:      []string{"ASN-04"},
	Practices: []string{"B2"},
	Who:       finding.IPOwner,
	Scope:     Servers,
	Codes:     listCodes(),
}, ofAddresses(listing{
	func(l *reputation.List) bool { return l.Scope != "" }, reputation.Bad, "for its range or network", "",
})}

// Shares of listed neighbours that are worth a word, and worth moving away.
const (
	someNeighbours = 0.10
	manyNeighbours = 0.30
)

var asnNeighbours = rule{About{
	ID:       "asn.neighbours",
	Question: "Are the neighbours of the sending addresses decent?",
	Why: "Large receivers judge a whole /24 together: among listed neighbours a clean address is throttled or refused, at Microsoft with S3150 and " +
		"'part of their network'. Sixteen neighbours are asked about at Spamhaus ZEN and SpamCop.",
	Fix: "Ask the provider for an address in another range, move to another provider, or send through a smarthost. Removal requests for your own " +
		"address change nothing.",
	Refs:      []string{"RFC 6471 2.1.3"},
	Rows:      []string{"ASN-NEIGH"},
	Practices: []string{"B2"},
	Affects:   []string{"outlook", "microsoft365", "yahoo"},
	Who:       finding.IPOwner,
	Scope:     Servers,
	Codes: []Code{
		{"decent", finding.Green, "at most a tenth of the sampled neighbours is listed"},
		{"some-listed", finding.Yellow, "more than a tenth of the sampled neighbours is listed"},
		{"many-listed", finding.Red, "more than three tenths of the sampled neighbours are listed"},
		{"could-not-say", finding.Unknown, "a list that was asked about the neighbours did not answer"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	seen := map[netip.Prefix]bool{}
	for _, a := range s.Addresses(ctx) {
		n := s.NeighboursOf(ctx, a.IP)
		if !n.Prefix.IsValid() || seen[n.Prefix] {
			continue
		}
		seen[n.Prefix] = true
		if f := judgeNeighbours(a.IP, n); f.Code != "" {
			found = append(found, f)
		}
	}
	return found
}}

// judgeNeighbours goes by the share of those seen. A list that did not answer can
// only hide listings: it spoils a good verdict, never a bad one.
func judgeNeighbours(ip netip.Addr, n reputation.Neighbourhood) finding.Finding {
	f := finding.Finding{Code: "decent", Subject: ip.String(),
		Summary: fmt.Sprintf("%d of %d sampled neighbours of %s in %s are listed", len(n.Listed), n.Asked, ip, n.Prefix)}
	for _, other := range n.Listed {
		f.Evidence = append(f.Evidence, other.String()+" is listed")
	}
	switch {
	case n.Share() > manyNeighbours:
		f.Code = "many-listed"
	case n.Share() > someNeighbours:
		f.Code = "some-listed"
	case len(n.Refused) > 0:
		f.Code, f.Summary = "could-not-say", fmt.Sprintf("the neighbours of %s could not be judged: %s did not answer", ip, listNames(n.Refused))
		for _, a := range n.Refused {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s: %s", a.List.Name, a.Detail))
		}
		f.Fix = n.Refused[0].Cure
	case n.Asked == 0:
		return finding.Finding{}
	}
	return f
}

var asnKind = rule{About{
	ID:       "asn.kind",
	Question: "Does the DNS take the sending addresses for servers, not for homes or rented defaults?",
	Why: "What kind of network an address is in decides how much patience receivers have: home connections are refused, fresh cloud machines are " +
		"throttled, and some clouds let no mail out on port 25 at all.",
	Fix:       "Send from an address that the provider gives to servers, with a PTR name of your own, or through a smarthost.",
	Refs:      []string{"RFC 6471 2.1.3"},
	Rows:      []string{"ASN-06"},
	Practices: []string{"B2", "D3"},
	Who:       finding.IPOwner,
	Scope:     Servers,
	Codes: []Code{
		{"server", finding.Green, "neither the PTR name nor a policy list says that it is no server"},
		{"home", finding.Skip, "it looks like a home connection (rdns.generic and blocklist.policy judge that)"},
		{"rented", finding.Skip, "it has the default name of a hoster"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, a := range s.Addresses(ctx) {
		if f := s.judgeKind(ctx, a.IP); f.Code != "" {
			found = append(found, f)
		}
	}
	return found
}}

// judgeKind says nothing where a name or an answer is missing: others say that.
func (s *Subject) judgeKind(ctx context.Context, ip netip.Addr) finding.Finding {
	f := finding.Finding{Subject: ip.String()}
	rev := s.IPRev(ctx, ip)
	if rev.Result != mailauth.IPRevPass {
		return f
	}
	kind := reputation.JudgeName(rev.Name.Text(), ip)
	asked := listing{hasPolicy, reputation.Policy, "", ""}.count(poll{answers: s.ListsOnAddress(ctx, ip)})
	onPolicyList := len(asked.listed)+len(asked.minor) > 0
	f.Evidence = evidence(fmt.Sprintf("%s PTR: %s", world.ReverseName(ip), rev.Name.Text()), strings.Join(kind.Reasons, "; "))
	switch {
	case kind.Class == reputation.Dynamic || onPolicyList:
		f.Code, f.Summary = "home", fmt.Sprintf("%s looks like a home connection", ip)
	case kind.Class == reputation.HosterDefault:
		f.Code, f.Summary = "rented", fmt.Sprintf("%s has the name that its hoster gives by default", ip)
	case len(asked.clean) > 0:
		f.Code, f.Summary = "server", fmt.Sprintf("%s looks like a server", ip)
	}
	return f
}
