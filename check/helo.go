package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

func heloChecks() []Check {
	return []Check{heloName, heloResolves, heloPTR, heloBanner, heloClient}
}

const heloWhy = "A server greets others with the name that it shows here. Receivers compare that name with the PTR record and its address: " +
	"T-Online, GMX, Comcast and countless small servers refuse a name that is no host name, does not exist, or belongs to another machine."

var heloName = rule{About{
	ID:        "helo.name",
	Question:  "Does the server call itself by a full host name?",
	Why:       heloWhy,
	Fix:       "Set the server's host name (myhostname in Postfix, primary_hostname in Exim) to its public name, such as mail.example.com.",
	Refs:      []string{"RFC 5321 4.1.1.1", "RFC 5321 2.3.5"},
	Rows:      []string{"HELO-01"},
	Practices: []string{"D4"},
	Affects:   []string{"gmx", "t-online", "comcast", "outlook"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"host-name", finding.Green, "the EHLO name is a full host name"},
		{"literal", finding.Red, "the EHLO name is an address"},
		{"not-a-host", finding.Red, "the EHLO name is no valid host name"},
		{"short", finding.Red, "the EHLO name has no domain"},
		{"local", finding.Red, "the EHLO name exists only inside a network"},
		{"none", finding.Red, "the answer to EHLO carries no name"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		name := smtp.NameIn(visit.Hello)
		f := finding.Finding{Evidence: evidence("S: " + visit.Hello.String())}
		f.Code, f.Summary = judgeHELOName(name)
		f.Summary = v.String() + " " + f.Summary
		if f.Code == "host-name" {
			f.Evidence = nil
		}
		return f
	})
}}

// localTops are top-level names that exist only inside networks (RFC 6762
// appendix G, RFC 6761).
var localTops = []string{"local", "localdomain", "localhost", "lan", "home", "internal", "intranet", "private", "corp", "invalid"}

func judgeHELOName(name string) (code, summary string) {
	if name == "" {
		return "none", "says no name in its answer to EHLO"
	}
	if _, err := netip.ParseAddr(strings.Trim(strings.TrimPrefix(strings.Trim(name, "[]"), "IPv6:"), "[]")); err == nil {
		return "literal", "calls itself by an address, " + name
	}
	d, err := mail.ParseDomain(name)
	if err != nil {
		return "not-a-host", fmt.Sprintf("calls itself %.80q, which is no host name", name)
	}
	top := d.String()[strings.LastIndexByte(d.String(), '.')+1:]
	switch {
	case slices.Contains(localTops, top):
		return "local", "calls itself " + name + ", a name that exists only inside a network"
	case d.Labels() < 2:
		return "short", "calls itself " + name + ", without a domain"
	}
	return "host-name", "calls itself " + d.String()
}

// eachVisit judges each server that could be talked to as far as EHLO. Of those that
// ended before, smtp.basics tells.
func eachVisit(ctx context.Context, s *Subject, judge func(Server, *Visit) finding.Finding) []finding.Finding {
	return eachGreeting(ctx, s, func(v Server, visit *Visit) finding.Finding {
		if !visit.Hello.IsPositive() {
			return finding.Finding{} // smtp.basics says so
		}
		return judge(v, visit)
	})
}

// eachGreeting judges every server that greeted, whatever came after.
func eachGreeting(ctx context.Context, s *Subject, judge func(Server, *Visit) finding.Finding) []finding.Finding {
	var found []finding.Finding
	for _, v := range s.Servers(ctx) {
		visit := s.Visit(ctx, v.IP)
		if !visit.Banner.IsPositive() {
			continue
		}
		f := judge(v, visit)
		if f.Code == "" {
			continue
		}
		if f.Subject == "" {
			f.Subject = v.String()
		}
		found = append(found, f)
	}
	return found
}

var heloResolves = rule{About{
	ID:        "helo.resolves",
	Question:  "Does the EHLO name lead to the address of the server?",
	Why:       heloWhy,
	Fix:       "Give the EHLO name an A or AAAA record with the address from which the server sends.",
	Refs:      []string{"RFC 5321 4.1.4", "RFC 7208 2.3"},
	Rows:      []string{"HELO-03"},
	Practices: []string{"D4"},
	Affects:   []string{"gmx", "t-online", "comcast"},
	Who:       finding.DNSOwner,
	Scope:     Servers,
	Needs:     []string{"mx.reachable", "helo.name"},
	Codes: []Code{
		{"same", finding.Green, "the EHLO name has the address of the server"},
		{"none", finding.Red, "the EHLO name has no address"},
		{"other", finding.Yellow, "the EHLO name has another address"},
		{"no-name", finding.Skip, "there is no host name to look up"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		d, err := mail.ParseDomain(smtp.NameIn(visit.Hello))
		if err != nil {
			return finding.Finding{Code: "no-name", Summary: v.String() + " says no host name"}
		}
		ips, err := s.addressesLike(ctx, d, v.IP)
		record := []finding.Record{{Name: d.String() + ".", Type: addressType(v.IP), Value: v.IP.String()}}
		switch {
		case errors.Is(err, world.ErrNotFound):
			return finding.Finding{Code: "none", Summary: fmt.Sprintf("%s calls itself %s, which has no address", v, d),
				Evidence: []string{evidenceOf(err)}, Records: record}
		case err != nil:
			return unseen(v.String(), err)
		case slices.Contains(ips, v.IP):
			return finding.Finding{Code: "same", Summary: fmt.Sprintf("%s has the address %s", d, v.IP)}
		}
		return finding.Finding{Code: "other", Summary: fmt.Sprintf("%s calls itself %s, which is at %s", v, d, joinAddresses(ips)), Records: record}
	})
}}

var heloPTR = rule{About{
	ID:        "helo.ptr",
	Question:  "Is the EHLO name the PTR name of the address?",
	Why:       heloWhy,
	Fix:       "Make them one: the PTR record of the address, the EHLO name, and the name that leads to the address.",
	Refs:      []string{"RFC 1912 2.1", "RFC 5321 4.1.4"},
	Rows:      []string{"HELO-02"},
	Practices: []string{"D4", "D10"},
	Affects:   []string{"gmx", "t-online"},
	Who:       finding.IPOwner,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"same", finding.Green, "the EHLO name is the PTR name"},
		{"differs", finding.Yellow, "the EHLO name is not the PTR name"},
		{"no-ptr", finding.Skip, "there is no PTR name to compare with"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		return s.compareWithPTR(ctx, v, smtp.NameIn(visit.Hello), "EHLO")
	})
}}

// compareWithPTR compares a name that the server says with its PTR names.
func (s *Subject) compareWithPTR(ctx context.Context, v Server, said, where string) finding.Finding {
	rev := s.IPRev(ctx, v.IP)
	switch rev.Result {
	case mailauth.IPRevPermError:
		return finding.Finding{Code: "no-ptr", Summary: v.IP.String() + " has no PTR record"}
	case mailauth.IPRevTempError:
		return unseen(v.String(), rev.Err)
	}
	names := s.reverseNames(ctx, v.IP)
	for _, name := range names {
		if strings.EqualFold(name.Text(), strings.TrimSuffix(said, ".")) {
			return finding.Finding{Code: "same", Summary: fmt.Sprintf("%s and PTR of %s are %s", where, v.IP, said)}
		}
	}
	return finding.Finding{Code: "differs",
		Summary:  fmt.Sprintf("%s of %s says %.80q, its PTR record says %s", where, v, said, joinNames(names)),
		Evidence: []string{fmt.Sprintf("%s PTR: %s", world.ReverseName(v.IP), joinNames(names))}}
}

var heloBanner = rule{About{
	ID:        "helo.banner",
	Question:  "Does the 220 greeting carry the PTR name as well?",
	Why:       "Audit tools and some receivers compare the first word of the greeting with the PTR record; a server that calls itself two names looks misconfigured.",
	Fix:       "Let the greeting begin with the server's host name, the same as in EHLO (smtpd_banner in Postfix).",
	Refs:      []string{"RFC 5321 4.3.1"},
	Rows:      []string{"HELO-06"},
	Practices: []string{"D4"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"same", finding.Green, "the greeting carries the PTR name"},
		{"differs", finding.Yellow, "the greeting carries another name"},
		{"no-ptr", finding.Skip, "there is no PTR name to compare with"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		return s.compareWithPTR(ctx, v, smtp.NameIn(visit.Banner), "the greeting")
	})
}}
