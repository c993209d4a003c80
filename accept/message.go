package accept

import (
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// Message is one message and everything that is promised for it.
type Message struct {
	Trace     mail.TraceID
	Spool     *store.Spool // written and headed; Commit does not close it
	From      mail.Address // the reverse-path; zero: null
	Received  time.Time
	Structure []byte // of package message/structure, encoded, for mailboxes; nil: found out here, before the transaction

	Deliveries []Delivery // to our own addresses

	Unfiltered bool // no script is asked: a note of the server itself
	Unproven   bool // who sent it is not proved: no machine answers it

	// Remote is what goes elsewhere, for one of ours: its recipients, and how they are
	// to be treated. Trace, Body, Size and From are filled in here. No recipients:
	// nothing.
	Remote queue.Message

	// Also writes what the caller counts, in the same transaction; nil: nothing.
	Also func(tx *store.Tx) error

	Events []journal.Event // written before those of delivering; Trace and Time are filled in
}

// Delivery is one of our addresses and where it leads.
type Delivery struct {
	To          mail.Address
	Destination account.Destination
	Folder      mailbox.Role  // of its mailboxes; zero: the INBOX. mailbox.Junk: not forwarded either
	Flags       mailbox.Flags // of the new entries
	Stays       bool          // suspected: not forwarded; where nobody here has it, its owner gets it
	Elsewhere   bool          // another store has taken it already (LMTP): no mailbox entries here
}
