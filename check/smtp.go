package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
)

func smtpChecks() []Check {
	return []Check{smtpSpeed, smtpBasics, smtpExtensions, smtpSize, smtpClearAuth, smtpNullSender, smtpVerify, smtpBanner,
		smtpSmuggling, smtpInjection, smtpUnknownCommands, smtpXclient}
}

// Limits of patience: receivers and audit tools hang up after 10 to 15 seconds.
const (
	slowDialogue = 5 * time.Second
	deadDialogue = 15 * time.Second
)

var smtpSpeed = rule{About{
	ID:       "smtp.speed",
	Question: "Does the server greet and answer within a few seconds?",
	Why: "Audit tools give up after 10 to 15 seconds and then report a missing banner, missing TLS and a wrong name; busy senders " +
		"hang up and try later. A delay before the greeting stops few spammers today.",
	Fix:       "Greet at once: no greet pause, no tarpit, no slow lookups before the banner.",
	Refs:      []string{"RFC 5321 4.5.3.2"},
	Rows:      []string{"SMTP-01"},
	Practices: []string{"D7"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"quick", finding.Green, "connection and greeting within five seconds"},
		{"slow", finding.Yellow, "more than five seconds until the greeting"},
		{"too-slow", finding.Red, "more than fifteen seconds until the greeting"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		took := visit.Connecting + visit.Greeting
		f := finding.Finding{Code: "quick", Summary: fmt.Sprintf("%s greets after %s", v, round(took))}
		if took > slowDialogue {
			f.Code = "slow"
			f.Evidence = []string{fmt.Sprintf("connected after %s, greeted %s later", round(visit.Connecting), round(visit.Greeting))}
		}
		if took > deadDialogue {
			f.Code = "too-slow"
		}
		return f
	})
}}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

var smtpBasics = rule{About{
	ID:       "smtp.basics",
	Question: "Does the server speak SMTP by the rules to the end?",
	Why: "Replies with changing codes, bare line feeds or lines without end make senders lose their place; the connection is cut and the " +
		"mail stays in the queue, or is delivered twice.",
	Fix:       "Look at what stands in front of the server: firewalls with SMTP inspection and home-made filters break the dialogue most often.",
	Refs:      []string{"RFC 5321 4.2", "RFC 5321 2.3.8"},
	Rows:      []string{"SMTP-02"},
	Practices: []string{"D7"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"right", finding.Green, "greeting, EHLO, MAIL, RCPT, RSET and QUIT were answered by the rules"},
		{"broken-off", finding.Red, "the server broke the conversation off, or could not be understood"},
		refusesUs,
		{"faults", finding.Yellow, "the server breaks rules of the protocol, and can still be understood"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachGreeting(ctx, s, func(v Server, visit *Visit) finding.Finding {
		switch {
		case isOurs(visit.Ended):
			return unseen(v.String(), visit.Ended)
		case isRefusal(visit.Ended):
			return shunned(v, visit.Ended.Error(), visit.Transcript)
		case visit.Ended != nil:
			return finding.Finding{Code: "broken-off", Summary: fmt.Sprintf("%s broke off: %s", v, visit.Ended), Evidence: visit.Transcript}
		case len(visit.Faults) > 0:
			var words []string
			for _, fault := range visit.Faults {
				words = append(words, string(fault))
			}
			return finding.Finding{Code: "faults", Summary: fmt.Sprintf("%s breaks the protocol: %s", v, strings.Join(words, ", ")), Evidence: visit.Transcript}
		}
		return finding.Finding{Code: "right", Summary: v.String() + " speaks by the rules"}
	})
}}

// announced is what the server offers on the channel that mail would take.
func (v *Visit) announced() interface {
	Has(string) bool
	Keywords() []string
	Size() (int64, bool)
	AuthMechanisms() []string
} {
	if v.StartTLS.State != nil {
		return v.StartTLS.Extensions
	}
	return v.Extensions
}

var smtpExtensions = rule{About{
	ID:        "smtp.extensions",
	Question:  "Does the server offer what senders use today?",
	Why:       "Without PIPELINING mail is slow, without 8BITMIME it is re-encoded and its signature may break, without ENHANCEDSTATUSCODES senders guess what went wrong.",
	Fix:       "Turn the extensions on, or take the device away that strips them from the answer to EHLO.",
	Refs:      []string{"RFC 2920", "RFC 6152", "RFC 2034", "RFC 6531", "RFC 3030"},
	Rows:      []string{"SMTP-03"},
	Practices: []string{"D7"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"offered", finding.Green, "the server announces extensions"},
		{"masked", finding.Yellow, "a device in front of the server hides its extensions"},
		{"bare", finding.Skip, "the server announces none of the usual extensions"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		keywords := visit.announced().Keywords()
		if isMasked(keywords) {
			return finding.Finding{Code: "masked", Summary: v.String() + " has its extensions masked by a firewall", Evidence: []string{strings.Join(keywords, " ")}}
		}
		if len(keywords) == 0 {
			return finding.Finding{Code: "bare", Summary: v.String() + " announces no extension"}
		}
		return finding.Finding{Code: "offered", Summary: v.String() + " offers " + strings.Join(keywords, " ")}
	})
}}

// usualSize is the message size that people expect to get through: 25 MB, as the
// large mailbox providers take.
const usualSize = 25_000_000

var smtpSize = rule{About{
	ID:        "smtp.size",
	Question:  "Does the server take messages of the usual size?",
	Why:       "The large providers take 25 MB and more; a smaller limit bounces mail with attachments that went through everywhere else.",
	Fix:       "Raise the size limit to 25 MB or more (message_size_limit in Postfix).",
	Refs:      []string{"RFC 1870"},
	Rows:      []string{"SMTP-10"},
	Practices: []string{"D7"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"enough", finding.Green, "the server takes 25 MB or more"},
		{"small", finding.Skip, "the server takes less than 25 MB; a matter of taste"},
		{"unsaid", finding.Skip, "the server names no limit"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		size, said := visit.announced().Size()
		switch {
		case !said:
			return finding.Finding{Code: "unsaid", Summary: v.String() + " names no size limit"}
		case size < usualSize:
			return finding.Finding{Code: "small", Summary: fmt.Sprintf("%s takes %.1f MB", v, float64(size)/1e6)}
		}
		return finding.Finding{Code: "enough", Summary: fmt.Sprintf("%s takes %.1f MB", v, float64(size)/1e6)}
	})
}}

var smtpClearAuth = rule{About{
	ID:       "smtp.auth",
	Question: "Is port 25 free of logins?",
	Why: "Port 25 is for other servers. A login offered there is what password guessers look for; offered without TLS it sends " +
		"passwords over the Internet in the clear.",
	Fix:       "Offer AUTH on the submission ports 587 and 465 only, and only under TLS (smtpd_tls_auth_only in Postfix).",
	Refs:      []string{"RFC 4954 4", "RFC 8314"},
	Rows:      []string{"SMTP-04"},
	Practices: []string{"R3"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"none", finding.Green, "no AUTH on port 25"},
		{"clear", finding.Red, "AUTH is offered without TLS"},
		{"under-tls", finding.Yellow, "AUTH is offered on port 25 under TLS"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		f := finding.Finding{Code: "none", Summary: v.String() + " offers no login on port 25"}
		if m := visit.StartTLS.Extensions.AuthMechanisms(); len(m) > 0 {
			f.Code, f.Summary = "under-tls", fmt.Sprintf("%s offers AUTH %s on port 25", v, strings.Join(m, " "))
		}
		if m := visit.Extensions.AuthMechanisms(); len(m) > 0 {
			f.Code, f.Summary = "clear", fmt.Sprintf("%s offers AUTH %s on port 25 without TLS", v, strings.Join(m, " "))
			f.Evidence = []string{"S: 250 AUTH " + strings.Join(m, " ")}
		}
		if f.Code == "none" && visit.StartTLS.Offered && !visit.StartTLS.Hello.IsPositive() {
			return unseen(v.String(), fmt.Errorf("what it offers under TLS was not seen: %w", visit.StartTLS.why()))
		}
		return f
	})
}}

// why is the reason that nothing was said under TLS.
func (t TLSAnswer) why() error {
	if t.Err != nil {
		return t.Err
	}
	return cmp.Or(refusal("EHLO", t.Hello), errUnheard)
}

var errUnheard = errors.New("the conversation ended before")

var smtpNullSender = rule{About{
	ID:        "smtp.null-sender",
	Question:  "Does the server take mail from the null sender?",
	Why:       "Bounces and delivery reports come from <>. A server that refuses it never learns that its own mail failed, and is listed for it.",
	Fix:       "Accept MAIL FROM:<> for every mailbox; filter by other means.",
	Refs:      []string{"RFC 5321 4.5.5", "RFC 5321 6.1"},
	Rows:      []string{"SMTP-08", "SMTP-09"},
	Practices: []string{"I1"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"accepted", finding.Green, "MAIL FROM:<> is accepted"},
		{"refused", finding.Red, "MAIL FROM:<> is refused"},
		{"deferred", finding.Unknown, "MAIL FROM:<> is answered with a temporary error"},
		refusesUs,
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		a := visit.NullSender
		f := finding.Finding{Evidence: a.Evidence()}
		switch {
		case a.Reply.IsPositive():
			f.Code, f.Summary, f.Evidence = "accepted", v.String()+" takes mail from <>", nil
		case a.Reply.IsTransient():
			f.Code, f.Summary = "deferred", v.String()+" defers mail from <>: "+a.Reply.String()
		case !a.IsAnswered():
			return visit.unanswered(v, a)
		case visit.Sender.Reply.IsPositive():
			f.Code, f.Summary = "refused", v.String()+" refuses mail from <>, and from nobody else: "+a.Reply.String()
		case visit.Sender.IsAnswered():
			return shunned(v, "it takes no other sender either: "+visit.Sender.Reply.String(), append(f.Evidence, visit.Sender.Evidence()...))
		default:
			return visit.unanswered(v, visit.Sender)
		}
		return f
	})
}}

var smtpVerify = rule{About{
	ID:        "smtp.vrfy",
	Question:  "Does the server keep its users and lists to itself?",
	Why:       "VRFY and EXPN that answer tell address collectors which mailboxes exist and who is on a list.",
	Fix:       "Answer VRFY with 252 for everybody and refuse EXPN (disable_vrfy_command in Postfix).",
	Refs:      []string{"RFC 5321 3.5.3", "RFC 5321 7.3"},
	Rows:      []string{"SMTP-05"},
	Practices: []string{"I1"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"closed", finding.Green, "VRFY and EXPN tell nothing"},
		{"vrfy", finding.Red, "VRFY tells which users exist"},
		{"expn", finding.Red, "EXPN tells the members of a list"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		switch {
		case visit.Verify.WhyNot != "":
			return finding.Finding{Code: "needs-proof", Summary: "VRFY was not asked: " + visit.Verify.WhyNot}
		case !visit.Verify.IsAnswered():
			return finding.Finding{}
		case visit.Expand.Reply.IsPositive() && visit.Expand.Reply.Code != 252:
			return finding.Finding{Code: "expn", Summary: v.String() + " expands lists for strangers", Evidence: visit.Expand.Evidence()}
		case tellsUsers(visit.Verify.Reply, visit.VerifyReal.Reply):
			return finding.Finding{Code: "vrfy", Summary: v.String() + " tells strangers which users exist",
				Evidence: append(visit.Verify.Evidence(), visit.VerifyReal.Evidence()...)}
		}
		return finding.Finding{Code: "closed", Summary: v.String() + " tells nothing by VRFY and EXPN"}
	})
}}

// tellsUsers reports that VRFY refuses who does not exist and not who does, or
// says in so many words that there is no such mailbox. The same answer to both
// tells nothing.
func tellsUsers(nobody, somebody mail.Reply) bool {
	if !nobody.IsPermanent() {
		return false
	}
	return somebody.IsPositive() || nobody.Enhanced.Subject == 1
}

// version is a product version as banners show it: a name, then digits and dots.
var version = regexp.MustCompile(`(?i)\b(?:postfix|exim|sendmail|opensmtpd|haraka|mdaemon|exchange|kerio|zimbra|hmailserver|qmail|version|v)[ /-]*v?\d+\.\d`)

var smtpBanner = rule{About{
	ID:        "smtp.banner",
	Question:  "Does the greeting keep the software's version to itself?",
	Why:       "A version in the greeting tells everybody which holes to try. It is a matter of taste: nobody refuses mail for it.",
	Fix:       "Leave the version out of the greeting.",
	Refs:      []string{"RFC 5321 7.4"},
	Rows:      []string{"SMTP-06"},
	Practices: []string{"D4"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"quiet", finding.Green, "the greeting shows no version"},
		{"shows-version", finding.Skip, "the greeting shows the software's version; harmless in itself"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		if version.MatchString(visit.Banner.Text()) {
			return finding.Finding{Code: "shows-version", Summary: v.String() + " shows its version: " + visit.Banner.String()}
		}
		return finding.Finding{Code: "quiet", Summary: v.String() + " greets without a version"}
	})
}}
