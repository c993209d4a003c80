package journal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Kind says what happened. It is stored as it is, so that operators can read the
// table; other packages may add kinds of their own.
type Kind string

// The kinds of events.
const (
	Received    Kind = "received"     // a message came in and was accepted
	Submitted   Kind = "submitted"    // one of ours handed a message in
	Refused     Kind = "refused"      // a recipient or message was refused while the sender was there
	TempRefused Kind = "temp-refused" // the same, for now: the sender is to try again
	Delivered   Kind = "delivered"    // it is in a mailbox
	Discarded   Kind = "discarded"    // the script of its recipient wants nothing of it
	Tested      Kind = "tested"       // it came to a test address, to be judged
	Kept        Kind = "kept"         // what a script wants with it is not done, and why
	Queued      Kind = "queued"       // it waits to be sent to a remote recipient
	Attempt     Kind = "attempt"      // a try to send it, and what came of it
	Sent        Kind = "sent"         // the next host has taken it
	Deferred    Kind = "deferred"     // not sent yet; it will be tried again
	Bounced     Kind = "bounced"      // it cannot be sent; the owner was told
	Held        Kind = "held"         // it waits for a person
	Released    Kind = "released"     // a person let it go on
	Dropped     Kind = "dropped"      // a person threw it away
	LoginFailed Kind = "login-failed" // somebody gave wrong credentials
	Alert       Kind = "alert"        // the administrator was told of something

	Unsubscribed Kind = "unsubscribed" // a person wants no more of a stream
	Resubscribed Kind = "resubscribed" // and took that back
)

// Kinds are all kinds of this package, in the order of a message's life.
func Kinds() []Kind {
	return []Kind{Received, Submitted, Refused, TempRefused, Delivered, Tested, Discarded, Kept, Queued, Attempt, Sent, Deferred, Bounced, Held, Released, Dropped, LoginFailed, Alert}
}

// Event is one thing that happened to one message.
type Event struct {
	Trace  mail.TraceID
	Time   time.Time
	Kind   Kind
	From   string            // the reverse-path or the login it is about; may be empty
	To     string            // the recipient it is about; may be empty
	Fields map[string]string // whatever else is worth knowing: client, reply, reason
}

// columns of one event in an INSERT.
const columns = 6

// mostRows is how many events one INSERT takes: more go into the next one.
const mostRows = 64

// inserts are the statements for one, two, ... events.
var inserts = makeInserts()

func makeInserts() [mostRows]string {
	var all [mostRows]string
	for n := range all {
		var b strings.Builder
		b.WriteString(`INSERT INTO journal_event (time, trace, kind, sender, recipient, fields) VALUES `)
		for row := range n + 1 {
			if row > 0 {
				b.WriteString(", ")
			}
			at := row * columns
			fmt.Fprintf(&b, "($%d, $%d, $%d, $%d, $%d, $%d)", at+1, at+2, at+3, at+4, at+5, at+6)
		}
		all[n] = b.String()
	}
	return all
}

// Add writes events down, in one statement up to 64 of them.
func Add(tx *store.Tx, events ...Event) error {
	for len(events) > 0 {
		n := min(len(events), mostRows)
		args := make([]any, 0, n*columns)
		for i := range events[:n] {
			args = events[i].appendArgs(args)
		}
		if _, err := tx.Exec(inserts[n-1], args...); err != nil {
			return fmt.Errorf("write the journal: %w", err)
		}
		events = events[n:]
	}
	return nil
}

func (e *Event) appendArgs(args []any) []any {
	return append(args, store.Micros(e.Time), string(e.Trace), string(e.Kind), storable(e.From), storable(e.To), encodeFields(e.Fields))
}

// storable is text that both engines take: strangers choose some of it.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// encodeFields makes a JSON object, sorted by name; what is not UTF-8 is replaced. It
// is written by hand, for each message has some.
func encodeFields(fields map[string]string) string {
	if len(fields) == 0 {
		return ""
	}
	var some [8]string
	names := some[:0]
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	b := make([]byte, 0, 256)
	for i, name := range names {
		b = append(b, "{,"[min(i, 1)])
		b = append(appendJSON(b, name), ':')
		b = appendJSON(b, fields[name])
	}
	return string(append(b, '}'))
}

func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, err := json.Marshal(s)
			if err != nil {
				panic(err) // strings always encode
			}
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func decodeFields(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	var fields map[string]string
	err := json.Unmarshal([]byte(text), &fields)
	return fields, err
}
