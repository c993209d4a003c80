package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
)

// The calls about messages that wait.
var (
	QueueList    = Call[QueueQuery, QueuePage]{"queue.list"}
	QueueWhy     = Call[QueueQuery, []QueueReason]{"queue.why"}
	QueueRetry   = Call[QueueChange, QueueChanged]{"queue.retry"}
	QueueHold    = Call[QueueChange, QueueChanged]{"queue.hold"}
	QueueRelease = Call[QueueChange, QueueChanged]{"queue.release"}
	QueueDrop    = Call[QueueChange, QueueChanged]{"queue.drop"}
)

// QueueSelection says which entries: all that is set must hold.
type QueueSelection struct {
	ID          int64    `json:"id,omitempty"` // of one entry
	Trace       string   `json:"trace,omitempty"`
	Destination string   `json:"destination,omitempty"` // a domain
	Origin      string   `json:"origin,omitempty"`      // "anna@example.com", "device:printer"
	States      []string `json:"states,omitempty"`      // waiting, in delivery, parked, held
	All         bool     `json:"all,omitempty"`         // needed for a change when nothing else is said
}

// QueueQuery asks for a page of entries, by age, the oldest first.
type QueueQuery struct {
	QueueSelection
	After int64 `json:"after,omitempty"` // the id of the last entry of the page before
	Limit int   `json:"limit,omitempty"` // zero: 100
}

// QueuePage is the answer: entries, and what the whole queue holds.
type QueuePage struct {
	Entries  []QueueEntry `json:"entries"`
	Waiting  int          `json:"waiting"`
	Deferred int          `json:"deferred"`
	Held     int          `json:"held"`
	Oldest   time.Time    `json:"oldest,omitzero"`
}

// QueueEntry is one message for one destination.
type QueueEntry struct {
	ID          int64            `json:"id"`
	Trace       string           `json:"trace"`
	State       string           `json:"state"`
	Destination string           `json:"destination"`
	Origin      string           `json:"origin"`
	From        string           `json:"from"` // "" is the null reverse-path
	Recipients  []QueueRecipient `json:"recipients"`
	Size        int64            `json:"size"`
	Queued      time.Time        `json:"queued"`
	Due         time.Time        `json:"due,omitzero"`
	Tried       time.Time        `json:"tried,omitzero"`
	Attempts    int              `json:"attempts"`
	Held        string           `json:"held,omitempty"` // why
	Reply       string           `json:"reply,omitempty"`
}

// QueueRecipient is a recipient that has not got the message yet.
type QueueRecipient struct {
	To    string `json:"to"`
	Reply string `json:"reply,omitempty"` // the last answer about it
	Host  string `json:"host,omitempty"`  // who said so
}

// QueueReason answers why an entry waits.
type QueueReason struct {
	Entry      QueueEntry `json:"entry"`
	Why        string     `json:"why"` // one sentence
	Reply      string     `json:"reply,omitempty"`
	Next       time.Time  `json:"next,omitzero"`
	Tried      time.Time  `json:"tried,omitzero"`
	Transcript string     `json:"transcript,omitempty"` // of the last attempt
}

// QueueChange picks the entries to change. Why is for hold.
type QueueChange struct {
	QueueSelection
	Why string `json:"why,omitempty"`
}

// QueueChanged says how many entries were changed, and how many were in delivery at
// that moment and stay as they are.
type QueueChanged struct {
	Changed int `json:"changed"`
	Busy    int `json:"busy"`
}

const (
	defaultPage = 100
	maxPage     = 10000
)

func addQueue(mux *http.ServeMux, q *queue.Queue) {
	answer(mux, QueueList, func(ctx context.Context, in QueueQuery) (QueuePage, error) { return queuePage(ctx, q, in) })
	answer(mux, QueueWhy, func(ctx context.Context, in QueueQuery) ([]QueueReason, error) { return queueReasons(ctx, q, in) })
	answer(mux, QueueDestinations, func(ctx context.Context, in DestinationQuery) ([]QueueDestination, error) {
		return queueDestinations(ctx, q, in)
	})
	change := func(c Call[QueueChange, QueueChanged], do func(context.Context, queue.Selection, string) (queue.Changed, error)) {
		answer(mux, c, func(ctx context.Context, in QueueChange) (QueueChanged, error) {
			s, err := in.selection()
			if err != nil {
				return QueueChanged{}, err
			}
			done, err := do(ctx, s, in.Why)
			return QueueChanged{done.Jobs, done.Busy}, queueError(err)
		})
	}
	without := func(do func(context.Context, queue.Selection) (queue.Changed, error)) func(context.Context, queue.Selection, string) (queue.Changed, error) {
		return func(ctx context.Context, s queue.Selection, _ string) (queue.Changed, error) { return do(ctx, s) }
	}
	change(QueueHold, q.Hold)
	change(QueueRetry, without(q.Retry))
	change(QueueRelease, without(q.Release))
	change(QueueDrop, without(q.Drop))
}

func queueError(err error) error {
	if errors.Is(err, queue.ErrSelection) {
		return &Error{Kind: Invalid, Text: err.Error(), Hint: "name a trace id, --to, --origin, or --all"}
	}
	return err
}

// selection reads the words of a selection.
func (s QueueSelection) selection() (queue.Selection, error) {
	out := queue.Selection{ID: s.ID, Trace: mail.TraceID(s.Trace), Destination: strings.ToLower(s.Destination), Origin: s.Origin, All: s.All}
	for _, word := range s.States {
		state, err := parseState(word)
		if err != nil {
			return out, err
		}
		out.States = append(out.States, state)
	}
	return out, nil
}

func parseState(word string) (queue.State, error) {
	states := []queue.State{queue.Waiting, queue.Leased, queue.Parked, queue.Held}
	for _, s := range states {
		if s.String() == word {
			return s, nil
		}
	}
	return 0, &Error{Kind: Invalid, Text: fmt.Sprintf("%q is no state of a message", word), Hint: "states are waiting, in delivery, parked, held"}
}

func (in QueueQuery) page() (queue.Selection, int, error) {
	s, err := in.selection()
	limit := in.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	return s, min(limit, maxPage), err
}

func queuePage(ctx context.Context, q *queue.Queue, in QueueQuery) (QueuePage, error) {
	page := QueuePage{Entries: []QueueEntry{}}
	s, limit, err := in.page()
	if err != nil {
		return page, err
	}
	jobs, err := q.List(ctx, s, in.After, limit)
	if err != nil {
		return page, err
	}
	for i := range jobs {
		page.Entries = append(page.Entries, entryOf(&jobs[i]))
	}
	stats, err := q.Stats(ctx)
	page.Waiting, page.Deferred, page.Held, page.Oldest = stats.Waiting, stats.Deferred, stats.Held, inUTC(stats.Oldest)
	return page, err
}

func queueReasons(ctx context.Context, q *queue.Queue, in QueueQuery) ([]QueueReason, error) {
	reasons := []QueueReason{}
	s, limit, err := in.page()
	if err != nil {
		return reasons, err
	}
	found, err := q.Why(ctx, s, limit)
	for i := range found {
		r := &found[i]
		reasons = append(reasons, QueueReason{
			Entry: entryOf(&r.Job), Why: r.Sentence, Reply: r.LastReply,
			Next: inUTC(r.Next), Tried: inUTC(r.At), Transcript: r.Transcript,
		})
	}
	return reasons, err
}

func entryOf(j *queue.Job) QueueEntry {
	e := QueueEntry{
		ID: j.ID, Trace: string(j.Trace), State: j.State.String(), Destination: j.Destination, Origin: j.Origin,
		From: j.From.String(), Size: j.Size, Queued: inUTC(j.Queued), Tried: inUTC(j.Tried), Attempts: j.Attempts,
		Held: j.HeldWhy, Reply: j.LastReply, Recipients: []QueueRecipient{},
	}
	if j.State == queue.Waiting {
		e.Due = inUTC(j.Due)
	}
	for _, r := range j.Recipients {
		e.Recipients = append(e.Recipients, QueueRecipient{To: r.To.String(), Reply: r.Reply, Host: r.Host})
	}
	return e
}

// inUTC keeps the absence of a time and tells every other one in UTC.
func inUTC(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
