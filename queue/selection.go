package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Selection picks jobs: all conditions that are not zero must hold.
type Selection struct {
	ID          int64
	Trace       mail.TraceID
	Destination string
	Origin      string
	States      []State // any of these; empty: any
	All         bool    // needed where nothing else is said: nobody drops a queue by leaving a field empty
}

// ErrSelection is the error of a selection that says nothing.
var ErrSelection = errors.New("nothing is selected: say which, or all")

// where is the condition, its first parameter being $first.
func (s Selection) where(first int) (string, []any) {
	conditions, args := []string{"id > 0"}, []any{}
	add := func(column string, value any) {
		conditions = append(conditions, fmt.Sprintf("%s = $%d", column, first+len(args)))
		args = append(args, value)
	}
	if s.ID != 0 {
		add("id", s.ID)
	}
	if s.Trace != "" {
		add("trace", string(s.Trace))
	}
	if s.Destination != "" {
		add("destination", s.Destination)
	}
	if s.Origin != "" {
		add("origin", s.Origin)
	}
	if len(s.States) > 0 {
		conditions = append(conditions, statesIn(s.States))
	}
	return strings.Join(conditions, " AND "), args
}

// statesIn writes the numbers out, so that the indexes of single states are used.
func statesIn(states []State) string {
	if len(states) == 1 {
		return fmt.Sprintf("state = %d", states[0])
	}
	var numbers []string
	for _, s := range states {
		numbers = append(numbers, fmt.Sprint(int(s)))
	}
	return "state IN (" + strings.Join(numbers, ",") + ")"
}

func (s Selection) check() error {
	if s.ID == 0 && s.Trace == "" && s.Destination == "" && s.Origin == "" && !s.All {
		return ErrSelection
	}
	return nil
}

// List gives jobs by age, the oldest first, up to limit, beginning behind the job
// with the id after.
func (q *Queue) List(ctx context.Context, s Selection, after int64, limit int) ([]Job, error) {
	where, args := s.where(3)
	args = append([]any{after, int64(limit)}, args...)
	var jobs []Job
	err := q.store.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(`SELECT `+jobColumns+` FROM queue_job WHERE id > $1 AND `+where+` ORDER BY id LIMIT $2`, args...)
		if err != nil {
			return err
		}
		jobs, err = scanJobs(rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the queue: %w", err)
	}
	return jobs, nil
}

// Show is List for all jobs of one message.
func (q *Queue) Show(ctx context.Context, id mail.TraceID) ([]Job, error) {
	return q.List(ctx, Selection{Trace: id}, 0, 10000)
}
