package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

func relayChecks() []Check {
	return []Check{relayPlain, relayPercent, relayBang, relayQuoted, relayRoute, relayDoubleAt, relayOddities, relayState, relaySubmission}
}

const relayWhy = "A server that passes on mail for strangers is an open relay. Spammers find it within hours, it is listed within a day, " +
	"and then nobody takes its mail. An accepted recipient alone is no proof: only a message that comes out is."

// relayCodes are what the whole family says.
var relayCodes = []Code{
	{"refused", finding.Green, "no attempt was accepted"},
	{"open", finding.Red, "a message for a stranger came out: this is an open relay"},
	{"accepts-then-drops", finding.Yellow, "a message for a stranger was taken and did not come out in time: lost, held, or bounced later"},
	{"may-be-open", finding.Yellow, "a recipient elsewhere was accepted; whether mail comes out was not tried"},
	{"deferred", finding.Unknown, "the attempts got a temporary error"},
	{"catch-all", finding.Skip, "accepted as any local mailbox is, and nothing came out"},
	{"not-tried", finding.Skip, "the attempts do not fit this host"},
	refusesUs,
}

// relayAbout is the manual page of one row of the battery.
func relayAbout(id, row, question, fix string, refs ...string) About {
	return About{
		ID:        id,
		Question:  question,
		Why:       relayWhy,
		Fix:       fix,
		Refs:      append(refs, "RFC 5321 7.9", "RFC 2505 2.1"),
		Rows:      []string{row},
		Practices: []string{"R1"},
		Affects:   []string{"google", "outlook", "yahoo", "gmx", "t-online", "comcast"},
		Who:       finding.ThisServer,
		Scope:     Servers,
		Needs:     []string{"mx.reachable"},
		Codes:     relayCodes,
	}
}

// relayRule judges the attempts of one row.
func relayRule(a About) rule {
	return rule{a, func(ctx context.Context, s *Subject) []finding.Finding {
		return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
			return judgeAttempts(v, s.Battery(ctx, v), a.Rows[0])
		})
	}}
}

const (
	closedPostfix = "In Postfix: smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, and mynetworks no wider than your own machines; no OK for senders or HELO names in access tables before that. "
	closedExim    = "In Exim: in acl_check_rcpt let only hosts = +relay_from_hosts and authenticated = * pass, then require domains = +local_domains : +relay_to_domains; accept nobody by sender or HELO name. "
	noRouting     = "In Postfix: allow_untrusted_routing = no. In Exim: in acl_check_rcpt deny local_parts = ^[./|] : ^.*[@%!] for all domains, before anything is accepted. "
)

var relayPlain = rule{
	relayAbout("relay.plain", "RELAY-01", "Does the server refuse to relay, whoever the sender claims to be?",
		closedPostfix+closedExim),
	func(ctx context.Context, s *Subject) []finding.Finding {
		return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
			b := s.Battery(ctx, v)
			if b.WhyNot != nil || b.Unseen != nil {
				return judgeOneRelay(v, visit, cmp.Or(b.WhyNot, b.Unseen))
			}
			f := judgeAttempts(v, b, "RELAY-01")
			if f.Code == "refused" && visit.Relay.Reply.IsPositive() {
				return b.explain(v, visit, f)
			}
			return f
		})
	},
}

var relayPercent = relayRule(relayAbout("relay.percent", "RELAY-02", "Does the server refuse user%outside@here?",
	noRouting+"Also in Postfix: allow_percent_hack = no.", "RFC 2505 2.10"))

var relayBang = relayRule(relayAbout("relay.bang", "RELAY-03", "Does the server refuse outside!user?",
	noRouting+"Also in Postfix: swap_bangpath = no.", "RFC 976"))

var relayQuoted = relayRule(relayAbout("relay.quoted", "RELAY-04", `Does the server refuse "user@outside"@here?`,
	noRouting+"Also in Postfix: resolve_dequoted_address = yes.", "RFC 5321 4.1.2"))

var relayRoute = relayRule(relayAbout("relay.source-route", "RELAY-05", "Does the server refuse source routes?",
	closedPostfix+closedExim+"A route may be ignored, and then the last address decides; it must never be a way around the rules.", "RFC 5321 C"))

var relayDoubleAt = relayRule(relayAbout("relay.double-at", "RELAY-06", "Does the server refuse user@outside@here?", noRouting))

var relayOddities = relayRule(relayAbout("relay.oddities", "RELAY-07", "Does the server refuse outsiders in odd spellings?",
	closedPostfix+closedExim+"Look at address rewriting, wildcard domains (a leading dot in relay_domains or domainlist) and filters in front of the server, which may read an address otherwise than the server does."))

var relayState = relayRule(relayAbout("relay.state", "RELAY-08", "Does the server refuse to relay whatever was said before?",
	closedPostfix+closedExim+"Nothing but a successful login or a listed network may open the relay: not TLS, not a HELO name, not another recipient, not AUTH= or XCLIENT."))

var relaySubmission = rule{
	func() About {
		a := relayAbout("relay.submission", "RELAY-08", "Do the submission ports refuse to relay without a login?",
			"On 587 and 465 let only logins send: in Postfix's master.cf, -o smtpd_relay_restrictions=permit_sasl_authenticated,reject "+
				"for submission and submissions; in Exim, accept authenticated = * and deny everything else on these ports.", "RFC 6409 4.3")
		a.Codes = append([]Code{{"closed-ports", finding.Skip, "nothing answers on 587 and 465"}}, a.Codes...)
		return a
	}(),
	func(ctx context.Context, s *Subject) []finding.Finding {
		return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
			b := s.SubmissionBattery(ctx, v)
			if b.isUnanswered() {
				return finding.Finding{Code: "closed-ports", Summary: v.String() + " answers neither on 587 nor on 465"}
			}
			return judgeAttempts(v, b, "RELAY-01")
		})
	},
}

// explain deals with a visit that was let through where the battery was not: TLS may
// be the reason, which is the question of relay.state.
func (b *Battery) explain(v Server, visit *Visit, refused finding.Finding) finding.Finding {
	i := slices.IndexFunc(b.Attempts, func(a Attempt) bool { return a.ID == "over-tls" })
	switch {
	case i < 0 || b.Attempts[i].Outcome == Refused || b.Attempts[i].Outcome == Deferred:
		return judgeOneRelay(v, visit, errNotAgain)
	case b.Attempts[i].err != nil:
		return unseen(v.String(), b.Attempts[i].err)
	}
	return refused
}

// judgeAttempts judges the attempts of one row by the worst that came of them.
func judgeAttempts(v Server, b *Battery, row string) finding.Finding {
	switch {
	case b.WhyNot != nil:
		return notProbed(v, b.WhyNot)
	case b.Unseen != nil:
		return unseen(v.String(), b.Unseen)
	}
	worst := map[Outcome][]Attempt{}
	f := finding.Finding{}
	for _, a := range b.Attempts {
		if a.Row != row {
			continue
		}
		outcome := a.Outcome
		if b.CatchAll && a.Here && (outcome == Dropped || outcome == Taken) {
			outcome = likeAnyMailbox
		}
		worst[outcome] = append(worst[outcome], a)
		if len(a.said) > 0 || a.err != nil {
			f.Evidence = append(f.Evidence, a.Evidence())
		}
	}
	return b.conclude(f, v, worst)
}

// likeAnyMailbox is an address of a catch-all host that only looks like a trick.
const likeAnyMailbox Outcome = "taken like any mailbox"

// conclude names the finding, the worst outcome first.
func (b *Battery) conclude(f finding.Finding, v Server, by map[Outcome][]Attempt) finding.Finding {
	switch {
	case len(by[Arrived]) > 0:
		f.Code, f.Summary = "open", fmt.Sprintf("%s is an open relay %s: the message came out", v, inWords(by[Arrived]))
	case len(by[Dropped]) > 0:
		f.Code = "accepts-then-drops"
		f.Summary = fmt.Sprintf("%s takes mail for strangers %s; it did not come out within %s", v, inWords(by[Dropped]), round(b.Waited))
	case len(by[Taken]) > 0:
		why := b.Deaf
		if why == nil {
			why = errors.New("the server would not take the message")
		}
		f.Code, f.Summary = "may-be-open", fmt.Sprintf("%s accepts a recipient elsewhere %s; nothing was sent: %s", v, inWords(by[Taken]), why)
	case failed(by) != nil:
		u := unseen(v.String(), failed(by))
		u.Evidence = f.Evidence
		return u
	case len(by[Deferred]) > 0:
		f.Code, f.Summary = "deferred", fmt.Sprintf("%s answers with a temporary error %s", v, inWords(by[Deferred]))
		f.Fix = "If this is greylisting, the answer comes only later; ask again in some minutes."
	case len(by[likeAnyMailbox]) > 0:
		f.Code, f.Summary = "catch-all", fmt.Sprintf("%s takes it like any mailbox of its own %s, and nothing came out", v, inWords(by[likeAnyMailbox]))
	case len(by[Refused]) > 0:
		f.Code, f.Summary = "refused", fmt.Sprintf("%s refuses to relay in %s", v, count(len(by[Refused]), "attempt"))
	default:
		f.Code, f.Summary = "not-tried", v.String()+" has no name or extension with which this could be tried"
	}
	return f
}

// failed is why an attempt was not answered, nil when all were.
func failed(by map[Outcome][]Attempt) error {
	for _, a := range append(by[Broken], by[Untried]...) {
		if a.err != nil {
			return a.err
		}
	}
	return nil
}

// inWords tells in words which attempts these were.
func inWords(attempts []Attempt) string {
	const enough = 3
	var words []string
	for _, a := range attempts[:min(enough, len(attempts))] {
		words = append(words, a.Says)
	}
	text := strings.Join(words, ", ")
	if more := len(attempts) - enough; more > 0 {
		text += fmt.Sprintf(" and %d more ways", more)
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// notProbed is the finding for what is not asked of strangers, or not without being
// told to.
func notProbed(v Server, why error) finding.Finding {
	return finding.Finding{
		Code: "needs-proof", Summary: fmt.Sprintf("not tried on %s: %s", v, why),
		Fix: "Prove that the host is yours, and say --battery.",
	}
}

// judgeOneRelay judges by the single attempt of the visit.
func judgeOneRelay(v Server, visit *Visit, why error) finding.Finding {
	a := visit.Relay
	f := finding.Finding{Evidence: a.Evidence()}
	switch {
	case a.WhyNot != "":
		f.Code, f.Summary = "asked-already", a.WhyNot
	case !a.IsAnswered():
		return visit.unanswered(v, a)
	case a.Reply.IsPositive():
		f.Code, f.Summary = "may-be-open", fmt.Sprintf("%s accepts a recipient elsewhere: %s; no message was sent (%s)", v, a.Reply, why)
	case outcomeOf(a.Reply, nil) == Deferred:
		f.Code, f.Summary = "deferred", fmt.Sprintf("%s defers a recipient elsewhere: %s", v, a.Reply)
	case mentions(a.Reply, clientWords) && !mentions(a.Reply, relayWords):
		return shunned(v, a.Reply.String(), a.Evidence())
	default:
		f.Code, f.Summary = "refused", fmt.Sprintf("%s refuses to relay in the one attempt that was made: %s", v, a.Reply)
	}
	return f
}
