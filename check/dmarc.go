package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/world"
)

func dmarcChecks() []Check {
	return []Check{
		dmarcRecord, dmarcPlace, dmarcSyntax, dmarcPolicy, dmarcSubdomains, dmarcTesting, dmarcObsolete, dmarcReaders,
		dmarcReports, dmarcExternal, dmarcFailureReports, dmarcAlignment, dmarcRegistry,
		dmarcMessage, dmarcNullPath,
	}
}

const dmarcFix = "Publish one TXT record at _dmarc.<domain>: \"v=DMARC1; p=quarantine; rua=mailto:postmaster@<domain>\", or begin with p=none " +
	"where mail is already sent and not yet signed everywhere, and raise it as the reports allow."

var dmarcRecord = rule{About{
	ID:       "dmarc.record",
	Question: "Does one DMARC record speak for the domain?",
	Why: "Google, Yahoo and Microsoft refuse bulk mail from domains without DMARC (Google 4.7.40 and 5.7.40, Microsoft 5.7.515), and Apple asks " +
		"for it. Two records count as none.",
	Fix:       dmarcFix,
	Refs:      []string{"RFC 9989 4.10", "RFC 9989 4.7"},
	Rows:      []string{"DMARC-01"},
	Practices: []string{"A5"},
	Affects:   []string{"google", "yahoo", "outlook", "apple"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"own", finding.Green, "the domain has its own record"},
		{"inherited", finding.Green, "the record of the organization speaks for the domain"},
		{"none", finding.Red, "no DMARC record speaks for the domain"},
		{"several", finding.Red, "more than one record, so all are passed over"},
		{"void", finding.Red, "the record cannot be used"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	d := s.DMARCOf(ctx, s.Domain())
	f := finding.Finding{Subject: s.String(), Evidence: d.Walk.Trace()}
	f.Records = []finding.Record{s.suggestDMARC(ctx)}
	first := firstStep(d)
	switch {
	case d.Err != nil:
		return one(unseen(s.String(), d.Err))
	case first != nil && len(first.Candidates) > 1:
		f.Code, f.Summary = "several", fmt.Sprintf("%s has %d DMARC records; receivers pass all of them over", s, len(first.Candidates))
		f.Evidence, f.Records, f.Fix = first.Candidates, nil, "Keep one of the records and remove the others."
	case d.Record == nil && first != nil && len(first.Candidates) == 1:
		f.Code, f.Summary = "void", fmt.Sprintf("the DMARC record of %s cannot be used: %s", s, worstProblem(first.Problems))
	case d.Record == nil:
		f.Code, f.Summary = "none", s.String()+" has no DMARC record"
	case d.Step.Domain == s.Domain():
		f.Code, f.Summary = "own", fmt.Sprintf("%s has the record %.100s", s, d.Record.Text)
	default:
		f.Code, f.Summary = "inherited", fmt.Sprintf("the record of %s speaks for %s", d.Step.Domain, s)
	}
	if f.Code == "own" || f.Code == "inherited" {
		f.Records, f.Evidence = nil, nil
	}
	return one(f)
}}

// suggestDMARC is the record to begin with: reject where nothing is ever sent, for
// there nothing can be lost and no report arrives.
func (s *Subject) suggestDMARC(ctx context.Context) finding.Record {
	text := "v=DMARC1; p=quarantine; rua=mailto:postmaster@" + s.String()
	if nothing, err := s.sendsNothing(ctx); nothing && err == nil {
		text = "v=DMARC1; p=reject"
	}
	return finding.TXT("_dmarc."+s.String()+".", text)
}

func firstStep(d dmarc.Discovery) *dmarc.Step {
	if len(d.Walk.Steps) == 0 {
		return nil
	}
	return d.Walk.Steps[0]
}

func worstProblem(problems []dmarc.Problem) string {
	if len(problems) == 0 {
		return "it is no tag list"
	}
	return slices.MaxFunc(problems, func(a, b dmarc.Problem) int { return int(a.Harm) - int(b.Harm) }).String()
}

var dmarcPlace = rule{About{
	ID:        "dmarc.place",
	Question:  "Does the DMARC record stand at _dmarc, and nowhere else?",
	Why:       "A DMARC record at the domain itself is never read; whoever published it there believes to be protected.",
	Fix:       "Move the record to _dmarc.<domain>; keep SPF and other texts out of that name.",
	Refs:      []string{"RFC 9989 4.5"},
	Rows:      []string{"DMARC-01"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"right", finding.Green, "no DMARC record stands at the wrong name"},
		{"at-apex", finding.Red, "a DMARC record stands at the domain itself"},
		{"spf-there", finding.Yellow, "an SPF record stands at _dmarc"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	f := finding.Finding{Subject: s.String(), Code: "right", Summary: "no DMARC record stands at the wrong name"}
	apex, _, err := world.LookupTXT(ctx, s.World, world.NameOf(s.Domain()))
	if err != nil && !isAbsence(err) {
		return one(unseen(s.String(), err))
	}
	for _, t := range apex {
		if dmarc.LooksLikeRecord(t.Text) {
			f.Code, f.Summary = "at-apex", "a DMARC record stands at "+s.String()+" itself, where nobody reads it"
			f.Evidence = []string{fmt.Sprintf("%s. TXT: %q", s, t.Text)}
			f.Records = []finding.Record{finding.TXT("_dmarc."+s.String()+".", t.Text)}
		}
	}
	texts, _, err := world.LookupTXT(ctx, s.World, world.NameOf(s.Domain()).Under("_dmarc"))
	if err != nil && !isAbsence(err) {
		return one(unseen(s.String(), err))
	}
	for _, t := range texts {
		if strings.HasPrefix(strings.ToLower(t.Text), "v=spf1") && f.Code == "right" {
			f.Code, f.Summary = "spf-there", "an SPF record stands at _dmarc."+s.String()
		}
	}
	return one(f)
}}

// ofDMARC judges the record that speaks for the domain; asked only when there is one.
func ofDMARC(judge func(ctx context.Context, s *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		d := s.DMARCOf(ctx, s.Domain())
		if d.Record == nil {
			return nil
		}
		f := judge(ctx, s, d, finding.Finding{Subject: s.String()})
		if f.Code == "" {
			return nil
		}
		if f.Evidence == nil {
			f.Evidence = []string{fmt.Sprintf("%s TXT: %q", d.Step.Name, d.Record.Text)}
		}
		return one(f)
	}
}

var dmarcSyntax = rule{About{
	ID:        "dmarc.syntax",
	Question:  "Is the DMARC record written correctly?",
	Why:       "A repeated tag makes the whole record void, a wrong policy turns it into p=none; a misspelt tag is passed over without a word.",
	Fix:       "Correct the tag that is named.",
	Refs:      []string{"RFC 9989 4.7", "RFC 9989 4.8"},
	Rows:      []string{"DMARC-07"},
	Practices: []string{"A5"},
	Affects:   []string{"google", "yahoo", "outlook"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"right", finding.Green, "the record is written correctly"},
		{"ignored", finding.Yellow, "a part of the record is passed over"},
		{"fatal", finding.Red, "the record does not do what it says"},
	},
}, ofDMARC(func(_ context.Context, s *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "right", "the DMARC record is written correctly"
	for _, p := range d.Step.Problems {
		switch {
		case p.Harm == dmarc.Fatal:
			f.Code, f.Summary = "fatal", "the DMARC record does not work: "+p.String()
		case p.Harm == dmarc.Ignored && f.Code != "fatal":
			f.Code, f.Summary = "ignored", "a part of the DMARC record is passed over: "+p.String()
		}
	}
	return f
})}

var dmarcPolicy = rule{About{
	ID:       "dmarc.policy",
	Question: "Does the policy protect the domain?",
	Why: "With p=none receivers deliver forged mail as before: the record only asks for reports. Quarantine or reject is what keeps others " +
		"from writing in your name, and what BIMI and some receivers want to see.",
	Fix: "Read the reports for some weeks, sign what is not yet signed, then raise the policy to quarantine, and to reject when nothing of " +
		"yours fails any more.",
	Refs:      []string{"RFC 9989 4.7", "RFC 9989 7.4"},
	Rows:      []string{"DMARC-03"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"reject", finding.Green, "p=reject"},
		{"quarantine", finding.Green, "p=quarantine"},
		{"none", finding.Yellow, "p=none: not enabled"},
		{"absent", finding.Yellow, "no usable policy: the same as none"},
	},
}, ofDMARC(func(_ context.Context, s *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	switch d.Policy {
	case dmarc.Reject, dmarc.Quarantine:
		f.Code, f.Summary = string(d.Policy), fmt.Sprintf("the policy for %s is %s", s, d.Policy)
		return f
	case dmarc.None:
		f.Code, f.Summary = "none", "DMARC of "+s.String()+" is published and not enabled: p=none"
	default:
		f.Code, f.Summary = "absent", "DMARC of "+s.String()+" names no usable policy, which counts as none"
	}
	f.Records = []finding.Record{finding.TXT(d.Step.Name.String(), withPolicy(d.Record, dmarc.Quarantine))}
	return f
})}

// withPolicy is the record with another policy, everything else as published.
func withPolicy(r *dmarc.Record, p dmarc.Policy) string {
	for _, tag := range r.Tags {
		if tag.Name == "p" {
			return r.Text[:tag.ValueAt] + string(p) + r.Text[tag.ValueAt+len(tag.Value):]
		}
	}
	const head = "v=DMARC1;"
	return head + " p=" + string(p) + ";" + strings.TrimPrefix(r.Text, head)
}

var dmarcSubdomains = rule{About{
	ID:        "dmarc.subdomains",
	Question:  "Are subdomains protected as well as the domain?",
	Why:       "A weaker sp or np leaves every subdomain, invented ones too, to forgers, who only need a name that looks like yours.",
	Fix:       "Remove sp and np, or set them as strict as p.",
	Refs:      []string{"RFC 9989 4.7"},
	Rows:      []string{"DMARC-04"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"alike", finding.Green, "sp and np are as strict as p"},
		{"weaker", finding.Yellow, "sp or np is weaker than p"},
	},
}, ofDMARC(func(_ context.Context, _ *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "alike", "subdomains have the same policy, or a stricter one"
	p, sp, np, ok := d.Record.Effective()
	if !ok {
		return finding.Finding{}
	}
	switch {
	case sp != "" && sp.Strength() < p.Strength():
		f.Code, f.Summary = "weaker", fmt.Sprintf("sp=%s is weaker than p=%s", sp, p)
	case np != "" && np.Strength() < p.Strength():
		f.Code, f.Summary = "weaker", fmt.Sprintf("np=%s is weaker than p=%s", np, p)
	}
	return f
})}

var dmarcTesting = rule{About{
	ID:        "dmarc.testing",
	Question:  "Is the policy in force, and not in test mode?",
	Why:       "With t=y receivers apply the policy one step weaker: t=y with p=quarantine does nothing.",
	Fix:       "Remove t=y when the reports look right.",
	Refs:      []string{"RFC 9989 4.7"},
	Rows:      []string{"DMARC-05"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"in-force", finding.Green, "no test mode"},
		{"testing", finding.Yellow, "t=y: the policy is applied one step weaker"},
	},
}, ofDMARC(func(_ context.Context, _ *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "in-force", "the policy is not in test mode"
	if d.Record.Testing {
		f.Code, f.Summary = "testing", fmt.Sprintf("t=y makes %s of p=%s", d.Policy.Lowered(), d.Policy)
	}
	return f
})}

var dmarcObsolete = rule{About{
	ID:       "dmarc.obsolete",
	Question: "Is the record free of what RFC 9989 took out?",
	Why: "pct, rf and ri mean nothing any more; receivers that still read them apply pct=50 to half of the mail, others to all of it. " +
		"Two readings of one record help nobody.",
	Fix:       "Remove pct, rf, ri and size limits behind addresses.",
	Refs:      []string{"RFC 9989 C"},
	Rows:      []string{"DMARC-06"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"current", finding.Green, "nothing obsolete"},
		{"harmless", finding.Green, "an obsolete tag that changes nothing"},
		{"partial", finding.Yellow, "pct below 100: older receivers apply the policy to a part of the mail"},
	},
}, ofDMARC(func(_ context.Context, _ *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "current", "the record has nothing obsolete"
	for _, p := range d.Step.Problems {
		if p.Code == dmarc.ObsoleteTag || p.Code == dmarc.ObsoleteSize {
			f.Code, f.Summary = "harmless", p.String()
		}
	}
	if d.Record.Percent < 100 {
		f.Code, f.Summary = "partial", fmt.Sprintf("pct=%d is obsolete, and still obeyed by some", d.Record.Percent)
	}
	return f
})}

var dmarcReaders = rule{About{
	ID:        "dmarc.readers",
	Question:  "Do old and new receivers read the same policy?",
	Why:       "RFC 9989 finds the organization by walking up the tree, older receivers by the public suffix list. Where the two differ, the same message passes here and fails there.",
	Fix:       "Publish a record at the domain itself, so that both find the same one; say psd=n at the organization's top.",
	Refs:      []string{"RFC 9989 4.10"},
	Rows:      []string{"DMARC-02"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"same", finding.Green, "both find the same record and policy"},
		{"differ", finding.Skip, "they differ; worth knowing"},
	},
}, ofDMARC(func(ctx context.Context, s *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "same", "old and new receivers find the same record"
	old := dmarc.ReadAs7489(ctx, s.World, d)
	if diff := old.Differences(d); len(diff) > 0 {
		f.Code, f.Summary = "differ", diff[0]
		return f
	}
	// The record may speak whatever stands further up, where the organization is found.
	for _, err := range []error{old.Err, d.Walk.Err, d.ExistenceErr} {
		if err != nil && !isAbsence(err) {
			return unseen(s.String(), err)
		}
	}
	return f
})}

var dmarcRegistry = rule{About{
	ID:        "dmarc.psd",
	Question:  "Is psd=y left to registries?",
	Why:       "psd=y says that the domain is a public suffix, below which strangers register names: alignment with its subdomains is then lost.",
	Fix:       "Remove psd=y; psd=n is right for an organization.",
	Refs:      []string{"RFC 9989 4.7", "RFC 9989 4.10.2"},
	Rows:      []string{"DMARC-14"},
	Practices: []string{"A5"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dmarc.record"},
	Codes: []Code{
		{"right", finding.Green, "the domain does not call itself a registry"},
		{"registry", finding.Yellow, "psd=y at a domain that is no public suffix"},
	},
}, ofDMARC(func(_ context.Context, _ *Subject, d dmarc.Discovery, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "right", "the domain does not call itself a registry"
	if at := d.Step.Domain; d.Record.PSD == dmarc.PSDYes && at.Labels() > 1 && at == at.Registrable() {
		f.Code, f.Summary = "registry", at.String()+" says psd=y and is no public suffix"
	}
	return f
})}
