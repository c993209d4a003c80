package check

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

var smtpUnknownCommands = rule{About{
	ID:       "smtp.unknown-commands",
	Question: "Does the server bear clients that talk nonsense?",
	Why: "Bots and scanners speak before the greeting and say what no server knows. A server that takes nonsense for something, or hangs, can " +
		"be confused or worn down.",
	Fix:       "Answer unknown commands with 500 or 502, and end the session with 421 after some of them (smtpd_hard_error_limit in Postfix, smtp_max_unknown_commands in Exim).",
	Refs:      []string{"RFC 5321 4.2.4", "RFC 5321 4.3.1"},
	Rows:      []string{"SMTP-14"},
	Practices: []string{"D7"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"borne", finding.Green, "nonsense is refused, or ends the session"},
		{"obeyed", finding.Red, "a command that does not exist was answered with success"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		if why := s.mayProbe(ctx, v.IP); why != nil {
			return notProbed(v, why)
		}
		if visit.Connecting+visit.Greeting > slowDialogue {
			return unseen(v.String(), errTooSlow)
		}
		b := &babbler{prober: prober{subject: s, to: netip.AddrPortFrom(v.IP, 25)}}
		defer b.hangUp()
		return b.judge(ctx, v)
	})
}}

// muchNonsense is how many unknown commands are said; every server has had enough by
// then or never will.
const muchNonsense = 12

// babbler talks nonsense to one host.
type babbler struct{ prober }

func (b *babbler) judge(ctx context.Context, v Server) finding.Finding {
	early, err := b.talkEarly(ctx)
	if err != nil && early.IsZero() && b.client == nil {
		return unseen(v.String(), err)
	}
	b.hangUp()
	if err := b.open(ctx); err != nil {
		return unseen(v.String(), fmt.Errorf("after somebody who spoke before the greeting: %w", err))
	}
	for i := range muchNonsense {
		reply, err := b.say(ctx, fmt.Sprintf("ALLGREEN-NONSENSE-%d", i))
		switch {
		case reply.IsPositive() || reply.IsIntermediate():
			return finding.Finding{
				Code: "obeyed", Summary: fmt.Sprintf("%s answers a command that does not exist with %s", v, reply),
				Evidence: []string{fmt.Sprintf("C: ALLGREEN-NONSENSE-%d", i), "S: " + reply.String()},
			}
		case ctx.Err() != nil:
			return unseen(v.String(), ctx.Err())
		case err != nil:
			return finding.Finding{Code: "borne", Summary: fmt.Sprintf("%s ends the session after %s", v, count(i+1, "unknown command"))}
		}
	}
	return finding.Finding{Code: "borne", Summary: fmt.Sprintf("%s refuses %s", v, count(muchNonsense, "unknown command"))}
}

// talkEarly says EHLO before the greeting came. Being refused for that is as good as
// being greeted; only to find nobody there any more is not.
func (b *babbler) talkEarly(ctx context.Context) (mail.Reply, error) {
	if err := b.connect(ctx); err != nil {
		return mail.Reply{}, err
	}
	if err := b.client.Raw(ctx, []byte("EHLO "+b.subject.Options.helo()+"\r\n")); err != nil {
		return mail.Reply{}, err
	}
	return b.client.Greet(ctx)
}

var smtpXclient = rule{About{
	ID:       "smtp.xclient",
	Question: "Is XCLIENT closed to strangers?",
	Why: "XCLIENT and XFORWARD let a trusted proxy say who the client really is. Open to everybody, anybody is localhost: a relay, and out of " +
		"sight of every blocklist.",
	Fix:       "Name only your own proxies: smtpd_authorized_xclient_hosts and smtpd_authorized_xforward_hosts in Postfix are empty by default.",
	Refs:      []string{"RFC 5321 7.9"},
	Rows:      []string{"SMTP-14"},
	Practices: []string{"R1"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"closed", finding.Green, "neither XCLIENT nor XFORWARD is offered"},
		{"offered", finding.Red, "XCLIENT or XFORWARD is offered to us, and so to anybody"},
		{"taken", finding.Red, "XCLIENT was obeyed although it is not offered"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		for _, extensions := range []smtp.Extensions{visit.Extensions, visit.StartTLS.Extensions} {
			for _, keyword := range []string{"XCLIENT", "XFORWARD"} {
				if extensions.Has(keyword) {
					return finding.Finding{Code: "offered", Summary: v.String() + " offers " + keyword + " to strangers", Evidence: []string{"S: 250 " + keyword}}
				}
			}
		}
		for _, a := range s.Battery(ctx, v).Attempts {
			if a.ID == "xclient" && a.obeyed {
				return finding.Finding{Code: "taken", Summary: v.String() + " obeys XCLIENT from strangers", Evidence: []string{a.Evidence()}}
			}
		}
		return finding.Finding{Code: "closed", Summary: v.String() + " offers neither XCLIENT nor XFORWARD"}
	})
}}
