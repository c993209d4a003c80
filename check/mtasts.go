package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/route"
)

func mtastsChecks() []Check {
	return []Check{stsRecord, stsWebCertificate, stsPolicy, stsSyntax, stsMode, stsMX, stsCertificates}
}

var stsRecord = rule{About{
	ID:       "mta-sts.record",
	Question: "Does the domain say with one record that it has an MTA-STS policy?",
	Why: "Without the record no sender looks for the policy, and with two or a broken one none does: mail then goes over any TLS, or " +
		"none, and whoever sits on the way can read it. Google, Microsoft and Yahoo honour MTA-STS when they send.",
	Fix:       "Publish one TXT record at _mta-sts with v=STSv1 and an id of letters and digits; give it a new id whenever the policy changes.",
	Refs:      []string{"RFC 8461 3.1"},
	Rows:      []string{"STS-01"},
	Practices: []string{"A8"},
	Affects:   stsSenders,
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"valid", finding.Green, "one valid record"},
		{"none", finding.Skip, "no record, so no MTA-STS"},
		{"several", finding.Red, "more than one record; senders use none"},
		{"invalid", finding.Red, "the record is not valid; senders act as if there were none"},
		{"faults", finding.Yellow, "the record counts, and has faults"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	sts := s.STS(ctx)
	f := finding.Finding{Subject: s.String(), Evidence: recordEvidence("_mta-sts."+s.String(), sts.Records)}
	switch {
	case sts.RecordErr != nil && isAbsence(sts.RecordErr):
		f.Code, f.Summary = "none", s.String()+" has no MTA-STS"
		return one(f)
	case sts.RecordErr != nil:
		return one(unseen(s.String(), sts.RecordErr))
	case len(sts.Records) > 1:
		f.Code, f.Summary = "several", fmt.Sprintf("%s has %d MTA-STS records; senders use none of them", s, len(sts.Records))
		f.Fix = "Keep one of the records and remove the others."
	case route.HasFatal(sts.RecordProblems):
		f.Code, f.Summary = "invalid", "the MTA-STS record is not valid: "+joinProblems(sts.RecordProblems)
	case len(sts.RecordProblems) > 0:
		f.Code, f.Summary = "faults", "the MTA-STS record has faults: "+joinProblems(sts.RecordProblems)
	default:
		f.Code, f.Summary, f.Evidence = "valid", "the MTA-STS record has the id "+sts.Record.ID, nil
		return one(f)
	}
	f.Records = []finding.Record{finding.TXT("_mta-sts."+s.String()+".", s.suggestSTS())}
	return one(f)
}}

// suggestSTS is a record with the time as its id, as most people do it.
func (s *Subject) suggestSTS() string {
	return "v=STSv1; id=" + s.World.Now().UTC().Format("20060102T150405")
}

func recordEvidence(name string, texts []string) []string {
	var lines []string
	for _, t := range texts {
		lines = append(lines, fmt.Sprintf("%s. TXT: %.300q", name, t))
	}
	return lines
}

func joinProblems(problems []route.Problem) string {
	var words []string
	for _, p := range problems[:min(3, len(problems))] {
		words = append(words, p.String())
	}
	if more := len(problems) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("%d more", more))
	}
	return strings.Join(words, "; ")
}

// ofSTS judges what a valid record promises; without one there is nothing to judge.
func ofSTS(judge func(ctx context.Context, s *Subject, sts route.STS, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		sts := s.STS(ctx)
		if sts.RecordErr != nil || route.HasFatal(sts.RecordProblems) {
			return nil
		}
		f := judge(ctx, s, sts, finding.Finding{Subject: s.String()})
		if f.Code == "" {
			return nil
		}
		return one(f)
	}
}

// whileMissing is what senders do while the policy cannot be had.
const whileMissing = "Senders that cannot fetch the policy keep to the one they have cached, and once that has run out to none: " +
	"mail keeps coming in, without the protection. A new policy does not reach them."

var stsWebCertificate = rule{About{
	ID:        "mta-sts.web-certificate",
	Question:  "Is the certificate of the policy's web server valid for mta-sts.<domain>?",
	Why:       whileMissing,
	Fix:       "Get a certificate for mta-sts.<domain> from a public authority, and have it renewed by itself.",
	Refs:      []string{"RFC 8461 3.3"},
	Rows:      []string{"STS-03"},
	Practices: []string{"A8"},
	Affects:   stsSenders,
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mta-sts.record"},
	Codes: []Code{
		{"valid", finding.Green, "valid and for the name"},
		{"untrusted", finding.Red, "it leads to no authority that senders trust"},
		{"wrong-name", finding.Red, "it is for another name"},
		{"expired", finding.Red, "it has expired, or is not valid yet"},
	},
}, ofSTS(func(_ context.Context, s *Subject, sts route.STS, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "valid", "the certificate of mta-sts."+s.String()+" is valid"
	failed, ok := errors.AsType[*route.FetchError](sts.FetchErr)
	if !ok {
		return f
	}
	switch failed.Reason {
	case route.FetchRedirect, route.FetchStatus, route.FetchMediaType, route.FetchTooLarge, route.FetchInterrupted:
		return f // the session stood; mta-sts.policy judges what came over it
	case route.FetchUntrusted:
		f.Code = "untrusted"
	case route.FetchWrongName:
		f.Code = "wrong-name"
	case route.FetchExpired:
		f.Code = "expired"
	default:
		return finding.Finding{} // no certificate was seen
	}
	f.Summary = "the certificate of mta-sts." + s.String() + " is not valid: " + string(failed.Reason)
	f.Evidence = []string{failed.Error()}
	return f
})}

var stsPolicy = rule{About{
	ID:       "mta-sts.policy",
	Question: "Can senders fetch the policy?",
	Why:      whileMissing,
	Fix: "Serve the policy at https://mta-sts.<domain>/.well-known/mta-sts.txt with status 200 and type text/plain, without a " +
		"redirect; or remove the record at _mta-sts.",
	Refs:      []string{"RFC 8461 3.2", "RFC 8461 3.3"},
	Rows:      []string{"STS-02"},
	Practices: []string{"A8"},
	Affects:   stsSenders,
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mta-sts.record", "mta-sts.web-certificate"},
	Codes: []Code{
		{"fetched", finding.Green, "the policy was fetched"},
		{"no-host", finding.Red, "mta-sts.<domain> has no address"},
		{"closed", finding.Red, "nothing listens on port 443"},
		{"no-tls", finding.Red, "the web server does not speak TLS 1.2 or newer"},
		{"redirect", finding.Red, "a redirect, which senders do not follow"},
		{"status", finding.Red, "another status than 200"},
		{"media-type", finding.Red, "another type than text/plain"},
		{"too-large", finding.Red, "more than 64 KB"},
	},
}, ofSTS(func(_ context.Context, s *Subject, sts route.STS, f finding.Finding) finding.Finding {
	url := route.STSPolicyURL(s.Domain())
	failed, ok := errors.AsType[*route.FetchError](sts.FetchErr)
	if !ok {
		f.Code, f.Summary = "fetched", url+" gives the policy"
		return f
	}
	codes := map[route.FetchReason]string{
		route.FetchNoHost: "no-host", route.FetchTLS: "no-tls", route.FetchRedirect: "redirect", route.FetchStatus: "status",
		route.FetchMediaType: "media-type", route.FetchTooLarge: "too-large",
	}
	if f.Code = codes[failed.Reason]; failed.Reason == route.FetchConnect && isRefused(failed) {
		f.Code = "closed"
	}
	if f.Code == "" {
		return unseen(s.String(), failed)
	}
	f.Summary, f.Evidence = "senders cannot fetch the policy: "+failed.Error(), []string{failed.Error()}
	return f
})}

// longEnough is a max_age that outlives an attack: RFC 8461 section 3.2 speaks of
// weeks.
const longEnough = 7 * 24 * time.Hour

var stsSyntax = rule{About{
	ID:       "mta-sts.syntax",
	Question: "Is the policy valid, and does it hold long enough?",
	Why: "Senders throw an invalid policy away as a whole. One that holds for hours protects only those who wrote to you yesterday: " +
		"an attacker waits until it has run out.",
	Fix:       "Write version, mode, mx and max_age each on its own line; 604800 (a week) is the least sensible max_age, 31557600 the most allowed.",
	Refs:      []string{"RFC 8461 3.2"},
	Rows:      []string{"STS-04"},
	Practices: []string{"A8"},
	Affects:   stsSenders,
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mta-sts.policy"},
	Codes: []Code{
		{"valid", finding.Green, "valid, and holds for a week or more"},
		{"invalid", finding.Red, "the policy is not valid; senders throw it away"},
		{"faults", finding.Yellow, "the policy counts, and has faults"},
		{"short-lived", finding.Yellow, "max_age is less than a week"},
	},
}, ofPolicy(func(_ context.Context, s *Subject, sts route.STS, f finding.Finding) finding.Finding {
	f.Evidence = policyLines(sts.Body)
	switch {
	case route.HasFatal(sts.PolicyProblems):
		f.Code, f.Summary = "invalid", "the policy is not valid: "+joinProblems(sts.PolicyProblems)
	case sts.Policy.MaxAge < longEnough && sts.Policy.Mode != route.STSNone:
		f.Code, f.Summary = "short-lived", fmt.Sprintf("the policy holds for %s only", sts.Policy.MaxAge)
		f.Fix = "Raise max_age to 604800 or more."
	case len(sts.PolicyProblems) > 0:
		f.Code, f.Summary = "faults", "the policy has faults: "+joinProblems(sts.PolicyProblems)
	default:
		f.Code, f.Summary = "valid", fmt.Sprintf("the policy of %s is valid and holds for %d days", s, int(sts.Policy.MaxAge/(24*time.Hour)))
		f.Evidence = nil
	}
	return f
})}

// ofPolicy judges a policy that was fetched.
func ofPolicy(judge func(ctx context.Context, s *Subject, sts route.STS, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return ofSTS(func(ctx context.Context, s *Subject, sts route.STS, f finding.Finding) finding.Finding {
		if sts.FetchErr != nil || sts.Body == nil {
			return finding.Finding{}
		}
		return judge(ctx, s, sts, f)
	})
}

// policyLines are the first lines of a policy file, escaped: it is a stranger's text.
func policyLines(body []byte) []string {
	const most = 12
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(string(body), "\r\n"), "\n") {
		if len(lines) == most {
			return append(lines, "...")
		}
		quoted := fmt.Sprintf("%.120q", strings.TrimRight(line, "\r"))
		lines = append(lines, quoted[1:len(quoted)-1])
	}
	return lines
}
