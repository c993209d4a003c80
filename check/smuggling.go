package check

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
)

// falseEnds are sequences that look like the end of data and are none: only
// CRLF.CRLF is (RFC 5321 section 4.1.1.4).
var falseEnds = []struct{ name, octets string }{
	{"LF . LF", "\n.\n"},
	{"LF . CRLF", "\n.\r\n"},
	{"CR . CR", "\r.\r"},
	{"CRLF . CR", "\r\n.\r"},
	{"CRLF . LF", "\r\n.\n"},
	{"CR . LF", "\r.\n"},
}

// Smuggled is what became of one message with a false end of data in its middle.
type Smuggled struct {
	End     string // "LF . LF"
	Ended   bool   // the server took it for the end, and what came behind it for commands
	Why     error  // it was not seen
	Replies []mail.Reply
}

// Smuggling is the answer of one host to all false ends of data.
type Smuggling struct {
	WhyNot, Unseen error
	NoMailbox      bool
	Tries          []Smuggled
}

// Smuggling sends messages with false ends of data to a mailbox of the host.
func (s *Subject) Smuggling(ctx context.Context, v Server) *Smuggling {
	visit := s.Visit(ctx, v.IP)
	found := &Smuggling{WhyNot: s.mayProbe(ctx, v.IP)}
	if visit.Connecting+visit.Greeting > slowDialogue {
		found.Unseen = errTooSlow
	}
	to, err := mail.ParseAddress(s.mailbox(ctx, visit))
	found.NoMailbox = err != nil
	if found.WhyNot != nil || found.Unseen != nil || found.NoMailbox {
		return found
	}
	var from mail.Address
	if !visit.NullSender.Reply.IsPositive() {
		from = s.probeSender(ctx)
	}
	for _, end := range falseEnds {
		p := &smuggler{prober{subject: s, to: netip.AddrPortFrom(v.IP, 25)}}
		try := Smuggled{End: end.name}
		try.Why = p.smuggle(ctx, &try, from, to, end.octets)
		p.hangUp()
		found.Tries = append(found.Tries, try)
	}
	return found
}

// smuggler sends one message on one connection.
type smuggler struct{ prober }

// smuggle hides NOOP behind a false end of data and counts the replies: one is for
// the message. Another before the answer to QUIT is for NOOP, which then was no text
// but a command. Nothing harmful is hidden, and no time-out is waited for.
func (p *smuggler) smuggle(ctx context.Context, try *Smuggled, from, to mail.Address, end string) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	for _, command := range []string{"MAIL FROM:" + from.Path(), "RCPT TO:" + to.Path(), "DATA"} {
		reply, err := p.say(ctx, command)
		if err == nil && !reply.IsPositive() && !reply.IsIntermediate() {
			err = refusal(command, reply)
		}
		if err != nil {
			return err
		}
	}
	text := strings.TrimSuffix(p.subject.letter(from.String(), to.String(), "smuggling test", "", "A false end of data follows."), "\r\n")
	if err := p.client.Raw(ctx, []byte(text+end+"NOOP\r\n.\r\n")); err != nil {
		return err
	}
	return p.count(ctx, try)
}

// count reads replies up to the one to QUIT, which is said after the first.
func (p *smuggler) count(ctx context.Context, try *Smuggled) error {
	const enough = 8
	for len(try.Replies) < enough {
		reply, err := p.client.ReadReply(ctx)
		if err != nil {
			return err
		}
		if len(try.Replies) == 0 {
			if err := p.client.Raw(ctx, []byte("QUIT\r\n")); err != nil {
				return err
			}
		}
		if reply.Code == 221 || reply.Code == 421 {
			break
		}
		try.Replies = append(try.Replies, reply)
	}
	try.Ended = len(try.Replies) > 1
	return nil
}

var smtpSmuggling = rule{About{
	ID:       "smtp.smuggling",
	Question: "Does only CRLF.CRLF end a message?",
	Why: "Where a bare line feed or carriage return ends the data too, a forger can hide a second message in a first: it passes SPF and DMARC " +
		"of whoever relayed the first (SMTP smuggling, CVE-2023-51764 to 51766).",
	Fix: "In Postfix 3.9 and newer: smtpd_forbid_bare_newline = normalize or reject (3.5.23 to 3.8.4 know yes). In Exim: 4.97.1 or newer. " +
		"Behind a filter or gateway, mend that one too.",
	Refs:      []string{"RFC 5321 2.3.8", "RFC 5321 4.1.1.4"},
	Rows:      []string{"SMTP-11"},
	Practices: []string{"I1"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Needs:     []string{"mx.reachable"},
	Codes: []Code{
		{"strict", finding.Green, "no false end of data was taken for one"},
		{"smuggles", finding.Red, "a false end of data ended the message, and commands behind it were obeyed"},
		{"no-mailbox", finding.Unknown, "no mailbox is known to which a message could be sent"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachHost(ctx, s, func(v Server) finding.Finding {
		return judgeSmuggling(v, s.Smuggling(ctx, v))
	})
}}

func judgeSmuggling(v Server, found *Smuggling) finding.Finding {
	switch {
	case found.WhyNot != nil:
		return notProbed(v, found.WhyNot)
	case found.Unseen != nil:
		return unseen(v.String(), found.Unseen)
	case found.NoMailbox:
		return finding.Finding{Code: "no-mailbox", Summary: "no mailbox is known to which " + v.String() + " could be sent a message", Fix: "Create postmaster (see role.postmaster)."}
	}
	var ended, lines []string
	var hidden error
	for _, try := range found.Tries {
		lines = append(lines, try.Evidence())
		if try.Ended {
			ended = append(ended, try.End)
		}
		if try.Why != nil {
			hidden = try.Why
		}
	}
	switch {
	case len(ended) > 0:
		return finding.Finding{Code: "smuggles", Summary: fmt.Sprintf("%s ends messages at %s, and obeys what stands behind", v, strings.Join(ended, ", ")), Evidence: lines}
	case hidden != nil:
		f := unseen(v.String(), hidden)
		f.Evidence = lines
		return f
	}
	return finding.Finding{Code: "strict", Summary: v.String() + " ends messages at CRLF.CRLF only", Evidence: lines}
}

// Evidence is the try with each answer, in one line.
func (t Smuggled) Evidence() string {
	var answers []string
	for _, r := range t.Replies {
		answers = append(answers, r.String())
	}
	if t.Why != nil {
		answers = append(answers, t.Why.Error())
	}
	return t.End + ": " + strings.Join(answers, "; ")
}
