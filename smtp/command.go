package smtp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Command is one line as it is sent, without its CRLF: "EHLO mx.example". The
// functions below write the ones with parameters; any other is a conversion away.
type Command string

// verb is the first word, which is all that errors repeat.
func (c Command) verb() string {
	word, _, _ := strings.Cut(string(c), " ")
	return strings.ToUpper(word)
}

// shown is the command as the transcript has it: the initial response of AUTH is a
// secret (RFC 4954 section 4).
func (c Command) shown() Command {
	f := strings.Fields(string(c))
	if c.verb() != "AUTH" || len(f) < 3 {
		return c
	}
	return Command(f[0] + " " + f[1] + " " + masked)
}

// check refuses what would be more than one line.
func (c Command) check() error {
	if strings.ContainsAny(string(c), "\r\n") {
		return fmt.Errorf("%w: %.60q is more than one line", ErrCommand, string(c))
	}
	return nil
}

// Body says which octets a message holds.
type Body string

// The values of BODY (RFC 6152, RFC 3030 section 3).
const (
	Body7Bit       Body = "7BIT"
	Body8BitMIME   Body = "8BITMIME"
	BodyBinaryMIME Body = "BINARYMIME" // only with BDAT
)

// MailOptions are the parameters of MAIL. The zero value sends none. Whether the
// server announced the extension is the caller's business.
type MailOptions struct {
	Size       int64  // octets of the message; zero: not said (RFC 1870)
	Body       Body   // empty: not said
	SMTPUTF8   bool   // RFC 6531
	Return     string // FULL or HDRS: what a DSN gives back (RFC 3461 section 4.3)
	EnvelopeID string // ENVID, before xtext (section 4.4)
	RequireTLS bool   // RFC 8689
}

// RcptOptions are the parameters of RCPT (RFC 3461). The zero value sends none.
type RcptOptions struct {
	Notify            []string     // NEVER, or any of SUCCESS, FAILURE, DELAY
	OriginalRecipient mail.Address // ORCPT; zero: not said, or no mail address
	Original          string       // ORCPT as it goes over the wire, "rfc822;a+2Bb@example.com"; wins when both are set
}

// MailCommand is MAIL FROM with its parameters.
func MailCommand(from mail.Address, o MailOptions) Command {
	var b strings.Builder
	b.WriteString("MAIL FROM:" + from.Path())
	if o.Size > 0 {
		b.WriteString(" SIZE=" + strconv.FormatInt(o.Size, 10))
	}
	if o.Body != "" {
		b.WriteString(" BODY=" + string(o.Body))
	}
	if o.SMTPUTF8 {
		b.WriteString(" SMTPUTF8")
	}
	if o.Return != "" {
		b.WriteString(" RET=" + o.Return)
	}
	if o.EnvelopeID != "" {
		b.WriteString(" ENVID=" + xtext(o.EnvelopeID))
	}
	if o.RequireTLS {
		b.WriteString(" REQUIRETLS")
	}
	return Command(b.String())
}

// RcptCommand is RCPT TO with its parameters.
func RcptCommand(to mail.Address, o RcptOptions) Command {
	var b strings.Builder
	b.WriteString("RCPT TO:" + to.Path())
	if len(o.Notify) > 0 {
		b.WriteString(" NOTIFY=" + strings.Join(o.Notify, ","))
	}
	switch {
	case o.Original != "":
		b.WriteString(" ORCPT=" + o.Original)
	case !o.OriginalRecipient.IsZero():
		b.WriteString(" ORCPT=" + originalRecipient(o.OriginalRecipient))
	}
	return Command(b.String())
}

// originalRecipient is the ORCPT of RFC 3461 section 4.2, and the utf-8 form of RFC
// 6533 section 3 where the address is not ASCII.
func originalRecipient(a mail.Address) string {
	if !a.NeedsSMTPUTF8() {
		return "rfc822;" + xtext(a.String())
	}
	var b strings.Builder
	b.WriteString("utf-8;")
	for _, r := range a.String() {
		if r > '~' || r <= ' ' || r == '+' || r == '=' || r == '\\' {
			fmt.Fprintf(&b, `\x{%X}`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// xtext is the encoding of RFC 3461 section 4.
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
