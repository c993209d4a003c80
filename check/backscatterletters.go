package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/probe"
)

// letterCodes are what every check that writes letters may have to say instead of a
// judgement.
func letterCodes(own ...Code) []Code {
	return append(own,
		Code{"no-probe", finding.Skip, "no letter was written, as nothing could come back: there is no probe domain"},
		Code{"no-mailbox", finding.Unknown, "no mailbox is known to which a letter could be written"},
		Code{"deferred", finding.Unknown, "the letters got a temporary error, as with greylisting"},
		Code{"not-taken", finding.Unknown, "the letters were refused, so nothing could come back"},
	)
}

// letterRule judges what one host of each name did with our letters.
func letterRule(a About, judge func(Server, *Correspondence) finding.Finding) rule {
	a.Practices, a.Who, a.Scope, a.Needs = []string{"I1"}, finding.ThisServer, Domain, []string{"mx.reachable"}
	return rule{a, func(ctx context.Context, s *Subject) []finding.Finding {
		return eachHost(ctx, s, func(v Server) finding.Finding {
			c := s.Correspondence(ctx, v)
			switch {
			case errors.Is(c.WhyNot, errNoProbe):
				return finding.Finding{Code: "no-probe", Summary: "no letter was written to " + v.String(), Fix: errNoProbe.Error()}
			case c.WhyNot != nil:
				return notProbed(v, c.WhyNot)
			case c.Unseen != nil:
				return unseen(v.String(), c.Unseen)
			}
			return judge(v, c)
		})
	}}
}

// eachHost judges one address of each host that converses: what is sent to a mailbox
// need not be sent twice because the host has two addresses.
func eachHost(ctx context.Context, s *Subject, judge func(Server) finding.Finding) []finding.Finding {
	judged := map[mail.Domain]bool{}
	return eachVisit(ctx, s, func(v Server, _ *Visit) finding.Finding {
		if judged[v.Name] {
			return finding.Finding{}
		}
		judged[v.Name] = true
		return judge(v)
	})
}

// untaken is the finding for a letter that did not get in, so that nothing could come
// of it; false for one that did.
func (l Letter) untaken(v Server) (finding.Finding, bool) {
	f := finding.Finding{Evidence: l.Evidence()}
	switch l.Outcome {
	case Dropped:
		return f, false
	case Untried:
		f.Code, f.Summary, f.Evidence = "no-mailbox", "no mailbox is known to which "+v.String()+" could be written", nil
		f.Fix = "Create postmaster (see role.postmaster)."
	case Deferred:
		f.Code, f.Summary = "deferred", fmt.Sprintf("%s defers %s", v, l.Purpose)
		f.Fix = "If this is greylisting, the answer comes only later; ask again in some minutes."
	case Broken:
		return unseen(v.String(), l.err), true
	default:
		f.Code, f.Summary = "not-taken", fmt.Sprintf("%s refuses %s", v, l.Purpose)
		f.Fix = "Let the letter in, if this shall be seen; a refusal in the session harms nobody."
	}
	return f, true
}

// isKind fits the messages of one kind.
func isKind(kind answerKind) func(probe.Event) bool {
	return func(e probe.Event) bool { return kindOf(e) == kind }
}

const bounceWhy = "A message that was accepted and is then bounced hits whoever was named as its sender. Spam names strangers, so the bounces " +
	"are spam of your own making: backscatter, for which servers are listed."

var backscatterBounces = letterRule(About{
	ID:       "backscatter.bounces",
	Question: "Does the server never bounce what it has accepted?",
	Why:      bounceWhy,
	Fix: "Decide before 250: know the mailboxes at RCPT (in Postfix local_recipient_maps and relay_recipient_maps, or reject_unverified_recipient " +
		"against an inner server; in Exim verify = recipient), filter before the end of DATA, and deliver or hold what was taken.",
	Refs: []string{"RFC 5321 6.1", "RFC 3464"},
	Rows: []string{"BSC-02"},
	Codes: letterCodes(
		Code{"refused", finding.Green, "mail that cannot be delivered is refused in the session"},
		Code{"bounces", finding.Red, "mail was accepted, and a bounce came to its sender"},
		Code{"none-yet", finding.Unknown, "mail for nobody was accepted; no bounce came while we waited"},
	),
}, func(v Server, c *Correspondence) finding.Finding {
	if l, _, found := c.find(isKind(aReport)); found {
		return finding.Finding{Code: "bounces", Summary: v.String() + " accepted mail that it could not deliver, and sent a bounce", Evidence: l.Evidence()}
	}
	l := c.letter(ToNobody)
	switch f, untaken := l.untaken(v); {
	case l.Outcome == Refused:
		return finding.Finding{Code: "refused", Summary: v.String() + " refuses what it cannot deliver"}
	case untaken:
		return f
	}
	return finding.Finding{
		Code: "none-yet", Summary: fmt.Sprintf("%s accepted mail for nobody; no bounce came within %s", v, round(c.Waited)),
		Evidence: l.Evidence(), Fix: "A bounce may come hours later. Refuse unknown mailboxes, and it is decided (see backscatter.unknown-user).",
	}
})

var backscatterFilter = letterRule(About{
	ID:       "backscatter.filter",
	Question: "Does the spam filter refuse in the session, or keep quiet?",
	Why:      bounceWhy + " A filter that bounces is the worst source, for nearly all it sees has a forged sender.",
	Fix:      "Run the filter before the server answers the end of DATA (a milter or proxy filter in Postfix, acl_smtp_data in Exim), and let it refuse or mark; never let it bounce.",
	Refs:     []string{"RFC 5321 6.2", "RFC 3834 2"},
	Rows:     []string{"BSC-03"},
	Codes: letterCodes(
		Code{"refused", finding.Green, "filtered mail is refused in the session"},
		Code{"kept", finding.Green, "filtered mail is kept, and nothing is sent back"},
		Code{"bounces", finding.Red, "filtered mail is accepted and bounced"},
	),
}, func(v Server, c *Correspondence) finding.Finding {
	l := c.letter(Spam)
	switch f, untaken := l.untaken(v); {
	case l.Outcome == Refused && c.letter(Personal).isTaken():
		return finding.Finding{Code: "refused", Summary: v.String() + " refuses what its filter knows as spam"}
	case untaken:
		return f
	}
	switch spam, plain := slices.ContainsFunc(l.Events, isKind(aReport)), slices.ContainsFunc(c.letter(Personal).Events, isKind(aReport)); {
	case plain: // what is bounced anyhow tells nothing of the filter
		return finding.Finding{Code: "no-mailbox", Summary: v.String() + " bounces every letter, so its filter was not seen", Fix: "Mend backscatter.bounces first."}
	case spam:
		return finding.Finding{Code: "bounces", Summary: v.String() + " accepts spam and bounces it to the forged sender", Evidence: l.Evidence()}
	}
	return finding.Finding{Code: "kept", Summary: fmt.Sprintf("%s took a test spam, and no bounce came within %s", v, round(c.Waited))}
})

var backscatterAutoreply = letterRule(About{
	ID:       "backscatter.autoreply",
	Question: "Do automatic replies follow RFC 3834?",
	Why: "An automatic reply with a full envelope sender can start a loop of replies to replies; one without Auto-Submitted cannot be told " +
		"from a person; one to a machine's or a list's mail reaches people who wrote nothing.",
	Fix: "Answer from <>, with Auto-Submitted: auto-replied, at most once in some days to each sender, and never mail that has Auto-Submitted, " +
		"Precedence: bulk or List- fields. Sieve's vacation (RFC 5230) does all of that.",
	Refs: []string{"RFC 3834", "RFC 5230"},
	Rows: []string{"BSC-05"},
	Codes: letterCodes(
		Code{"none", finding.Green, "nothing answered by itself while we waited"},
		Code{"by-the-rules", finding.Green, "an automatic reply came, and follows the rules"},
		Code{"breaks-rules", finding.Red, "an automatic reply breaks RFC 3834"},
		Code{"answers-machines", finding.Red, "an automatic reply went to mail that said it was automatic"},
	),
}, func(v Server, c *Correspondence) finding.Finding {
	l, e, found := c.find(isKind(anAutomaticNote))
	if !found {
		if f, untaken := c.letter(Personal).untaken(v); untaken {
			return f
		}
		return finding.Finding{Code: "none", Summary: fmt.Sprintf("nothing answered by itself from %s within %s", v, round(c.Waited))}
	}
	f := finding.Finding{Code: "by-the-rules", Summary: "an automatic reply came from " + v.String() + " and follows the rules"}
	if broken := breaches(e); len(broken) > 0 {
		f.Code = "breaks-rules"
		f.Summary = fmt.Sprintf("%s answers automatically against the rules: %s", v, strings.Join(broken, "; "))
		f.Evidence = l.Evidence()
		return f
	}
	for _, e := range c.letter(Automatic).Events {
		if kindOf(e) == anAutomaticNote {
			f.Code, f.Summary = "answers-machines", v.String()+" answers mail that says it is automatic"
			f.Evidence = c.letter(Automatic).Evidence()
		}
	}
	return f
})

var backscatterCallout = letterRule(About{
	ID:       "backscatter.callout",
	Question: "Does the server leave senders' servers alone?",
	Why: "A server that asks the alleged sender's server whether the sender exists makes strangers pay for its spam: each forged message is a " +
		"connection to them. It looks like address harvesting, and servers are listed for it.",
	Fix: "Turn sender verification off: in Postfix remove reject_unverified_sender, in Exim remove /callout from verify = sender. " +
		"Looking the domain up in DNS is enough.",
	Refs: []string{"RFC 5321 3.5", "RFC 5321 7.3"},
	Rows: []string{"SAV-01", "SAV-02"},
	Codes: letterCodes(
		Code{"none", finding.Green, "nobody asked whether our sender exists"},
		Code{"callout", finding.Red, "our sender's server was asked by RCPT whether the sender exists"},
		Code{"vrfy", finding.Red, "our sender's server was asked by VRFY or EXPN"},
	),
	Affects: []string{"outlook"},
}, func(v Server, c *Correspondence) finding.Finding {
	for _, sign := range []struct {
		kind       probe.Kind
		code, what string
	}{{probe.Callout, "callout", "by RCPT, without a message"}, {probe.Asked, "vrfy", "by VRFY or EXPN"}} {
		if l, _, found := c.find(func(e probe.Event) bool { return e.Kind == sign.kind }); found {
			return finding.Finding{Code: sign.code, Summary: v.String() + " asks the sender's server about the sender " + sign.what, Evidence: l.Evidence()}
		}
	}
	if f, untaken := c.letter(Personal).untaken(v); untaken {
		return f
	}
	return finding.Finding{Code: "none", Summary: v.String() + " took a letter without asking about its sender"}
})

var backscatterChallenge = letterRule(About{
	ID:       "backscatter.challenge",
	Question: "Does the server deliver without asking senders to prove themselves?",
	Why: "A challenge to a forged sender is spam to a stranger, and whoever gets one for mail that he did not send confirms it out of spite. " +
		"Machines that send wanted mail never answer.",
	Fix:  "Turn the challenge-response system off, and refuse or mark spam in the session.",
	Refs: []string{"RFC 3834 2", "RFC 5321 6.2"},
	Rows: []string{"CR-01"},
	Codes: letterCodes(
		Code{"none", finding.Green, "no challenge came while we waited"},
		Code{"challenges", finding.Red, "a sender is asked to prove that a person wrote"},
	),
}, func(v Server, c *Correspondence) finding.Finding {
	if l, e, found := c.find(isKind(aChallenge)); found {
		return finding.Finding{Code: "challenges", Summary: fmt.Sprintf("%s challenges senders: %q", v, e.Subject), Evidence: l.Evidence()}
	}
	if f, untaken := c.letter(Personal).untaken(v); untaken {
		return f
	}
	return finding.Finding{Code: "none", Summary: fmt.Sprintf("no challenge came from %s within %s", v, round(c.Waited))}
})
