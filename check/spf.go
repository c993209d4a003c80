package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

func spfChecks() []Check {
	return []Check{
		spfRecord, spfLeftovers, spfSyntax, spfLookups, spfVoids, spfIncludes, spfAll, spfDead, spfPTR, spfHosts, spfSize, spfExplanation,
		spfAddresses, spfHELO, spfBreadth, spfMessage, spfSubdomains,
	}
}

const spfScope = Domain

var spfRecord = rule{About{
	ID:       "spf.record",
	Question: "Does the domain publish exactly one SPF record?",
	Why: "Google, Yahoo, Microsoft and Apple require SPF of everybody who sends to them. Two records are the same as a broken one: " +
		"every receiver answers permerror.",
	Fix:       "Publish one TXT record at the domain itself that begins with \"v=spf1 \", as narrow as the addresses you really send from.",
	Refs:      []string{"RFC 7208 3", "RFC 7208 4.5"},
	Rows:      []string{"SPF-01"},
	Practices: []string{"A1"},
	Affects:   []string{"google", "yahoo", "outlook", "apple", "gmx", "comcast"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Codes: []Code{
		{"one", finding.Green, "one SPF record"},
		{"none", finding.Red, "no SPF record"},
		{"several", finding.Red, "more than one SPF record"},
		{"misspelt", finding.Red, "a record that was meant to be SPF and is not read as one"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	got := s.SPFOf(ctx, s.Domain())
	f := finding.Finding{Subject: s.String(), Code: "none", Summary: s.String() + " has no SPF record"}
	suggest := []finding.Record{finding.TXT(s.String()+".", s.suggestSPF(ctx))}
	switch {
	case got.Err != nil && !isAbsence(got.Err):
		return one(unseen(s.String(), got.Err))
	case len(got.Records) == 1:
		f.Code, f.Summary = "one", fmt.Sprintf("%s has one SPF record: %.80s", s, got.Records[0].Text)
	case len(got.Records) > 1:
		f.Code, f.Summary = "several", fmt.Sprintf("%s has %d SPF records; receivers read none of them", s, len(got.Records))
		for _, r := range got.Records {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s. TXT: %q", s, r.Text))
		}
		f.Fix = "Merge the records into one and remove the others."
	case misspelt(got) != "":
		f.Code, f.Summary = "misspelt", "the record of "+s.String()+" is not read as SPF"
		f.Evidence, f.Records = []string{fmt.Sprintf("%s. TXT: %q", s, misspelt(got))}, suggest
	default:
		f.Records = suggest
		if got.Err != nil {
			f.Evidence = []string{evidenceOf(got.Err)}
		}
	}
	return one(f)
}}

func misspelt(got spf.Fetched) string {
	for _, l := range got.LookAlikes {
		if l.Code != "sender-id" {
			return l.Text
		}
	}
	return ""
}

// suggestSPF is the narrowest record for the known sending addresses.
func (s *Subject) suggestSPF(ctx context.Context) string {
	record := []string{"v=spf1"}
	for _, a := range s.Addresses(ctx) {
		kind := "ip4:"
		if a.IP.Is6() {
			kind = "ip6:"
		}
		record = append(record, kind+a.IP.String())
	}
	return strings.Join(append(record, "-all"), " ")
}

// ofRecord judges the one SPF record of a domain; it is only asked when there is one.
func ofRecord(judge func(s *Subject, r *spf.Record, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		got := s.SPFOf(ctx, s.Domain())
		if got.Record == nil {
			return nil
		}
		f := judge(s, got.Record, finding.Finding{Subject: s.String()})
		if f.Evidence == nil {
			f.Evidence = []string{fmt.Sprintf("%s. TXT: %q", s, got.Record.Text)}
		}
		return one(f)
	}
}

var spfLeftovers = rule{About{
	ID:        "spf.leftovers",
	Question:  "Are there no leftovers of Sender ID?",
	Why:       "Records of type spf2.0 belong to an experiment that ended in 2012. Some old receivers still read them, and act on what nobody keeps up to date.",
	Fix:       "Remove the spf2.0 record; SPF in TXT is all that is read today.",
	Refs:      []string{"RFC 7208 3.1", "RFC 4406", "RFC 6686"},
	Rows:      []string{"SPF-02"},
	Practices: []string{"A1"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Codes: []Code{
		{"clean", finding.Green, "no Sender ID record"},
		{"sender-id", finding.Yellow, "a Sender ID record is left over"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	got := s.SPFOf(ctx, s.Domain())
	if got.Err != nil && !isAbsence(got.Err) {
		return one(unseen(s.String(), got.Err))
	}
	for _, l := range got.LookAlikes {
		if l.Code == "sender-id" {
			return one(finding.Finding{Code: "sender-id", Subject: s.String(), Summary: s.String() + " still has a Sender ID record",
				Evidence: []string{fmt.Sprintf("%s. TXT: %q", s, l.Text)}})
		}
	}
	return one(finding.Finding{Code: "clean", Subject: s.String(), Summary: "no Sender ID record is left over"})
}}

var spfSyntax = rule{About{
	ID:       "spf.syntax",
	Question: "Is the SPF record written correctly, from its first word to its last?",
	Why: "One wrong term anywhere makes the whole record a permanent error, even when an earlier term would have matched: " +
		"receivers then act as if the domain had no SPF, or refuse.",
	Fix:       "Correct the term that is named in the evidence.",
	Refs:      []string{"RFC 7208 4.6", "RFC 7208 12"},
	Rows:      []string{"SPF-03"},
	Practices: []string{"A1"},
	Affects:   []string{"google", "yahoo", "outlook", "apple"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.record"},
	Codes: []Code{
		{"right", finding.Green, "every term is well formed"},
		{"wrong", finding.Red, "a term is wrong, so nothing of the record counts"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	got := s.SPFOf(ctx, s.Domain())
	f := finding.Finding{Subject: s.String(), Code: "right", Summary: "the SPF record is written correctly"}
	if len(got.Problems) > 0 {
		f.Code, f.Summary = "wrong", "the SPF record is wrong: "+got.Problems[0].String()
		f.Evidence = []string{fmt.Sprintf("%s. TXT: %q", s, got.Records[0].Text)}
		for _, p := range got.Problems[1:] {
			f.Evidence = append(f.Evidence, p.String())
		}
		if hint := got.Problems[0].Hint; hint != "" {
			f.Records = []finding.Record{finding.TXT(s.String()+".", strings.Replace(got.Records[0].Text, got.Problems[0].Term, hint, 1))}
		}
	}
	return one(f)
}}

// maxLookups and maxVoids are the limits of RFC 7208 section 4.6.4; beyond
// roomyLookups the next change of a provider's record breaks this one.
const (
	maxLookups   = 10
	roomyLookups = 8
	maxVoids     = 2
)

var spfLookups = rule{About{
	ID:       "spf.lookups",
	Question: "Does the SPF record stay within ten DNS lookups?",
	Why: "Receivers stop at ten and answer permerror; then the mail counts as not authenticated. Nine or ten leave no room for a provider " +
		"who adds an include tomorrow.",
	Fix:       "Remove includes of services you no longer use, replace a and mx by ip4 and ip6, give a sending service a subdomain of its own.",
	Refs:      []string{"RFC 7208 4.6.4"},
	Rows:      []string{"SPF-04"},
	Practices: []string{"A1"},
	Affects:   []string{"google", "yahoo", "outlook", "apple"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"within", finding.Green, "eight lookups or fewer"},
		{"close", finding.Yellow, "nine or ten lookups: no room"},
		{"over", finding.Red, "more than ten lookups"},
	},
}, ofTree(func(s *Subject, t *spf.Tree, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "within", fmt.Sprintf("SPF of %s needs %d of %d lookups", s, t.Lookups, maxLookups)
	switch unread := t.Unread(); {
	case t.Lookups > maxLookups:
		f.Code, f.Summary = "over", fmt.Sprintf("SPF of %s needs %d lookups; receivers stop at %d", s, t.Lookups, maxLookups)
		f.Evidence = treeEvidence(t)
	case unread != nil: // what was not read may cost more
		return unseen(s.String(), unread)
	case t.Lookups > roomyLookups:
		f.Code, f.Evidence = "close", treeEvidence(t)
	}
	return f
})}

var spfVoids = rule{About{
	ID:        "spf.voids",
	Question:  "Do at most two SPF lookups come back empty?",
	Why:       "After two lookups without an answer many receivers stop with permerror: a dead include or host name breaks the record for everybody.",
	Fix:       "Remove the terms whose names no longer exist.",
	Refs:      []string{"RFC 7208 4.6.4"},
	Rows:      []string{"SPF-05"},
	Practices: []string{"A1"},
	Affects:   []string{"google", "yahoo", "outlook"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"within", finding.Green, "two or fewer empty lookups"},
		{"over", finding.Red, "more than two empty lookups"},
	},
}, ofTree(func(s *Subject, t *spf.Tree, f finding.Finding) finding.Finding {
	voids := max(t.Voids, t.VoidsIPv6)
	f.Code, f.Summary = "within", fmt.Sprintf("%d of SPF's lookups come back empty", voids)
	if voids > maxVoids {
		f.Code, f.Evidence = "over", emptyTerms(t)
	} else if err := t.Unseen(); err != nil {
		return unseen(s.String(), err)
	}
	return f
})}

var spfIncludes = rule{About{
	ID:       "spf.includes",
	Question: "Does everything that the SPF record includes exist, once and without a circle?",
	Why: "An include of a domain without SPF is a permanent error for every address that comes so far; a circle uses up the ten lookups; " +
		"the same include twice costs lookups for nothing.",
	Fix:       "Correct or remove the include that is named.",
	Refs:      []string{"RFC 7208 5.2", "RFC 7208 6.1"},
	Rows:      []string{"SPF-06"},
	Practices: []string{"A1"},
	Affects:   []string{"google", "yahoo", "outlook", "apple"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"right", finding.Green, "all includes lead to one valid record each"},
		{"missing", finding.Red, "an include or redirect leads to no SPF record"},
		{"loop", finding.Red, "an include or redirect leads back to itself"},
		{"broken", finding.Red, "an included record is written wrong"},
		{"duplicate", finding.Yellow, "a domain is included more than once"},
	},
}, ofTree(judgeIncludes)}

var spfAll = rule{About{
	ID:       "spf.all",
	Question: "Does the SPF record end in a clear word about everybody else?",
	Why: "?all, or nothing, says nothing about forgers. +all invites them: it is taken as a sign of a spammer's domain. With DMARC enforcing, " +
		"~all does as well as -all.",
	Fix:       "End the record with -all (or ~all while you are still finding your senders).",
	Refs:      []string{"RFC 7208 4.7", "RFC 7208 5.1", "RFC 9989 4"},
	Rows:      []string{"SPF-07"},
	Practices: []string{"A1"},
	Affects:   []string{"google", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"fail", finding.Green, "-all: others may not send"},
		{"softfail", finding.Green, "~all: others probably may not send; DMARC is enforced"},
		{"softfail-alone", finding.Yellow, "~all without an enforced DMARC policy"},
		{"neutral", finding.Yellow, "?all says nothing"},
		{"pass", finding.Red, "+all lets everybody send"},
		{"open", finding.Yellow, "the record has no end: others are neutral"},
	},
}, judgeLastWord}

var spfDead = rule{About{
	ID:        "spf.order",
	Question:  "Does nothing stand behind all, and no redirect beside it?",
	Why:       "What stands behind all is never read: an address that was added there is not authorised, whatever it looks like.",
	Fix:       "Move the terms before all; remove the redirect, or the all.",
	Refs:      []string{"RFC 7208 5.1", "RFC 7208 6.1"},
	Rows:      []string{"SPF-08"},
	Practices: []string{"A1"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"right", finding.Green, "every term can be reached"},
		{"dead", finding.Yellow, "a term is never reached"},
	},
}, ofRecord(func(s *Subject, r *spf.Record, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "right", "every term of the SPF record can be reached"
	if dead := r.AfterAll(); len(dead) > 0 {
		f.Code, f.Summary = "dead", fmt.Sprintf("%s is never reached: all comes before it", dead[0].Text)
	}
	return f
})}

var spfPTR = rule{About{
	ID:        "spf.ptr",
	Question:  "Does the SPF record do without ptr?",
	Why:       "ptr is slow, leaves the decision to whoever owns the address, and is not to be published; some receivers skip it.",
	Fix:       "Replace ptr by the addresses, or by a and mx.",
	Refs:      []string{"RFC 7208 5.5"},
	Rows:      []string{"SPF-09"},
	Practices: []string{"A1"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax"},
	Codes: []Code{
		{"none", finding.Green, "no ptr"},
		{"used", finding.Yellow, "ptr is used"},
	},
}, ofRecord(func(s *Subject, r *spf.Record, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "none", "the SPF record does without ptr"
	if t := r.First(spf.PTR); t != nil {
		f.Code, f.Summary = "used", "the SPF record uses "+t.Text
	}
	return f
})}

var spfHosts = rule{About{
	ID:        "spf.hosts",
	Question:  "Do the a and mx terms lead to addresses?",
	Why:       "A term whose name has no address authorises nobody and costs an empty lookup; an mx with more than ten names is a permanent error.",
	Fix:       "Correct the name, or remove the term.",
	Refs:      []string{"RFC 7208 5.3", "RFC 7208 5.4", "RFC 7208 4.6.4"},
	Rows:      []string{"SPF-10"},
	Practices: []string{"A1"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.syntax", "spf.voids"},
	Codes: []Code{
		{"resolve", finding.Green, "every a and mx term has addresses"},
		{"empty", finding.Yellow, "a term has no address"},
		{"too-many", finding.Red, "an mx term has more than ten names"},
	},
}, ofTree(judgeSPFHosts)}

// Sizes of RFC 7208 section 3.4: what fits one UDP answer of old resolvers.
const (
	roomyRecord = 450
	largeRecord = 512
)

var spfSize = rule{About{
	ID:        "spf.size",
	Question:  "Does the SPF record fit a DNS answer?",
	Why:       "An answer beyond 512 octets needs EDNS or TCP; firewalls that stop both make SPF fail for some receivers and not for others.",
	Fix:       "Shorten the record: fewer terms, wider prefixes, a subdomain for each sending service.",
	Refs:      []string{"RFC 7208 3.4", "RFC 7208 3.3"},
	Rows:      []string{"SPF-11"},
	Practices: []string{"A1"},
	Who:       finding.DNSOwner,
	Scope:     spfScope,
	Needs:     []string{"spf.record"},
	Codes: []Code{
		{"fits", finding.Green, "at most 450 octets"},
		{"large", finding.Yellow, "more than 450 octets"},
	},
}, ofRecord(func(s *Subject, r *spf.Record, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "fits", fmt.Sprintf("the SPF record has %d octets", len(r.Text))
	if len(r.Text) > roomyRecord {
		f.Code, f.Summary = "large", fmt.Sprintf("the SPF record has %d octets; %d are safe, %d the old limit of a DNS answer", len(r.Text), roomyRecord, largeRecord)
	}
	return f
})}
