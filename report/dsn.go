package report

import (
	"io"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Action is what became of a recipient (RFC 3464 section 2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed" // to a server that sends no reports
	Expanded  Action = "expanded"
)

// DSN is one delivery status notification.
type DSN struct {
	From         mail.Address // who reports: postmaster of the reporting host
	To           mail.Address // who is told
	MessageID    string       // of the report, without angle brackets; "": no field
	Date         time.Time
	ReportingMTA string    // the host that reports
	EnvelopeID   string    // as the sender gave it; "": none
	Arrival      time.Time // when the message was accepted here
	Trace        string    // our id of the message, for whoever asks the administrator
	Recipients   []Recipient
	// Original is the message that is reported on, from its beginning. Its header is
	// returned, or all of it with Full. Nil: nothing is returned. Of a DSN that was read
	// it is nil.
	Original io.Reader
	Full     bool
	// OriginalID and OriginalSubject are of the message that is reported on, as read
	// from what was returned. Write finds them out itself.
	OriginalID, OriginalSubject string
}

// Recipient is what became of one recipient.
type Recipient struct {
	Original    string       // ORCPT, decoded: "rfc822;bob@example.org"; "": not said
	Final       mail.Address // the address that was tried
	FinalText   string       // of a DSN that was read: the address as it stands there
	Action      Action
	Status      mail.EnhancedCode
	RemoteMTA   string // who said it; "": nobody did
	Diagnostic  string // the reply: "550 5.1.1 no such user"; or what went wrong, in words
	LastAttempt time.Time
	RetryUntil  time.Time // of Delayed
}

// isReply reports whether the diagnostic is an SMTP reply and not our own words.
func (r *Recipient) isReply() bool {
	_, _, _, err := mail.CutReplyLine(r.Diagnostic)
	return err == nil
}

// action is the one that the report as a whole is about: the worst.
func (d *DSN) action() Action {
	for _, a := range []Action{Failed, Delayed, Relayed, Expanded} {
		for i := range d.Recipients {
			if d.Recipients[i].Action == a {
				return a
			}
		}
	}
	return Delivered
}

// international reports whether an address is one that only RFC 6533 can name.
func (d *DSN) international() bool {
	for i := range d.Recipients {
		if d.Recipients[i].Final.NeedsSMTPUTF8() {
			return true
		}
	}
	return false
}
