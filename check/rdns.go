package check

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

func rdnsChecks() []Check {
	return []Check{rdnsForwardConfirmed, rdnsName, rdnsGeneric, rdnsOwnDomain, rdnsClient}
}

var rdnsForwardConfirmed = rule{About{
	ID:       "rdns.forward-confirmed",
	Question: "Does every sending address have a PTR name that leads back to it?",
	Why: "Forward-confirmed reverse DNS is the first thing a receiver looks at. Google answers 4.7.23 or 5.7.25 without it, " +
		"Yahoo, Microsoft, Comcast, GMX and T-Online refuse or defer, and many small servers do the same.",
	Fix: "Whoever owns the address (the hoster, the provider) sets its PTR to the name the server says in EHLO; " +
		"the zone of that name gets an A or AAAA record with the address.",
	Refs:      []string{"RFC 1912 2.1", "RFC 8601 3", "RFC 5321 4.1.4"},
	Rows:      []string{"RDNS-01", "RDNS-02", "RDNS-06"},
	Practices: []string{"D1", "D2"},
	Affects:   []string{"google", "yahoo", "outlook", "microsoft365", "comcast", "gmx", "t-online", "apple"},
	Who:       finding.IPOwner,
	Scope:     Servers,
	Codes: []Code{
		{"confirmed", finding.Green, "a PTR name leads back to the address"},
		{"no-ptr", finding.Red, "the address has no PTR record"},
		{"not-confirmed", finding.Red, "no PTR name leads back to the address"},
		{"no-address", finding.Skip, "no sending address is known"},
	},
}, judgeForwardConfirmed}

func judgeForwardConfirmed(ctx context.Context, s *Subject) []finding.Finding {
	addresses := s.Addresses(ctx)
	if len(addresses) == 0 {
		if err := s.addressesErr(ctx); err != nil {
			return one(unseen(s.String(), err))
		}
		return one(finding.Finding{Code: "no-address", Subject: s.String(),
			Summary: "no sending address is known; name one with --ip"})
	}
	var found []finding.Finding
	for _, a := range addresses {
		found = append(found, s.judgeIPRev(ctx, a))
	}
	return found
}

func (s *Subject) judgeIPRev(ctx context.Context, a SendingAddress) finding.Finding {
	rev := s.IPRev(ctx, a.IP)
	f := finding.Finding{Subject: a.IP.String()}
	switch rev.Result {
	case mailauth.IPRevPass:
		f.Code = "confirmed"
		f.Summary = fmt.Sprintf("%s is %s, and back", a.IP, rev.Name.Text())
	case mailauth.IPRevPermError:
		f.Code = "no-ptr"
		f.Summary = fmt.Sprintf("%s has no PTR record", a.IP)
		f.Evidence = []string{evidenceOf(rev.Err)}
		s.wantPTR(ctx, &f, a)
	case mailauth.IPRevFail:
		s.describeUnconfirmed(ctx, &f, rev)
	default:
		return unseen(a.IP.String(), rev.Err)
	}
	return f
}

// describeUnconfirmed fills in a finding about a PTR name that leads elsewhere.
func (s *Subject) describeUnconfirmed(ctx context.Context, f *finding.Finding, rev mailauth.IPRev) {
	name := rev.Names[0].Name
	f.Code = "not-confirmed"
	f.Summary = fmt.Sprintf("%s is named %s, which does not lead back to it", rev.IP, name.Text())
	f.Evidence = []string{fmt.Sprintf("%s PTR: %s", world.ReverseName(rev.IP), joinNames(s.reverseNames(ctx, rev.IP)))}
	for _, n := range rev.Names {
		f.Evidence = append(f.Evidence, forwardEvidence(n))
	}
	f.Fix = fmt.Sprintf("Either add the address to %s, or have the PTR record name a host that has it.", name.Text())
	f.Who = finding.DNSOwner
	f.Records = []finding.Record{{Name: name.String(), Type: addressType(rev.IP), Value: rev.IP.String()}}
}

func addressType(ip netip.Addr) string {
	if ip.Is4() {
		return "A"
	}
	return "AAAA"
}

// wantedName is the name that the PTR record of an address should carry: that of
// the MX host that has it, else of the best MX host, else what the server calls
// itself, else mail.<domain>; zero when nothing is known.
func (s *Subject) wantedName(ctx context.Context, a SendingAddress) mail.Domain {
	servers := s.Servers(ctx)
	for _, v := range servers {
		if v.IP == a.IP && !v.Name.IsZero() {
			return v.Name
		}
	}
	if len(servers) > 0 && !servers[0].Name.IsZero() {
		return servers[0].Name
	}
	said := ""
	switch s.Target.Kind {
	case Message:
		said = s.Handover(ctx).HELO
	case Address:
		said = smtp.NameIn(s.Visit(ctx, a.IP).Hello)
	case Domain:
		said = "mail." + s.Domain().String()
	}
	if d, err := mail.ParseDomain(said); err == nil && d.Labels() > 1 {
		return d
	}
	return mail.Domain{}
}

// wantPTR adds what the PTR record should be, where a name is known.
func (s *Subject) wantPTR(ctx context.Context, f *finding.Finding, a SendingAddress) {
	wanted := s.wantedName(ctx, a)
	if wanted.IsZero() {
		f.Fix = fmt.Sprintf("Ask the owner of %s to set its PTR record to the name that the server says in EHLO.", a.IP)
		return
	}
	f.Fix = fmt.Sprintf("Ask the owner of %s to set its PTR record to %s.", a.IP, wanted)
	f.Records = []finding.Record{{Name: world.ReverseName(a.IP).String(), Type: "PTR", Value: wanted.String() + "."}}
}

var rdnsName = rule{About{
	ID:       "rdns.name",
	Question: "Is the PTR name one valid host name?",
	Why: "A PTR that is no host name (an underscore, a single label, an address) cannot be an EHLO name. Several PTR records let " +
		"receivers pick any of them, so the comparison with EHLO succeeds only now and then.",
	Fix:       "Keep exactly one PTR record, a host name of at least three labels such as mail.example.com.",
	Refs:      []string{"RFC 1123 2.1", "RFC 1912 2.1"},
	Rows:      []string{"RDNS-03"},
	Practices: []string{"D3"},
	Affects:   []string{"google", "gmx", "t-online"},
	Who:       finding.IPOwner,
	Scope:     Servers | Message,
	Needs:     []string{"rdns.forward-confirmed"},
	Codes: []Code{
		{"one-name", finding.Green, "one PTR record with a valid host name"},
		{"several", finding.Yellow, "more than one PTR record"},
		{"invalid", finding.Red, "the PTR name is no valid host name"},
		{"short", finding.Yellow, "the PTR name has fewer than three labels"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, a := range s.Addresses(ctx) {
		found = append(found, judgeRevName(a.IP, s.reverseNames(ctx, a.IP))...)
	}
	return found
}}

func judgeRevName(ip netip.Addr, names []world.Name) []finding.Finding {
	if len(names) == 0 {
		return nil
	}
	f := finding.Finding{Subject: ip.String(),
		Evidence: []string{fmt.Sprintf("%s PTR: %s", world.ReverseName(ip), joinNames(names))}}
	d, err := names[0].Domain()
	switch {
	case err != nil:
		f.Code, f.Summary = "invalid", fmt.Sprintf("the PTR name of %s, %s, is no host name", ip, names[0].Text())
	case len(names) > 1:
		f.Code, f.Summary = "several", fmt.Sprintf("%s has %d PTR records: %s", ip, len(names), joinNames(names))
	case d.Labels() < 3:
		f.Code, f.Summary = "short", fmt.Sprintf("the PTR name of %s, %s, is a bare domain", ip, d)
	default:
		f.Code, f.Summary = "one-name", fmt.Sprintf("%s has one PTR name, %s", ip, d)
	}
	return one(f)
}

var rdnsOwnDomain = rule{About{
	ID:       "rdns.own-domain",
	Question: "Does the PTR name stand under the domain of the sender or of its mail server?",
	Why: "T-Online asks for a web site with contact data under the domain of the PTR name, Yahoo for a name that reflects your domain. " +
		"One domain for forward, reverse and authentication is what reputation gathers on.",
	Fix:       "Name the server under the mail domain, or under the domain of the company that runs it, in PTR, EHLO and MX alike.",
	Refs:      []string{"RFC 8601 3"},
	Rows:      []string{"RDNS-05"},
	Practices: []string{"D10"},
	Affects:   []string{"t-online", "yahoo"},
	Who:       finding.IPOwner,
	Scope:     Domain | Host,
	Needs:     []string{"rdns.forward-confirmed"},
	Codes: []Code{
		{"same-domain", finding.Green, "the PTR name is under the domain of the target or of its MX host"},
		{"other-domain", finding.Yellow, "the PTR name is under another domain"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, a := range s.Addresses(ctx) {
		for _, name := range s.confirmedNames(ctx, a.IP) {
			found = append(found, s.judgeOwnDomain(ctx, a.IP, name))
			break
		}
	}
	return found
}}

func (s *Subject) judgeOwnDomain(ctx context.Context, ip netip.Addr, name mail.Domain) finding.Finding {
	own := []mail.Domain{s.Domain()}
	for _, v := range s.Servers(ctx) {
		own = append(own, v.Name)
	}
	for _, d := range own {
		if !d.IsZero() && d.Registrable() == name.Registrable() {
			return finding.Finding{Code: "same-domain", Subject: ip.String(),
				Summary: fmt.Sprintf("%s is named under %s", ip, d.Registrable())}
		}
	}
	return finding.Finding{Code: "other-domain", Subject: ip.String(),
		Summary: fmt.Sprintf("%s is named %s, under neither the mail domain nor its MX host", ip, name)}
}
