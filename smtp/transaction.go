package smtp

import (
	"context"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// transaction is what was said since MAIL. The zero value is none.
type transaction struct {
	begun    bool
	declined bool // MAIL was refused: what comes behind it in the same flight is no error
	options  MailOptions
	accepted int // recipients
	refused  int
	taking   bool // a message is on its way in chunks
}

// reset gives the transaction up, and tells the session.
func (c *conversation) reset() {
	c.transaction = transaction{}
	c.session.Reset()
}

// mail is MAIL FROM:<path> parameters.
func (c *conversation) mail(ctx context.Context, args string) {
	switch {
	case !c.greeted:
		c.sequence("say " + c.helloVerb() + " first")
		return
	case c.transaction.begun:
		c.sequence("a transaction is under way")
		return
	}
	path, params, ok := cutPath(args, "FROM:")
	if !ok {
		c.syntax("MAIL FROM:<address>")
		return
	}
	o, bad := c.mailOptions(params)
	if bad != "" {
		c.fault(bad)
		return
	}
	from, err := mail.ParsePath(path)
	c.transaction = transaction{}
	switch {
	case err != nil:
		c.fault("501 5.1.7 bad sender address syntax")
	case !o.SMTPUTF8 && !isASCII(args):
		c.fault("553 5.6.7 a sender outside ASCII needs SMTPUTF8") // RFC 6531 section 3.5
	case o.Size > c.server.options.MaxSize:
		c.say("552 5.3.4 message too big") // RFC 1870 section 6.1
		c.transaction.declined = true
	case c.answer(c.session.Mail(ctx, from, o), "250 2.1.0 sender ok"):
		c.transaction = transaction{begun: true, options: o}
		c.server.stats.transactions.Add(1)
	default:
		c.transaction.declined = true
	}
}

// rcpt is RCPT TO:<path> parameters.
func (c *conversation) rcpt(ctx context.Context, args string) {
	t := &c.transaction
	if !t.begun {
		c.noTransaction(t.refused < c.server.options.MaxRecipients)
		t.refused++
		return
	}
	path, params, ok := cutPath(args, "TO:")
	if !ok {
		c.syntax("RCPT TO:<address>")
		return
	}
	o, bad := c.rcptOptions(params)
	if bad != "" {
		c.fault(bad)
		return
	}
	to, err := mail.ParsePath(path)
	switch {
	case err != nil || to.IsZero():
		c.fault("501 5.1.3 bad recipient address syntax")
	case !t.options.SMTPUTF8 && !isASCII(args):
		c.fault("553 5.6.7 a recipient outside ASCII needs SMTPUTF8")
	case t.accepted+t.refused >= c.server.options.MaxRecipients:
		c.say("452 4.5.3 too many recipients") // RFC 5321 section 4.5.3.1.10
	case c.answer(c.session.Rcpt(ctx, to, o), "250 2.1.5 recipient ok"):
		t.accepted++
	default:
		t.refused++
	}
}

// mayTakeData reports whether DATA or BDAT stands in its place, and says so if not.
func (c *conversation) mayTakeData() bool {
	switch t := c.transaction; {
	case t.accepted > 0:
		return true
	case !t.begun:
		c.noTransaction(true)
		c.transaction = transaction{}
	case t.refused > 0:
		c.say("554 5.5.1 no valid recipients") // RFC 5321 section 3.3
	default:
		c.sequence("say RCPT first")
	}
	return false
}

// noTransaction refuses RCPT and DATA without MAIL. Where MAIL was refused they may
// have been in its flight (RFC 2920 section 3.1): that is nobody's error, as long as
// they are few.
func (c *conversation) noTransaction(few bool) {
	const line = "say MAIL first"
	if c.transaction.declined && few {
		c.say("503 5.5.1 " + line)
		return
	}
	c.sequence(line)
}

func (c *conversation) helloVerb() string {
	if c.server.options.LMTP {
		return "LHLO"
	}
	return "EHLO"
}

// cutPath takes the path off the front of the arguments of MAIL or RCPT. A ">" in a
// quoted local part does not end it. Spaces behind the colon are against RFC 5321
// section 3.3 and common.
func cutPath(args, keyword string) (path, params string, ok bool) {
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return "", "", false
	}
	s := strings.TrimLeft(args[len(keyword):], " ")
	if !strings.HasPrefix(s, "<") {
		return "", "", false
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			rest := s[i+1:]
			return s[:i+1], strings.TrimLeft(rest, " \t"), rest == "" || rest[0] == ' ' || rest[0] == '\t'
		}
	}
	return "", "", false
}
