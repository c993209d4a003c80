package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/route"
)

var mxConsistent = rule{About{
	ID:       "mx.consistent",
	Question: "Do all name servers give the same MX records?",
	Why: "Senders ask any of the name servers. An old MX on one of them takes a part of the mail to a server that no longer wants it: it bounces, " +
		"or lies in a mailbox that nobody reads.",
	Fix:       "Bring the name servers to the same copy of the zone; take out those that are no longer fed.",
	Refs:      []string{"RFC 1034 4.3.5", "RFC 5321 5.1"},
	Rows:      []string{"MX-05"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"same", finding.Green, "every name server gives the same MX records"},
		{"differ", finding.Yellow, "name servers give different MX records"},
		{"unseen", finding.Unknown, "no name server answered the question for MX"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	f := finding.Finding{Subject: s.String()}
	sets := map[string]bool{}
	asked := 0
	for _, n := range s.Delegation(ctx).Speakers() {
		if n.MX == nil {
			continue
		}
		asked++
		text := strings.Join(n.MX.Records, ", ")
		sets[text] = true
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s: %s. MX: %.200s", n, s, text))
	}
	switch {
	case asked == 0:
		f.Code, f.Summary = "unseen", "no name server says which MX records "+s.String()+" has"
		f.Fix = "Look at the name servers: they answer for the zone, and not for this type."
	case len(sets) > 1:
		f.Code, f.Summary = "differ", fmt.Sprintf("the name servers give %d different sets of MX records for %s", len(sets), s)
	default:
		f.Code, f.Summary, f.Evidence = "same", fmt.Sprintf("%d name server %s give the same MX records", asked, plural(asked, "address")), nil
	}
	return one(f)
}}

var mxParked = rule{About{
	ID:       "mx.parked",
	Question: "Does a domain without mail say so everywhere?",
	Why: "Domains that send nothing are what forgers like to use. Four records close one: nobody can write to it, and nothing that claims to come " +
		"from it is believed.",
	Fix:       "Publish the records below.",
	Refs:      []string{"RFC 7505", "RFC 7208 10.1.2", "RFC 9989 5.1", "RFC 6376 3.6.1"},
	Rows:      []string{"MX-11"},
	Practices: []string{"D7", "A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"parked", finding.Green, "null MX, empty SPF, DMARC reject, and no DKIM key possible"},
		{"partial", finding.Yellow, "some of the records are missing"},
		{"in-use", finding.Skip, "the domain takes mail"},
	},
}, judgeParked}

func judgeParked(ctx context.Context, s *Subject) []finding.Finding {
	x := s.Exchangers(ctx)
	f := finding.Finding{Subject: s.String()}
	nothing, err := s.sendsNothing(ctx)
	switch {
	case x.Kind == route.Unknown:
		return one(unseen(s.String(), x.Err))
	case x.Kind == route.Nowhere && err != nil:
		return one(unseen(s.String(), err))
	case x.Kind != route.Null && !(x.Kind == route.Nowhere && nothing):
		f.Code, f.Summary = "in-use", s.String()+" is not parked"
		return one(f)
	}
	var missing []string
	for _, part := range []func(context.Context, *Subject) (string, finding.Record, error){parkedMX, parkedSPF, parkedDMARC, parkedDKIM} {
		what, record, err := part(ctx, s)
		if err != nil && !isAbsence(err) {
			return one(unseen(s.String(), err))
		}
		if what != "" {
			missing = append(missing, what)
			f.Records = append(f.Records, record)
			f.Evidence = append(f.Evidence, record.Name+" "+record.Type+": not as below")
		}
	}
	f.Code, f.Summary = "parked", s.String()+" is closed to mail in every way"
	if len(missing) > 0 {
		f.Code, f.Summary = "partial", fmt.Sprintf("%s has no mail, but not: %s", s, strings.Join(missing, ", "))
	}
	return one(f)
}

func parkedMX(ctx context.Context, s *Subject) (string, finding.Record, error) {
	if s.Exchangers(ctx).Kind == route.Null {
		return "", finding.Record{}, nil
	}
	return "a null MX", finding.Record{Name: s.String() + ".", Type: "MX", Value: "0 ."}, nil
}

func parkedSPF(ctx context.Context, s *Subject) (string, finding.Record, error) {
	got := s.SPFOf(ctx, s.Domain())
	if nothing, _ := s.sendsNothing(ctx); nothing && got.Record != nil {
		return "", finding.Record{}, nil
	}
	return "an SPF record that allows nobody", finding.TXT(s.String()+".", "v=spf1 -all"), got.Err
}

func parkedDMARC(ctx context.Context, s *Subject) (string, finding.Record, error) {
	d := s.DMARCOf(ctx, s.Domain())
	if d.Applied() == dmarc.Reject {
		return "", finding.Record{}, nil
	}
	return "DMARC with p=reject", finding.TXT("_dmarc."+s.String()+".", "v=DMARC1; p=reject"), d.Err
}

// parkedDKIM looks for the revoked key that stands in for every selector.
func parkedDKIM(ctx context.Context, s *Subject) (string, finding.Record, error) {
	found, err := dkim.LookupKey(ctx, s.World, s.Domain(), s.randomLabel())
	if err == nil && slices.ContainsFunc(found.Keys, func(k *dkim.Key) bool { return k.Revoked }) {
		return "", finding.Record{}, nil
	}
	return "a revoked DKIM key for every selector", finding.TXT("*._domainkey."+s.String()+".", "v=DKIM1; p="), err
}
