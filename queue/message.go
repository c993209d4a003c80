package queue

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Message is what was accepted for other places.
type Message struct {
	Trace      mail.TraceID
	Body       store.BodyID
	Size       int64        // octets
	From       mail.Address // zero: the null reverse-path
	Origin     string       // the principal that sent it: "anna@example.com", "device:printer"
	Owner      int64        // the account that gets its failures
	EnvelopeID string       // ENVID, decoded (RFC 3461 section 4.4)
	Return     string       // RET: FULL, HDRS or empty
	RequireTLS bool         // RFC 8689
	SMTPUTF8   bool         // was submitted with SMTPUTF8, and may need it
	EightBit   bool         // the body has octets over 127
	Egress     netip.Addr   // the address to send from; zero: any of ours
	Held       bool         // waits for a person
	HeldWhy    string       // one sentence for that person
	Recipients []Recipient
}

// Recipient is one forward-path with what its sender wants to be told (RFC 3461).
type Recipient struct {
	To       mail.Address
	Notify   []string // NEVER, or any of SUCCESS, FAILURE, DELAY; empty: not said
	Original string   // ORCPT as it goes over the wire, in xtext: "rfc822;anna+2Bx@example.com"
}

// wants reports whether the sender asked for this kind of report, or did not say
// and gets it by default.
func (r *Recipient) wants(kind string, byDefault bool) bool {
	if len(r.Notify) == 0 {
		return byDefault
	}
	for _, n := range r.Notify {
		if strings.EqualFold(n, kind) {
			return true
		}
	}
	return false
}

// WantsFailure reports whether a failure is reported: unless NOTIFY says otherwise
// (RFC 3461 section 5.2.1).
func (r *Recipient) WantsFailure() bool { return r.wants("FAILURE", true) }

// WantsDelay reports whether a delay is reported: unless NOTIFY says otherwise.
func (r *Recipient) WantsDelay() bool { return r.wants("DELAY", true) }

// WantsSuccess reports whether a success is reported: only when NOTIFY asks for it.
func (r *Recipient) WantsSuccess() bool { return r.wants("SUCCESS", false) }

// Limits of one row and one statement.
const (
	maxRecipients = 500 // of one job; more become more jobs
	maxRows       = 100 // of one INSERT
)

// ErrMessage is wrapped by the errors of Put about what it was given.
var ErrMessage = errors.New("cannot be queued")

// Put queues a message, inside the transaction that makes the promise: one row for
// each destination, in one statement for up to a hundred. The body gets a reference
// from each. Deliveries wake after the commit.
func Put(tx *store.Tx, now time.Time, m Message) error {
	if m.Trace == "" || len(m.Recipients) == 0 {
		return fmt.Errorf("message %q with %d recipients: %w", m.Trace, len(m.Recipients), ErrMessage)
	}
	if err := m.From.Check(); err != nil {
		return fmt.Errorf("message %s: %w: reverse-path: %w", m.Trace, ErrMessage, err)
	}
	groups, err := groupByDestination(m.Recipients)
	if err != nil {
		return fmt.Errorf("message %s: %w", m.Trace, err)
	}
	for len(groups) > 0 {
		n := min(len(groups), maxRows)
		if err := insert(tx, now, &m, groups[:n]); err != nil {
			return fmt.Errorf("queue message %s: %w", m.Trace, err)
		}
		groups = groups[n:]
	}
	tx.Wake(Topic)
	return nil
}

// A group is the recipients of one message at one destination.
type group struct {
	destination string
	recipients  []Recipient
}

// groupByDestination keeps the order in which destinations were named first.
func groupByDestination(recipients []Recipient) ([]group, error) {
	var groups []group
	open := make(map[string]int, 1) // destination -> its group that has room
	for _, r := range recipients {
		d := Destination(r.To)
		if d == "" {
			return nil, fmt.Errorf("recipient %s has no domain: %w", r.To.Path(), ErrMessage)
		}
		if err := r.To.Check(); err != nil {
			return nil, fmt.Errorf("%w: recipient: %w", ErrMessage, err)
		}
		i, ok := open[d]
		if !ok || len(groups[i].recipients) == maxRecipients {
			i = len(groups)
			open[d] = i
			groups = append(groups, group{destination: d})
		}
		groups[i].recipients = append(groups[i].recipients, r)
	}
	return groups, nil
}

// Destination is where the mail for an address goes: its domain, or its literal in
// brackets; empty when it has neither.
func Destination(a mail.Address) string {
	switch {
	case a.Literal.IsValid():
		return "[" + a.Literal.String() + "]"
	case a.Domain.IsZero():
		return ""
	}
	return a.Domain.String()
}

func insert(tx *store.Tx, now time.Time, m *Message, groups []group) error {
	const columns = 11
	state, why := Waiting, ""
	if m.Held {
		state, why = Held, m.HeldWhy
	}
	args := make([]any, 0, len(groups)*columns)
	for _, g := range groups {
		e := envelopeOf(m, g.recipients)
		text, err := e.encode()
		if err != nil {
			return err
		}
		args = append(args, string(m.Trace), g.destination, m.Origin, m.Owner, int64(m.Body), m.Size,
			text, int64(state), store.Micros(now), store.Micros(now), why)
	}
	_, err := tx.Exec(`INSERT INTO queue_job (trace, destination, origin, owner, body, size, envelope, state, queued, due, why) VALUES `+
		rowsOf(len(groups), columns), args...)
	return err
}
