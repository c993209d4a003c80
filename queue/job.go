package queue

import (
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// State is what a job waits for. The zero value is Waiting.
type State int

// The states of a job. The numbers stand in the tables.
const (
	Waiting State = 0 // for its time
	Leased  State = 1 // a worker has it
	Parked  State = 2 // due, its lane is full
	Held    State = 3 // for a person
)

// String is the word for people.
func (s State) String() string {
	return [...]string{"waiting", "in delivery", "parked", "held"}[s]
}

// Job is one message for one destination.
type Job struct {
	ID          int64
	Trace       mail.TraceID
	Destination string // a domain, or an address literal in brackets
	Origin      string
	Owner       int64
	Body        store.BodyID
	Size        int64
	From        mail.Address
	EnvelopeID  string
	Return      string
	RequireTLS  bool
	SMTPUTF8    bool
	EightBit    bool
	Egress      netip.Addr
	Recipients  []Pending // still to do
	State       State
	Queued      time.Time // when it was promised
	Due         time.Time // the next attempt, or the next look at a parked one
	Lane        string    // of a parked one
	Attempts    int       // so far
	Tried       time.Time // the last attempt; zero: none yet
	Warned      bool      // the delay was reported
	HeldWhy     string
	Released    string // why it was held when a person let it go; "": nobody had to
	LastReply   string // the last answer, or what went wrong, in words

	worker int64
	damage string // why its envelope cannot be read; "": it can
}

// Pending is a recipient still to do, with the last answer that concerned it.
type Pending struct {
	Recipient
	Reply string // "450 4.2.1 mailbox busy", or what went wrong in words
	Host  string // who said so
}

// jobColumns are read by scanJob, in its order.
const jobColumns = `id, trace, destination, origin, owner, body, size, envelope, state, queued, due, worker, lane, attempts, tried, warned, why, reply, released`

// scanner is a row of a query.
type scanner interface{ Scan(dest ...any) error }

func scanJob(row scanner) (Job, error) {
	var j Job
	var trace, text string
	var body, queued, due, tried, state, attempts, warned int64
	err := row.Scan(&j.ID, &trace, &j.Destination, &j.Origin, &j.Owner, &body, &j.Size, &text, &state,
		&queued, &due, &j.worker, &j.Lane, &attempts, &tried, &warned, &j.HeldWhy, &j.LastReply, &j.Released)
	if err != nil {
		return Job{}, err
	}
	j.Trace, j.Body, j.State = mail.TraceID(trace), store.BodyID(body), State(state)
	j.Queued, j.Due, j.Tried = store.FromMicros(queued), store.FromMicros(due), store.FromMicros(tried)
	j.Attempts, j.Warned = int(attempts), warned != 0
	if err := j.fill(text); err != nil {
		// It must not stop the rows that are read with it.
		j.damage, j.LastReply = err.Error(), "the row is damaged: "+err.Error()
	}
	return j, nil
}

func scanJobs(rows *store.Rows) ([]Job, error) {
	defer rows.Close()
	var jobs []Job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}
