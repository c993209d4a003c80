package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
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
		case isNoRoute(visit.Unreached):
			f.Code, f.Summary = "no-ipv6-here", fmt.Sprintf("%s cannot be reached: this machine has no IPv6", v)
		default:
			f.Code, f.Summary = "dead", fmt.Sprintf("%s does not answer over IPv6 (%s)", v, visit.Unreached)
		}
		found = append(found, f)
	}
	if len(found) == 0 && s.Exchangers(ctx).Kind == route.ByMX {
		return one(finding.Finding{Code: "none", Subject: s.String(), Summary: "no MX host has an IPv6 address; nobody minds"})
	}
	return found
}}

// relayWords are what servers say of a domain that is not theirs.
var relayWords = []string{"relay", "not local", "not hosted", "unrouteable", "not a recipient domain"}

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
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		postmaster := visit.Roles["postmaster"]
		switch {
		case visit.For != s.mailDomain() || visit.Unknown.WhyNot != "":
			return finding.Finding{Code: "asked-already", Summary: v.String() + " was asked before in this run"}
		case postmaster.Reply.IsPositive():
			return finding.Finding{Code: "takes", Summary: fmt.Sprintf("%s takes mail for postmaster@%s", v, s)}
		case isForeign(visit.Unknown.Reply) && !postmaster.Reply.IsPositive():
			return finding.Finding{Code: "not-its-domain", Summary: fmt.Sprintf("%s does not know %s: %s", v, s, visit.Unknown.Reply), Evidence: visit.Unknown.Evidence()}
		case visit.Unknown.IsAnswered() && !visit.Unknown.Reply.IsTransient():
			return finding.Finding{Code: "takes", Summary: fmt.Sprintf("%s knows %s", v, s)}
		}
		return finding.Finding{}
	})
}}

// isForeign reports a refusal that is about the domain and not about the mailbox.
func isForeign(r mail.Reply) bool {
	if !r.IsPermanent() || r.Enhanced == (mail.EnhancedCode{Class: 5, Subject: 1, Detail: 1}) {
		return false
	}
	text := strings.ToLower(r.String())
	return slices.ContainsFunc(relayWords, func(w string) bool { return strings.Contains(text, w) })
}

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
		strict = appendIf(strict, visit.Unknown.Reply.IsPermanent(), v)
		lax = appendIf(lax, visit.Unknown.Reply.IsPositive(), v)
		tls = appendIf(tls, visit.StartTLS.State != nil, v)
		clear = appendIf(clear, visit.Hello.IsPositive() && visit.StartTLS.State == nil, v)
	}
	switch {
	case len(strict) > 0 && len(lax) > 0:
		f.Code, f.Summary = "lax-recipients", fmt.Sprintf("%s accepts unknown users that %s refuses", lax[0], strict[0])
	case len(tls) > 0 && len(clear) > 0:
		f.Code, f.Summary = "lax-tls", fmt.Sprintf("%s has TLS and %s has not", tls[0], clear[0])
	}
	return one(f)
}}

func appendIf(list []string, is bool, v Server) []string {
	if is {
		return append(list, v.String())
	}
	return list
}
