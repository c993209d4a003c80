package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// refused is the error of a command that got another reply than a positive one,
// where the conversation cannot go on without.
type refused struct {
	what  string // "the greeting", "EHLO"
	reply mail.Reply
}

func (r *refused) Error() string { return r.what + " was refused: " + r.reply.String() }

// refusal is nil for a positive reply, and for none.
func refusal(what string, r mail.Reply) error {
	if r.IsZero() || r.IsPositive() {
		return nil
	}
	return &refused{what, r}
}

// isRefusal reports that a server ended what we wanted by its own word: it speaks
// the protocol, and not with us.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*refused](err)
	return ok
}

// impatience is an error that tells of us and not of the host: our time was over
// before its time was.
type impatience struct{ error }

// Unwrap makes it a context.DeadlineExceeded, whatever it was.
func (i impatience) Unwrap() []error { return []error{i.error, context.DeadlineExceeded} }

// isOurs reports an error for which the host cannot be blamed.
func isOurs(err error) bool {
	_, ok := errors.AsType[impatience](err)
	return ok || slices.ContainsFunc(ownReasons, func(r error) bool { return errors.Is(err, r) })
}

// Why a server that looks at itself, or looks for somebody, may not see a host.
var (
	errStranger = errors.New("it is not ours, and who sends mail does not knock at others' doors")
	errReserved = errors.New("who sends mail does not knock at others' doors, and this server sends")
	errFamily   = errors.New("there is no address of its family to look from")
	errInside   = errors.New("the address is that of a translator in front of us, who does not let us through from inside")
)

var ownReasons = []error{errStranger, errReserved, errFamily, errInside}

// excuse marks an error as ours: the audit was over, or the host had less time for
// its answer than what judges it dead.
func (o Options) excuse(ctx context.Context, err error) error {
	late := errors.Is(err, smtp.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || isTimeout(err)
	switch {
	case err == nil || isOurs(err):
		return err
	case isOver(ctx):
		return impatience{err}
	case late && o.patience() < deadDialogue:
		return impatience{fmt.Errorf("%w; it had only %s", err, round(o.patience()))}
	}
	return err
}

// isOver reports that a context has ended, or is about to: a connection may notice
// its deadline before the context does.
func isOver(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && time.Until(deadline) <= 0 // deadline
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// stance is what an answer to RCPT says of the mailbox.
type stance int

// What an answer says.
const (
	unasked   stance = iota // no answer
	accepts                 // the mailbox is accepted
	denies                  // the mailbox is refused
	disowns                 // the domain is refused: it is not the server's own
	postpones               // a temporary error
	shuns                   // a refusal that may be about this machine, and not about the mailbox
)

// stance reads the answer to a question about a mailbox at a domain.
func (a Asked) stance(at mail.Domain) stance {
	r := a.Reply
	r.Lines = []string{strings.ReplaceAll(strings.ToLower(r.Text()), at.String(), "")}
	address := r.Enhanced.Subject == 1 && !slices.Contains(senderDetails, r.Enhanced.Detail)
	switch {
	case r.IsZero():
		return unasked
	case r.IsPositive():
		return accepts
	case r.IsTransient():
		return postpones
	case address && r.Enhanced.Detail == 1:
		return denies
	case !address && mentions(r, clientWords):
		return shuns
	case mentions(r, relayWords):
		return disowns
	case address, mentions(r, mailboxWords), r.Enhanced.IsZero() && slices.Contains(mailboxCodes, r.Code):
		return denies
	}
	return shuns
}

func mentions(r mail.Reply, words []string) bool {
	text := strings.ToLower(r.Text())
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// senderDetails are the codes X.1.Z that are about the sender (RFC 3463 section 3.2).
var senderDetails = []int{7, 8}

// mailboxCodes are the refusals of RFC 5321 section 4.2.2 that name the mailbox.
var mailboxCodes = []int{550, 551, 553}

// What servers write into a refusal: of a client that they do not like, of a domain
// that is not theirs, and of a mailbox that nobody has.
var (
	clientWords = []string{"client host", "blocked", "blacklist", "blocklist", "block list", "denylist", "spamhaus", "dnsbl", "rbl", "reputation",
		"banned", "your ip", "ip address", "spf", "dmarc", "reverse dns", "rdns", "ptr", "helo", "ehlo", "sender address", "sender verify", "policy"}
	relayWords   = []string{"relay", "not local", "not hosted", "unrouteable", "not a recipient domain"}
	mailboxWords = []string{"user unknown", "unknown user", "no such", "mailbox unavailable", "mailbox not found", "no mailbox", "does not exist",
		"doesn't exist", "unknown recipient", "recipient unknown", "invalid recipient", "recipient address rejected", "recipient rejected", "not a valid mailbox"}
)

// unknownStance is what the server says of a mailbox that nobody has. Who refuses
// an outsider in the same words, and they are not about mailboxes, may refuse us.
func (v *Visit) unknownStance() stance {
	said := v.Unknown.stance(v.For)
	unknown, outsider := v.Unknown.Reply, v.Relay.Reply
	alike := unknown.Code == outsider.Code && slices.Equal(unknown.Lines, outsider.Lines)
	if said == denies && alike && unknown.Enhanced.IsZero() && !mentions(unknown, mailboxWords) {
		return shuns
	}
	return said
}

// isForOthers reports that the host was asked about recipients on behalf of another
// target of the run, and is not asked again.
func (v *Visit) isForOthers(s *Subject) bool {
	return v.For != s.mailDomain() || v.Unknown.WhyNot != ""
}

// unanswered is the finding for a question that a server left open, or would not be
// asked; none when there was a reason not to ask.
func (v *Visit) unanswered(server Server, a Asked) finding.Finding {
	err := a.Err
	if err == nil {
		err = v.Ended
	}
	switch {
	case err == nil:
		return finding.Finding{}
	case isRefusal(err):
		return shunned(server, err.Error(), a.Evidence())
	}
	return unseen(server.String(), err)
}

// shunned is the finding for a server that would not talk to this machine.
func shunned(v Server, what string, evidence []string) finding.Finding {
	return finding.Finding{
		Code: "refuses-us", Subject: v.String(), Evidence: evidence,
		Summary: fmt.Sprintf("%s may be refusing this machine: %s", v, what),
		Fix:     "Ask from another address, or with another name in --helo: this one may be on a list that the server uses.",
	}
}

// refusesUs is the code of shunned, for the manual pages of the checks that say it.
var refusesUs = Code{"refuses-us", finding.Unknown, "the refusal may be about this machine, so nothing can be said"}
