package check

import (
	"context"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/reputation"
)

func blocklistChecks() []Check {
	return []Check{blocklistAddress, blocklistPolicy, blocklistDomain, blocklistLinks, blocklistBackscatter, blocklistPraise,
		blocklistLists, blocklistResolver}
}

// ofAddresses reads the lists about the sending addresses.
func ofAddresses(l listing) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		return l.judge(ctx, s, s.pollAddresses(ctx))
	}
}

// judgesOne reports whether a list judges single addresses for what they send: not
// ranges, not bounces, and not praise.
func judgesOne(l *reputation.List) bool {
	return l.Purpose != reputation.Allow && l.Scope == "" && l.Topic == ""
}

var blocklistAddress = rule{About{
	ID:       "blocklist.address",
	Question: "Are the sending addresses free of blocklists that receivers refuse by?",
	Why: "Most receivers ask a few lists about the address before they read a word. Spamhaus, SpamCop, Barracuda and Abusix are behind refusals " +
		"at Apple, Yahoo, Outlook, Comcast, Cox, Spectrum, Orange and La Poste; the small lists behind hardly any. So a listing has the weight of " +
		"its list, and a list counts only while its control entries show that it neither died nor lists the world.",
	Fix: "Find the cause first: a stolen account, an infected machine, a form that strangers use, an old recipient list. Then ask the list for " +
		"removal on its page. Never pay for it.",
	Refs:      []string{"RFC 5782 2", "RFC 6471 1.2"},
	Rows:      []string{"BL-IP"},
	Practices: []string{"B1"},
	Affects:   []string{"apple", "yahoo", "outlook", "microsoft365", "comcast", "att", "cox", "spectrum", "orange", "laposte", "barracuda"},
	Who:       finding.ThisServer,
	Scope:     Servers | Message,
	Codes:     listCodes(),
}, ofAddresses(listing{judgesOne, reputation.Bad, "as a sender of bad mail", findCause})}

const findCause = "Find what was sent from there, and stop it first."

// hasPolicy reports whether a list has entries that say that no mail server belongs
// at an address.
func hasPolicy(l *reputation.List) bool {
	isPolicy := func(c reputation.Code) bool { return c.Says == reputation.Policy }
	return judgesOne(l) && slices.ContainsFunc(l.Codes, isPolicy)
}

var blocklistPolicy = rule{About{
	ID:       "blocklist.policy",
	Question: "Are the sending addresses of a kind from which mail servers send?",
	Why: "Policy lists name home connections and dynamic ranges: they accuse nobody, and yet the same receivers refuse all direct mail from there. " +
		"A fixed address that a provider took over from such a range is often still on one.",
	Fix: "With a fixed address: have the PTR record name the mail server, then take the address off the list on its page, or have the provider do " +
		"it. Without one: send through the provider's smarthost.",
	Refs:      []string{"RFC 6471 2.1.3"},
	Rows:      []string{"BL-PBL"},
	Practices: []string{"B1", "D3"},
	Affects:   []string{"apple", "yahoo", "outlook", "microsoft365", "comcast", "t-online", "cox", "spectrum"},
	Who:       finding.IPOwner,
	Scope:     Servers | Message,
	Codes:     listCodes(),
}, ofAddresses(listing{hasPolicy, reputation.Policy, "as an address where no mail server belongs",
	"With a fixed address give it a PTR name of your own first; without one send through a smarthost instead."})}

var blocklistDomain = rule{About{
	ID:       "blocklist.domain",
	Question: "Are the domain and the names of its servers free of domain lists?",
	Why: "Receivers look the From domain, the envelope, EHLO and PTR names and every linked domain up in the Spamhaus DBL, SURBL and URIBL. A listed " +
		"name is refused from any address; moving to another server changes nothing.",
	Fix: "Find out what was advertised or sent with the name: a broken-into web site, a subdomain given away, a list that was bought. Stop it, then " +
		"ask the list for removal.",
	Refs:      []string{"RFC 5782 3"},
	Rows:      []string{"BL-RHSBL"},
	Practices: []string{"B3"},
	Affects:   []string{"apple", "outlook", "microsoft365", "yahoo", "comcast", "google"},
	Who:       finding.ThisServer,
	Scope:     Servers | Message,
	Codes:     listCodes(),
}, func(ctx context.Context, s *Subject) []finding.Finding {
	l := listing{judgesOne, reputation.Bad, "as a name of bad mail", "Find where the name is used or was broken into, and stop it first."}
	return l.judge(ctx, s, s.pollDomains(ctx))
}}

var blocklistBackscatter = rule{About{
	ID:       "blocklist.backscatter",
	Question: "Is no sending address known for bounces to strangers?",
	Why: "Servers that accept mail and bounce it later, answer spam automatically, or call senders back to verify them are listed apart. Some " +
		"receivers then refuse their bounces, so the server's users never learn what was not delivered.",
	Fix:       "Refuse unknown recipients and spam while the sender is connected; switch sender callouts and challenge-response off. The entry ends by itself.",
	Refs:      []string{"RFC 5321 6.2", "RFC 3834 2"},
	Rows:      []string{"BSC-08"},
	Practices: []string{"B4", "I1", "I2"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Codes:     listCodes(),
}, ofAddresses(listing{
	func(l *reputation.List) bool { return l.Topic == "backscatter" }, reputation.Bad, "as a source of backscatter",
	"Stop bouncing, answering and calling back strangers first.",
})}

var blocklistPraise = rule{About{
	ID:       "blocklist.praise",
	Question: "Does anybody vouch for the sending addresses?",
	Why:      "Allow lists and reputation lists spare known senders greylisting and some filters. Nobody is refused for not being on one.",
	Fix:      "Nothing need be done. Registration with dnswl.org is free.",
	Refs:     []string{"RFC 5782 2"},
	Rows:     []string{"BL-WL"}, Practices: []string{"B1"},
	Who:   finding.ThisServer,
	Scope: Servers,
	Codes: []Code{
		{"praised", finding.Green, "an allow list or reputation list speaks well of it"},
		{"none", finding.Skip, "no allow list knows it"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, p := range s.pollAddresses(ctx) {
		if f := judgePraise(p); f.Code != "" {
			found = append(found, f)
		}
	}
	return found
}}

// judgePraise finds what lists say in favour of an address, and grades without a
// word of blame.
func judgePraise(p poll) finding.Finding {
	f := finding.Finding{Subject: p.subject}
	var praise []reputation.Answer
	for _, a := range p.answers {
		good := hasCode(&a, reputation.Good)
		if a.Result != reputation.Unknown && a.List.Purpose == reputation.Allow {
			f.Code = "none"
		}
		if good {
			praise = append(praise, a)
		}
		if good || hasCode(&a, reputation.Remark) {
			f.Evidence = append(f.Evidence, a.List.Name+": "+codesText(&a))
		}
	}
	f.Summary = fmt.Sprintf("no allow list knows %s", p.subject)
	if len(praise) > 0 {
		f.Code, f.Summary = "praised", fmt.Sprintf("%s speaks well of %s", listNames(praise), p.subject)
	}
	return f
}
