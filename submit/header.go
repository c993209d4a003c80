package submit

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// private are fields that must not leave: who else got the message, and what mail
// programs and stores keep for themselves (RFC 5322 section 3.6.3, RFC 5321
// section 4.4 for Return-Path).
var private = []string{
	"Bcc", "Resent-Bcc", "Return-Path", "Apparently-To", "Envelope-To", "X-Envelope-To",
	"Content-Length", "Status", "X-Status", "X-Keywords", "X-UID", "X-UIDL", "X-IMAPbase",
	"X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys", "X-Evolution-Source",
}

// once are the fields whose doubles make readers disagree (RFC 5322 section 3.6).
// Big receivers refuse such messages.
var once = []string{
	"Date", "From", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To",
	"References", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}

// maxHops is how many Received fields a message may bring: more are a loop (RFC
// 5321 section 6.3 asks for at least 100).
const maxHops = 100

// completion makes the header of a submission that of a message (RFC 6409
// section 8).
type completion struct {
	now    time.Time
	trace  mail.TraceID
	host   mail.Domain     // whose Authentication-Results nobody else may bring
	author message.Mailbox // for a message without From; zero: it is refused
	pinned bool            // author replaces whatever From says
	mend   bool            // set right what can be, instead of refusing
	utf8   bool            // the client asked for SMTPUTF8
}

// complete returns the header to be signed, without Received. The error is a
// mail.Reply.
func (c *completion) complete(h message.Header) (message.Header, error) {
	if err := c.refuse(h); err != nil {
		return h, err
	}
	out := message.Header{Fields: make([]message.Field, 0, len(h.Fields)+6)}
	for _, f := range h.Fields {
		if c.keeps(f) {
			out.Fields = append(out.Fields, c.ascii(withCRLF(f)))
		}
	}
	c.setFrom(&out)
	if err := c.setDate(&out); err != nil {
		return h, err
	}
	c.setMessageID(&out)
	if !out.Has("To") && !out.Has("Cc") {
		// A message to blind recipients only: some receivers refuse one that
		// names nobody.
		out.Fields = append(out.Fields, message.NewField("To", "undisclosed-recipients:;"))
	}
	return out, nil
}

// refuse finds what no header may have, for nobody could say what was meant.
func (c *completion) refuse(h message.Header) error {
	for _, p := range h.Problems {
		switch p.Code {
		case message.NotAField, message.MboxLine, message.LeadingFold, message.BlankFold:
			return refusal(formError, "A line of the header is no field: %s", p.Detail)
		case message.HeaderTooLarge, message.TooManyFields:
			return refusal(formError, "The header is too large: %s", p.Detail)
		}
	}
	for _, name := range once {
		if n := h.Count(name); n > 1 {
			return refusal(formError, "The message has %d %s fields; it must have one", n, name)
		}
	}
	if n := h.Count("Received"); n >= maxHops {
		return refusal(routeLoop, "The message came through %d servers already: it goes in a circle", n)
	}
	if h.Has("Sender") {
		if boxes, err := h.Addresses("Sender"); err != nil || len(boxes) != 1 {
			return refusal(formError, "The Sender field must hold one address")
		}
	}
	return nil
}

func (c *completion) keeps(f message.Field) bool {
	if slices.ContainsFunc(private, f.Is) {
		return false
	}
	if f.Is("Authentication-Results") {
		// RFC 8601 section 5: results in our own name are made here or not at all.
		id, _, _ := strings.Cut(f.Value(), ";")
		id, _, _ = strings.Cut(strings.TrimSpace(id), " ")
		return !strings.EqualFold(id, c.host.String())
	}
	return true
}

// withCRLF ends the last field of a header without a body as the others are.
func withCRLF(f message.Field) message.Field {
	if strings.HasSuffix(f.Raw(), "\r\n") {
		return f
	}
	return message.ParseField(f.Raw() + "\r\n")
}

// ascii encodes what a program wrote raw, so that every receiver can take the
// message. Who asked for SMTPUTF8 meant it; what has a syntax of its own stays.
func (c *completion) ascii(f message.Field) message.Field {
	raw := f.Raw()
	switch {
	case isASCII(raw) || c.utf8 && utf8.ValidString(raw):
		return f
	case isAddressField(f):
		boxes, err := message.ParseAddressList(f.Body())
		if err != nil || slices.ContainsFunc(boxes, func(m message.Mailbox) bool { return m.Group != "" }) {
			return f
		}
		return message.AddressField(f.Name(), boxes...)
	case hasSyntax(f):
		return f
	}
	return message.TextField(f.Name(), f.Text()) // RFC 5322 section 3.6.8: any other field is text
}

// structured are fields in which an encoded word would be a mistake, or would break a
// signature. All that begin with List-, ARC- and Received- are others.
var structured = []string{
	"Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-ID",
	"Content-Disposition", "Content-Language", "Content-Location", "Received", "Return-Path", "DKIM-Signature", "Authentication-Results",
	"Auto-Submitted", "Autocrypt", "Resent-Date", "Resent-Message-ID", "Disposition-Notification-To", "Bcc", "Resent-Bcc",
}

func hasSyntax(f message.Field) bool {
	name := strings.ToLower(f.Name())
	return slices.ContainsFunc(structured, f.Is) || strings.HasPrefix(name, "list-") || strings.HasPrefix(name, "arc-") || strings.HasPrefix(name, "received-")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isAddressField(f message.Field) bool {
	return slices.ContainsFunc([]string{"From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc"}, f.Is)
}

// setFrom adds the author where none is named, and puts a pinned one in the place
// of any other. The name that a device shows stays.
func (c *completion) setFrom(h *message.Header) {
	if c.author.Address.IsZero() || h.Has("From") && !c.pinned {
		return
	}
	author := c.author
	if boxes, err := h.From(); err == nil && len(boxes) == 1 && boxes[0].Name != "" {
		author.Name = boxes[0].Name
	}
	h.Fields = slices.DeleteFunc(h.Fields, func(f message.Field) bool { return f.Is("From") || c.pinned && f.Is("Sender") })
	h.Fields = append(h.Fields, message.AddressField("From", author))
}

// Dates outside these bounds are a clock that is wrong; receivers count them as
// spam. A message may have waited in an outbox for long.
const (
	maxAhead = 24 * time.Hour
	maxAge   = 60 * 24 * time.Hour
)

// setDate adds the Date field where it is missing, and where it is wrong and may
// be mended.
func (c *completion) setDate(h *message.Header) error {
	if h.Has("Resent-Date") && h.Has("Date") {
		return nil // the old date of what is sent again (RFC 5322 section 3.6.6)
	}
	if h.Has("Date") {
		at, err := h.Date()
		switch {
		case err == nil && at.Before(c.now.Add(maxAhead)) && at.After(c.now.Add(-maxAge)):
			return nil
		case !c.mend && err != nil:
			return refusal(formError, "The Date field cannot be read: %v", err)
		case !c.mend:
			return refusal(formError, "The Date field says %s, and it is %s: set the clock right",
				at.UTC().Format(time.DateTime), c.now.UTC().Format(time.DateTime))
		}
	}
	h.Fields = slices.DeleteFunc(h.Fields, func(f message.Field) bool { return f.Is("Date") })
	h.Fields = append(h.Fields, message.NewField("Date", c.now.Format(time.RFC1123Z)))
	return nil
}

// setMessageID adds an identifier in the name of the author's domain. One that
// cannot be read is as good as none.
func (c *completion) setMessageID(h *message.Header) {
	if _, err := h.MessageID(); err == nil {
		return
	}
	domain := c.host
	if boxes, err := h.From(); err == nil && len(boxes) > 0 && !boxes[0].Address.Domain.IsZero() {
		domain = boxes[0].Address.Domain
	}
	h.Fields = slices.DeleteFunc(h.Fields, func(f message.Field) bool { return f.Is("Message-ID") })
	h.Fields = append(h.Fields, message.NewField("Message-ID", fmt.Sprintf("<%s@%s>", c.trace, domain)))
}

// setMIME says of a text without MIME fields what it is, once its octets are
// known: UTF-8 in most programs that say nothing.
func setMIME(h *message.Header, eightBit bool) {
	if !eightBit || h.Has("Content-Type") || h.Has("Content-Transfer-Encoding") {
		return
	}
	if !h.Has("MIME-Version") {
		h.Fields = append(h.Fields, message.NewField("MIME-Version", "1.0"))
	}
	h.Fields = append(h.Fields,
		message.NewField("Content-Type", "text/plain; charset=utf-8"),
		message.NewField("Content-Transfer-Encoding", "8bit"))
}
