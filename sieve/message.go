package sieve

import (
	"io"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// Message is what a script may ask about a message. The functions are called when a
// test needs them, and may be nil.
type Message struct {
	Header   message.Header
	Size     int64        // octets
	From, To mail.Address // the envelope; From zero: the null reverse-path
	Now      time.Time    // in the zone of whoever the script belongs to

	// Body opens what stands behind the header. Nil: nothing does.
	Body func() (io.ReadCloser, error)
	// HasFolder reports whether the account has a folder of this name. Nil: none.
	HasFolder func(name string) (bool, error)
	// HasUse reports whether the account has a folder of this special use, as "\Junk".
	// Nil: none.
	HasUse func(use string) (bool, error)
}

// Actions are what a script wants done with a message.
type Actions struct {
	Files     []File // none: the message goes nowhere here
	Redirects []mail.Address
	Vacation  *Vacation // nil: no answer
}

// File is a folder that the message goes into.
type File struct {
	Folder   string // its name; "": where it would have gone without a script
	Use      string // rather the folder of this special use, as "\Junk"; "": none said
	Create   bool   // make the folder when there is none
	Flags    []string
	Implicit bool // no command said so: nothing kept the script from keeping it
}

// Vacation is an answer that tells the sender something (RFC 5230). Whether one may be
// sent to this sender, and whether it is due, is not the script's to say.
type Vacation struct {
	Subject   string         // "": made of that of the message
	From      mail.Address   // zero: the address the message came to
	FromName  string         // the display name of From
	Addresses []mail.Address // of the user, beside its own
	Text      string         // plain text, or with MIME a whole part with its header
	MIME      bool
	Handle    string        // answers of one handle count as the same
	Again     time.Duration // after which the same sender may get it once more
}
