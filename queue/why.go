package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Reason answers why a job waits.
type Reason struct {
	Job        Job
	Sentence   string    // plain and whole
	LastReply  string    // as the other side said it, or what went wrong
	Next       time.Time // the next attempt; zero: when a person or a place decides
	Transcript string    // of the last attempt, "" before the first
	At         time.Time // when that was
}

// Why explains each job of a selection, up to limit.
func (q *Queue) Why(ctx context.Context, s Selection, limit int) ([]Reason, error) {
	jobs, err := q.List(ctx, s, 0, limit)
	if err != nil {
		return nil, err
	}
	reasons := make([]Reason, 0, len(jobs))
	for _, j := range jobs {
		r := Reason{Job: j, LastReply: j.LastReply, Sentence: sentence(&j, q.now())}
		if j.State == Waiting {
			r.Next = j.Due
		}
		if r.Transcript, r.At, err = q.attempt(ctx, j.ID); err != nil {
			return nil, fmt.Errorf("read the last attempt of message %s: %w", j.Trace, err)
		}
		reasons = append(reasons, r)
	}
	return reasons, nil
}

func (q *Queue) attempt(ctx context.Context, job int64) (string, time.Time, error) {
	var at int64
	var packed []byte
	err := q.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT at, transcript FROM queue_attempt WHERE job = $1`, job).Scan(&at, &packed)
	})
	if errors.Is(err, store.ErrNoRow) {
		return "", time.Time{}, nil
	}
	if err != nil {
		return "", time.Time{}, err
	}
	text, err := unpackTranscript(packed)
	return text, store.FromMicros(at), err
}

// gateMark begins the reasons of package gate, which lets mail go again by itself.
const gateMark = "gate: "

// sentence says in one sentence what a job waits for.
func sentence(j *Job, now time.Time) string {
	atGate, isGate := strings.CutPrefix(j.HeldWhy, gateMark)
	switch {
	case j.State == Held && isGate:
		return "It is held at the gate: " + atGate // which ends in a command to be copied
	case j.State == Held:
		return fmt.Sprintf("It is held until somebody releases or drops it: %s.", j.HeldWhy)
	case j.State == Leased && j.HeldWhy != "":
		return fmt.Sprintf("It is being delivered to %s at this moment, and will be held if that does not succeed: %s.", j.Destination, j.HeldWhy)
	case j.State == Leased:
		return fmt.Sprintf("It is being delivered to %s at this moment.", j.Destination)
	case j.State == Parked:
		return fmt.Sprintf("%s takes no more messages at a time than it is getting: others go first, then this one.", j.Lane)
	case j.Attempts == 0 && j.LastReply != "":
		return fmt.Sprintf("It waits until %s, because %s cannot be reached: %s.", clock(j.Due, now), j.Destination, j.LastReply)
	case j.Attempts == 0:
		return "It was accepted and waits for its first attempt, which is due now."
	}
	return fmt.Sprintf("The attempt of %s did not succeed (%s); the next one, number %d, is %s.",
		clock(j.Tried, now), j.LastReply, j.Attempts+1, nextAttempt(j.Due, now))
}

func nextAttempt(due, now time.Time) string {
	if !due.After(now) {
		return "due now"
	}
	return "at " + clock(due, now)
}

// clock is a time in UTC as people say it, with the date when it is not today.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05 UTC")
	}
	return t.Format("2 January 15:04 UTC")
}
