package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/route"
)

var mxIPv6 = rule{About{
	ID:        "mx.ipv6",
	Question:  "Can mail come in over IPv6, where an address says so?",
	Why:       "Nobody refuses mail for want of IPv6. But an AAAA record that leads nowhere costs every sender with IPv6 a time-out first.",
	Fix:       "Let the server listen on the address of its AAAA record, or withdraw the record.",
	Refs:      []string{"RFC 5321 5.2", "RFC 3974"},
	Rows:      []string{"MX-07"},
	Practices: []string{"D5"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"answers", finding.Green, "an MX host answers over IPv6"},
		{"none", finding.Skip, "no MX host has an IPv6 address"},
		{"dead", finding.Red, "an IPv6 address that does not answer, while IPv4 does"},
		{"no-ipv6-here", finding.Unknown, "this machine has no IPv6"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, v := range s.Servers(ctx) {
		if !v.IP.Is6() {
			continue
		}
		f := finding.Finding{Subject: v.String(), Code: "answers", Summary: v.String() + " answers over IPv6"}
		visit := s.Visit(ctx, v.IP)
		switch {
		case visit.Unreached == nil:
		case isOurs(visit.Unreached):
			f = unseen(v.String(), visit.Unreached)
		case isNoRoute(visit.Unreached):
			f.Code, f.Summary = "no-ipv6-here", fmt.Sprintf("%s cannot be reached: this machine has no IPv6", v)
		default:
			f.Code, f.Summary = "dead", fmt.Sprintf("%s does not answer over IPv6 (%s)", v, visit.Unreached)
			f.Evidence = []string{visit.Unreached.Error()}
		}
		found = append(found, f)
	}
	found = append(found, s.unseenIPv6(ctx)...)
	if len(found) == 0 && s.Exchangers(ctx).Kind == route.ByMX {
		return one(finding.Finding{Code: "none", Subject: s.String(), Summary: "no MX host has an IPv6 address; nobody minds"})
	}
	return found
}}

// unseenIPv6 are the findings for MX hosts of which nobody says whether they have an
// IPv6 address.
func (s *Subject) unseenIPv6(ctx context.Context) []finding.Finding {
	var found []finding.Finding
	servers := s.Servers(ctx)
	for _, h := range s.Exchangers(ctx).Hosts {
		if h.Err6 != nil && !isAbsence(h.Err6) && !h.Host.IsZero() {
			found = append(found, unseen(h.Name.Text(), h.Err6))
		}
		asked := slices.ContainsFunc(servers, func(v Server) bool { return v.Name == h.Host && v.IP.Is6() })
		if !asked && slices.ContainsFunc(h.V6, s.World.IsPublic) {
			found = append(found, unseen(h.Name.Text(), errBeyond))
		}
	}
	return found
}

var mxAccepts = rule{About{
	ID:        "mx.accepts",
	Question:  "Does every MX host take mail for this domain?",
	Why:       "A forgotten MX record sends part of the mail to a host that answers \"relay access denied\", and the mail bounces.",
	Fix:       "Take the host out of the MX records, or tell it that the domain is its own.",
	Refs:      []string{"RFC 5321 5.1"},
	Rows:      []string{"MX-09"},
	Practices: []string{"D7"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"takes", finding.Green, "the host knows the domain"},
		{"not-its-domain", finding.Red, "the host says that the domain is not its own"},
		{"deferred", finding.Unknown, "the host answers with a temporary error"},
		refusesUs,
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		stance := visit.unknownStance()
		switch {
		case visit.Roles["postmaster"].Reply.IsPositive():
			return finding.Finding{Code: "takes", Summary: fmt.Sprintf("%s takes mail for postmaster@%s", v, s)}
		case visit.isForOthers(s):
			return finding.Finding{Code: "asked-already", Summary: v.String() + " was asked before in this run"}
		case stance == disowns:
			return finding.Finding{Code: "not-its-domain", Summary: fmt.Sprintf("%s does not know %s: %s", v, s, visit.Unknown.Reply), Evidence: visit.Unknown.Evidence()}
		case stance == shuns:
			return shunned(v, visit.Unknown.Reply.String(), visit.Unknown.Evidence())
		case stance == postpones:
			return finding.Finding{Code: "deferred", Summary: fmt.Sprintf("%s defers mail for %s: %s", v, s, visit.Unknown.Reply), Evidence: visit.Unknown.Evidence()}
		case stance == unasked:
			return visit.unanswered(v, visit.Unknown)
		}
		return finding.Finding{Code: "takes", Summary: fmt.Sprintf("%s knows %s", v, s)}
	})
}}

var mxBackup = rule{About{
	ID:       "mx.backup",
	Question: "Is every MX host as strict as the best one?",
	Why: "Spammers go to the backup MX on purpose. One that accepts unknown users or offers no TLS undoes what the main server refuses, " +
		"and bounces to strangers.",
	Fix:       "Give the backup the same list of mailboxes and the same certificate, or do without: senders retry for days.",
	Refs:      []string{"RFC 5321 5.1"},
	Rows:      []string{"MX-10", "TLS-16"},
	Practices: []string{"I1"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"alike", finding.Green, "all hosts answer alike"},
		{"single", finding.Skip, "there is one MX host"},
		{"unseen", finding.Unknown, "a host could not be compared with the others"},
		{"lax-recipients", finding.Red, "one host accepts unknown users that another refuses"},
		{"lax-tls", finding.Yellow, "one host offers TLS and another does not"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	hosts := s.Exchangers(ctx).Hosts
	f := finding.Finding{Subject: s.String(), Code: "alike", Summary: "all MX hosts answer alike"}
	if len(hosts) < 2 {
		f.Code, f.Summary = "single", "there is only one MX host"
		return one(f)
	}
	var strict, lax, tls, clear []string
	for _, v := range s.Servers(ctx) {
		visit := s.Visit(ctx, v.IP)
		stance := visit.unknownStance()
		if visit.isForOthers(s) {
			stance = unasked
		}
		strict = appendIf(strict, stance == denies || stance == disowns, v)
		lax = appendIf(lax, stance == accepts, v)
		tls = appendIf(tls, visit.StartTLS.State != nil, v)
		clear = appendIf(clear, visit.lacksTLS(), v)
	}
	switch gaps, spared := s.uncompared(ctx, hosts); {
	case len(strict) > 0 && len(lax) > 0:
		f.Code, f.Summary = "lax-recipients", fmt.Sprintf("%s accepts unknown users that %s refuses", lax[0], strict[0])
		f.Evidence = []string{"accepts: " + strings.Join(lax, ", "), "refuses: " + strings.Join(strict, ", ")}
	case len(tls) > 0 && len(clear) > 0:
		f.Code, f.Summary = "lax-tls", fmt.Sprintf("%s has TLS and %s has not", tls[0], clear[0])
		f.Evidence = []string{"TLS: " + strings.Join(tls, ", "), "in the clear: " + strings.Join(clear, ", ")}
	case len(gaps) > 0:
		f.Code, f.Summary = "unseen", fmt.Sprintf("not every MX host could be compared: nobody knows about %s", strings.Join(gaps, ", "))
		f.Fix = "Look at the other findings about the host, and run the check again."
	case spared:
		f.Code, f.Summary = "asked-already", "an MX host was asked about another domain in this run, and is not asked again"
	}
	return one(f)
}}

// uncompared are the hosts of which nobody knows whether they take mail for unknown
// users or offer TLS; spared says that some were not asked because they were before.
// A host without any address can be neither strict nor lax.
func (s *Subject) uncompared(ctx context.Context, hosts []route.Exchanger) (gaps []string, spared bool) {
	servers := s.Servers(ctx)
	for _, h := range hosts {
		known, others := false, false
		for _, v := range servers {
			if v.Name != h.Host {
				continue
			}
			visit := s.Visit(ctx, v.IP)
			others = others || visit.isForOthers(s) && visit.Hello.IsPositive()
			known = known || !visit.isForOthers(s) && visit.isComparable()
		}
		switch {
		case known || h.Host.IsZero() || h.Err() != nil && isAbsence(h.Err()):
		case others:
			spared = true
		default:
			gaps = append(gaps, h.Name.Text())
		}
	}
	return gaps, spared
}

// isComparable reports that the host said both whether it takes mail for unknown
// users and whether it has TLS.
func (v *Visit) isComparable() bool {
	switch v.unknownStance() {
	case accepts, denies, disowns:
		return v.StartTLS.State != nil || v.lacksTLS()
	}
	return false
}

// lacksTLS reports that the host was heard, and mail to it would go in the clear.
func (v *Visit) lacksTLS() bool {
	tried := v.StartTLS.Offered && (isOurs(v.StartTLS.Err) || isTimeout(v.StartTLS.Err))
	return v.Hello.IsPositive() && v.StartTLS.State == nil && !tried
}

func appendIf(list []string, is bool, v Server) []string {
	if is {
		return append(list, v.String())
	}
	return list
}
