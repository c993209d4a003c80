package probe

import (
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// Kind is what happened to a token.
type Kind string

// The kinds of events.
const (
	Delivered   Kind = "delivered"   // our own message came, known by its header field
	Bounced     Kind = "bounced"     // a delivery report came, or anything from the null reverse-path
	Answered    Kind = "answered"    // another message came: an automatic reply, a challenge, a person
	Callout     Kind = "callout"     // RCPT was said, and then no message followed
	Asked       Kind = "asked"       // VRFY or EXPN
	Interrupted Kind = "interrupted" // the connection ended within the message
)

// Event is one arrival.
type Event struct {
	At        time.Time    `json:"at"` // of the world
	Kind      Kind         `json:"kind"`
	Client    netip.Addr   `json:"client"` // who connected, as this machine saw it
	HELO      string       `json:"helo"`   // the name it gave
	Reverse   mail.Address `json:"-"`      // MAIL FROM; zero: the null reverse-path
	From      string       `json:"mail_from"`
	Size      int          `json:"size,omitempty"`      // octets of the message
	Automatic bool         `json:"automatic,omitempty"` // says of itself that a machine wrote it (RFC 3834)
	Subject   string       `json:"subject,omitempty"`
	Header    string       `json:"header,omitempty"` // at most 32 KB of it, as it came
}

// Evidence is the event as a line of proof for a finding.
func (e Event) Evidence() string {
	s := string(e.Kind) + " by " + e.Client.String() + " (" + printable(e.HELO) + "), MAIL FROM:" + e.Reverse.Path()
	if e.Subject != "" {
		s += ", Subject: " + printable(e.Subject)
	}
	return s
}

// printable keeps a stranger's words from harming a terminal.
func printable(s string) string {
	const limit = 100
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// describe completes an event from the header of its message.
func (e *Event) describe(text string, t Token) {
	h := message.ParseHeader(text)
	e.Header, e.Subject = text, h.Text("Subject")
	e.Automatic = isAutomatic(h)
	switch {
	case strings.EqualFold(h.Text(Field), t.secret):
		e.Kind = Delivered
	case e.Reverse.IsZero() || strings.HasPrefix(strings.ToLower(h.Text("Content-Type")), "multipart/report"):
		e.Kind = Bounced
	default:
		e.Kind = Answered
	}
}

// isAutomatic goes by RFC 3834 section 5, and by Precedence, which older
// autoresponders send.
func isAutomatic(h message.Header) bool {
	submitted, _, _ := strings.Cut(strings.ToLower(h.Text("Auto-Submitted")), ";")
	if submitted = strings.TrimSpace(submitted); submitted != "" {
		return submitted != "no"
	}
	switch strings.ToLower(strings.TrimSpace(h.Text("Precedence"))) {
	case "auto_reply", "bulk", "junk":
		return true
	}
	return false
}
