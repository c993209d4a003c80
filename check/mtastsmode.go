package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/tlsprobe"
)

var stsMode = rule{About{
	ID:       "mta-sts.mode",
	Question: "Does the policy ask senders to enforce it?",
	Why: "In mode testing senders deliver over any channel and only report what would have failed; in mode none they forget the policy. " +
		"Only mode enforce keeps mail from a forged or unencrypted channel.",
	Fix: "Read the TLS reports for some weeks; when they show no failure, set mode: enforce and give the record a new id. " +
		"Mode none is right only while MTA-STS is being taken down.",
	Refs:      []string{"RFC 8461 5", "RFC 8461 8.3"},
	Rows:      []string{"STS-05"},
	Practices: []string{"A8"},
	Affects:   stsSenders,
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mta-sts.syntax"},
	Codes: []Code{
		{"enforce", finding.Green, "senders hold back what they cannot deliver safely"},
		{"testing", finding.Yellow, "senders deliver anyway, and report"},
		{"off", finding.Yellow, "the policy asks for nothing"},
	},
}, ofPolicy(func(_ context.Context, s *Subject, sts route.STS, f finding.Finding) finding.Finding {
	switch sts.Policy.Mode {
	case route.STSEnforce:
		f.Code, f.Summary = "enforce", "senders deliver to "+s.String()+" over verified TLS only"
		return f
	case route.STSTesting:
		f.Code, f.Summary = "testing", "the policy is in mode testing: senders deliver over any channel and only report"
	default:
		f.Code, f.Summary = "off", "the policy is in mode none: senders act as if there were none"
	}
	f.Records = []finding.Record{finding.TXT("_mta-sts."+s.String()+".", s.suggestSTS())}
	f.Evidence = policyLines(sts.Body)
	return f
})}

var stsMX = rule{About{
	ID:       "mta-sts.mx",
	Question: "Does the policy allow every MX host?",
	Why: "In mode enforce senders do not deliver to a host that no mx line names: they try the others, then keep the mail for days and " +
		"bounce it. It happens whenever the MX records change and the policy does not.",
	Fix:       "Add an mx line for each MX host to the policy and give the record a new id; change the policy first and the MX records a max_age later.",
	Refs:      []string{"RFC 8461 4.1", "RFC 8461 8.3"},
	Rows:      []string{"STS-06"},
	Practices: []string{"A8"},
	Affects:   stsSenders,
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.exists", "mta-sts.syntax"},
	Codes: []Code{
		{"listed", finding.Green, "an mx line names the host"},
		{"not-listed", finding.Red, "no mx line names the host: senders do not deliver to it"},
		{"not-listed-testing", finding.Yellow, "no mx line names the host: senders would not deliver to it in mode enforce"},
		{"unused", finding.Skip, "an mx line that fits no MX host; harmless, and right while hosts change"},
		{"alias", finding.Skip, "the MX record names an alias of an allowed host; it must name the host itself (mx.target)"},
	},
}, judgeSTSHosts}

func judgeSTSHosts(ctx context.Context, s *Subject) []finding.Finding {
	sts := s.STS(ctx)
	if !sts.Usable() || sts.Policy.Mode == route.STSNone {
		return nil
	}
	hosts := s.Exchangers(ctx).Hosts
	var found []finding.Finding
	for i := range hosts {
		found = append(found, judgeSTSHost(&hosts[i], sts))
	}
	for _, p := range sts.Policy.MX {
		used := slices.ContainsFunc(hosts, func(h route.Exchanger) bool { return p.Matches(h.Host) || p.Matches(aliasEnd(&h)) })
		if !used {
			found = append(found, finding.Finding{Code: "unused", Subject: p.String(), Summary: "mx: " + p.String() + " fits no MX host"})
		}
	}
	return found
}

func judgeSTSHost(h *route.Exchanger, sts route.STS) finding.Finding {
	f := finding.Finding{Subject: h.Name.Text(), Code: "listed", Summary: "the policy allows " + h.Name.Text()}
	switch {
	case sts.Policy.Allows(h.Host):
		return f
	case sts.Policy.Allows(aliasEnd(h)):
		f.Code, f.Summary = "alias", fmt.Sprintf("the policy allows %s, of which %s is an alias", aliasEnd(h), h.Name.Text())
		return f
	}
	f.Code, f.Summary = "not-listed", "the policy does not allow "+h.Name.Text()+": senders that honour it do not deliver there"
	if sts.Policy.Mode == route.STSTesting {
		f.Code = "not-listed-testing"
		f.Summary = "the policy does not allow " + h.Name.Text() + ": in mode enforce senders would not deliver there"
	}
	f.Evidence = append([]string{fmt.Sprintf("%s. MX: %d %s", sts.Domain, h.Preference, h.Name)}, policyLines(sts.Body)...)
	f.Fix = fmt.Sprintf("Add the line %q to the policy and give the record a new id, or take the host out of the MX records.", "mx: "+h.Name.Text())
	return f
}

var stsCertificates = rule{About{
	ID:       "mta-sts.certificates",
	Question: "Does every MX host show what the policy promises: TLS 1.2 and a valid certificate for its name?",
	Why: "In mode enforce senders that honour MTA-STS (Google, Microsoft, Yahoo) do not deliver over anything less: the mail waits in " +
		"their queues and comes back after days. Other senders notice nothing, so half the mail seems to be missing.",
	Fix:       "Give the host a certificate of a public authority for its MX name, with the whole chain; until then set mode: testing and give the record a new id.",
	Refs:      []string{"RFC 8461 4.2", "RFC 8461 5"},
	Rows:      []string{"STS-07"},
	Practices: []string{"A8"},
	Affects:   stsSenders,
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable", "mta-sts.syntax"},
	Codes: []Code{
		{"kept", finding.Green, "the host shows what the policy promises"},
		{"refused", finding.Red, "senders that honour the policy do not deliver to this host"},
		{"reported", finding.Yellow, "senders deliver and report; in mode enforce they would not deliver"},
		{"alias", finding.Skip, "the certificate is for the host of which the MX name is an alias; the MX record must name it (mx.target)"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	sts := s.STS(ctx)
	if !sts.Usable() || sts.Policy.Mode == route.STSNone {
		return nil
	}
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		if s.isForAlias(ctx, v, visit) {
			return finding.Finding{Code: "alias", Summary: v.String() + " has a certificate for the host of which its name is an alias"}
		}
		return s.judgeSTSPromise(sts, v, visit)
	})
}}

func (s *Subject) judgeSTSPromise(sts route.STS, v Server, visit *Visit) finding.Finding {
	broken, err := s.brokenPromise(v, visit)
	switch {
	case err != nil:
		return unseen(v.String(), err)
	case broken == "":
		return finding.Finding{Code: "kept", Summary: v.String() + " shows what the policy promises"}
	case sts.Policy.Mode == route.STSTesting:
		return finding.Finding{Code: "reported", Evidence: []string{broken},
			Summary: fmt.Sprintf("%s: %s; senders deliver and report it, and would refuse in mode enforce", v, broken)}
	}
	return finding.Finding{Code: "refused", Evidence: []string{broken},
		Summary: fmt.Sprintf("%s: %s; senders that honour MTA-STS do not deliver", v, broken)}
}

// brokenPromise is what RFC 8461 section 4.2 asks for and the host does not show, or
// the error that hid it.
func (s *Subject) brokenPromise(v Server, visit *Visit) (string, error) {
	answer := visit.StartTLS
	hidden := visit.hidesTLS()
	switch {
	case hidden != nil:
		return "", hidden
	case !answer.Offered:
		return "it offers no STARTTLS", nil
	case answer.State == nil:
		return fmt.Sprintf("STARTTLS fails: %s", answer.Err), nil
	case answer.State.Version < tls.VersionTLS12:
		return "it speaks " + tls.VersionName(answer.State.Version) + " only", nil
	case !visit.wasAskedFor(v):
		return "", errOtherName
	}
	chain := s.chainOf(v, visit)
	if chain.Trusted.Is != tlsprobe.Yes {
		return "its certificate is not trusted: " + chain.Trusted.Why, nil
	}
	if chain.NameMatches.Is != tlsprobe.Yes {
		return "its certificate is for another name: " + chain.NameMatches.Why, nil
	}
	return "", nil
}

// hidesTLS is why nobody knows whether the server has TLS: its replies were garbled
// before it said so, or it did not answer in time.
func (v *Visit) hidesTLS() error {
	switch {
	case !v.StartTLS.Offered && errors.Is(v.Ended, smtp.ErrProtocol):
		return v.Ended
	case v.StartTLS.State == nil && isUnheard(v.StartTLS.Err):
		return v.StartTLS.Err
	}
	return nil
}

// isUnheard reports that an answer was waited for in vain: nothing is known, then.
func isUnheard(err error) bool {
	return errors.Is(err, smtp.ErrTimeout) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
