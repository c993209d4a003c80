package check

import (
	"context"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// settleSender finds out whether the server waits for RCPT to refuse the null
// sender, as Postfix does by default: postmaster is to be accepted from everybody
// (RFC 5321 section 4.5.1).
func (v *visitor) settleSender(ctx context.Context) error {
	if !v.proof.Granted || v.For.IsZero() || !v.sender.IsZero() {
		return nil
	}
	postmaster := mail.Address{Local: "postmaster", Domain: v.For}
	var asked, again Asked
	if err := v.askRecipient(ctx, &asked, postmaster); err != nil || !asked.Reply.IsPermanent() {
		return err
	}
	v.sender = v.subject.probeSender(ctx)
	if err := v.fresh(ctx); err != nil {
		return err
	}
	err := v.askRecipient(ctx, &again, postmaster)
	if again.Reply.IsPositive() {
		v.NullSender, v.Sender = asked, again
	} else {
		v.sender = mail.Address{}
	}
	return err
}

func (v *visitor) askRecipients(ctx context.Context) error {
	if v.For.IsZero() {
		v.Unknown.WhyNot = "there is no domain to ask about"
	}
	if err := v.fresh(ctx); err != nil {
		return err
	}
	if err := v.askRecipient(ctx, &v.Relay, outsider); err != nil || v.For.IsZero() {
		return err
	}
	if err := v.fresh(ctx); err != nil {
		return err
	}
	return v.askRecipient(ctx, &v.Unknown, nobody(v.For))
}

func (v *visitor) askWithProof(ctx context.Context) error {
	v.Roles = map[string]Asked{}
	if !v.For.IsZero() {
		for _, role := range v.subject.mailboxes(ctx) {
			var a Asked
			err := v.askRecipient(ctx, &a, mail.Address{Local: role, Domain: v.For})
			v.Roles[role] = a
			if err != nil {
				return err
			}
		}
	}
	if err := v.put(ctx, &v.Verify, verify(nobody(v.For))); err != nil {
		return err
	}
	if err := v.put(ctx, &v.VerifyReal, verify(mail.Address{Local: "postmaster", Domain: v.For})); err != nil {
		return err
	}
	return v.put(ctx, &v.Expand, smtp.Command("EXPN postmaster"))
}

// verify is VRFY of a whole address: of a local part alone many servers say only
// that it is none.
func verify(a mail.Address) smtp.Command {
	if a.Domain.IsZero() {
		return smtp.Command("VRFY " + a.Local)
	}
	return smtp.Command("VRFY " + a.String())
}

// transaction is the one that is open, as far as recipients are concerned.
type transaction struct {
	refused error // who refuses the sender has said nothing about a recipient
	taken   int   // recipients accepted
}

// company is whether a recipient is answered differently beside others: some
// servers take only one from the null sender.
type company int

const (
	unsettled company = iota
	harmless
	minded
)

// fresh begins another transaction. Servers count commands that lead to no mail,
// and hang up: Exim after ten. So there are as few as possible.
func (v *visitor) fresh(ctx context.Context) error {
	if _, err := v.say(ctx, "RSET"); err != nil {
		return err
	}
	answer, err := v.say(ctx, smtp.MailCommand(v.sender, smtp.MailOptions{}))
	v.open = transaction{refused: refusal("the sender "+v.sender.Path(), answer)}
	return err
}

// askRecipient asks about one more recipient of the open transaction.
func (v *visitor) askRecipient(ctx context.Context, a *Asked, to mail.Address) error {
	if v.company == minded && v.open.taken > 0 {
		if err := v.fresh(ctx); err != nil {
			return err
		}
	}
	if err := v.askBeside(ctx, a, to); err != nil {
		return err
	}
	if v.company != unsettled || v.open.taken == 0 || !a.IsAnswered() || a.Reply.IsPositive() {
		return nil
	}
	beside := a.Reply.Code
	if err := v.fresh(ctx); err != nil {
		return err
	}
	err := v.askBeside(ctx, a, to)
	v.company = harmless
	if a.Reply.Code != beside {
		v.company = minded
	}
	return err
}

func (v *visitor) askBeside(ctx context.Context, a *Asked, to mail.Address) error {
	command := smtp.RcptCommand(to, smtp.RcptOptions{})
	if v.open.refused != nil {
		a.Command, a.Err = string(command), v.open.refused
		return nil
	}
	err := v.put(ctx, a, command)
	if a.Reply.IsPositive() {
		v.open.taken++
	}
	return err
}
