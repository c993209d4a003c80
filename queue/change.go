package queue

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/store"
)

// changeBatch is how many jobs one transaction changes for a person.
const changeBatch = 500

// Changed says what a request did.
type Changed struct {
	Jobs int // changed
	Busy int // in delivery at this moment: not dropped, not retried; held when they come back
}

// Hold keeps jobs until somebody releases or drops them. Those in delivery are held
// when they come back unfinished.
func (q *Queue) Hold(ctx context.Context, s Selection, why string) (Changed, error) {
	if why == "" {
		why = "held by an administrator"
	}
	c, err := q.change(ctx, s, WasHeld, why, []State{Waiting, Parked},
		`UPDATE queue_job SET state = 3, worker = 0, lane = '', why = $1`, why)
	if err != nil {
		return c, err
	}
	where, args := s.where(2)
	err = q.store.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`UPDATE queue_job SET why = $1 WHERE state = 1 AND `+where, append([]any{why}, args...)...)
		c.Busy = int(n)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("hold messages in delivery: %w", err)
	}
	return c, nil
}

// Release lets held jobs go because a person said so: they are due at once, and
// remember why they were held. Those in delivery that were to be held when they come
// back are not.
func (q *Queue) Release(ctx context.Context, s Selection) (Changed, error) {
	c, err := q.change(ctx, s, WasReleased, "", []State{Held},
		`UPDATE queue_job SET state = 0, released = why, why = '', due = $1`, store.Micros(q.now()))
	if err != nil {
		return c, err
	}
	s.States = nil
	where, args := s.where(1)
	err = q.store.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`UPDATE queue_job SET released = why, why = '' WHERE state = 1 AND why <> '' AND `+where, args...)
		c.Busy = int(n)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("release messages in delivery: %w", err)
	}
	return c, nil
}

// Resume lets held jobs go because what they were held for is over; the reason is
// for the journal. Unlike those that a person released they can be held again. It
// gives how many were still held.
func (q *Queue) Resume(ctx context.Context, ids []int64, why string) (int, error) {
	resumed := 0
	for len(ids) > 0 {
		some := ids[:min(len(ids), changeBatch)]
		ids = ids[len(some):]
		var jobs []Job
		err := q.store.Write(ctx, func(tx *store.Tx) error {
			args := padded(some)
			rows, err := tx.Rows(`UPDATE queue_job SET state = 0, why = '', due = $1 WHERE state = 3 AND id IN (`+
				placeholders(2, len(args))+`) RETURNING `+jobColumns, append([]any{store.Micros(q.now())}, args...)...)
			if err != nil {
				return err
			}
			if jobs, err = scanJobs(rows); err != nil || len(jobs) == 0 {
				return err
			}
			tx.Wake(Topic)
			if q.options.Record == nil {
				return nil
			}
			return q.options.Record(tx, WasReleased, why, jobs)
		})
		if err != nil {
			return resumed, fmt.Errorf("resume messages: %w", err)
		}
		resumed += len(jobs)
	}
	return resumed, nil
}

// Retry makes waiting and parked jobs due at once, whatever is known against their
// destination: they come with a zero Due. Held ones stay held.
func (q *Queue) Retry(ctx context.Context, s Selection) (Changed, error) {
	c, err := q.change(ctx, s, WasRetried, "", []State{Waiting, Parked},
		`UPDATE queue_job SET state = 0, lane = '', due = $1`, int64(0))
	if err != nil {
		return c, err
	}
	c.Busy, err = q.countBusy(ctx, s)
	return c, err
}

// Drop forgets jobs without a word to anybody.
func (q *Queue) Drop(ctx context.Context, s Selection) (Changed, error) {
	c, err := q.change(ctx, s, WasDropped, "", []State{Waiting, Parked, Held}, `DELETE FROM queue_job`)
	if err != nil {
		return c, err
	}
	c.Busy, err = q.countBusy(ctx, s)
	return c, err
}

// change runs a statement over the selection in bounded transactions, by age, so
// that nobody waits long for the rows.
func (q *Queue) change(ctx context.Context, s Selection, what Change, why string, from []State, statement string, args ...any) (Changed, error) {
	if err := s.check(); err != nil {
		return Changed{}, err
	}
	var c Changed
	for after := int64(0); ; {
		jobs, err := q.changeSome(ctx, s, what, why, from, statement, after, args)
		if err != nil {
			return c, fmt.Errorf("messages to be %s: %w", what, err)
		}
		c.Jobs += len(jobs)
		for _, j := range jobs {
			after = max(after, j.ID)
		}
		if len(jobs) < changeBatch {
			return c, nil
		}
	}
}

func (q *Queue) changeSome(ctx context.Context, s Selection, what Change, why string, from []State, statement string, after int64, args []any) ([]Job, error) {
	where, more := s.where(len(args) + 2)
	all := append(append(append([]any{}, args...), after), more...)
	pick := fmt.Sprintf(`SELECT id FROM queue_job WHERE id > $%d AND %s AND %s ORDER BY id LIMIT %d`,
		len(args)+1, where, statesIn(from), changeBatch)
	in := `IN (` + pick + `)`
	if q.store.Engine() == store.PostgreSQL {
		in = `= ANY (ARRAY (` + pick + ` FOR UPDATE))`
	}
	var jobs []Job
	err := q.store.Write(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(statement+` WHERE id `+in+` RETURNING `+jobColumns, all...)
		if err != nil {
			return err
		}
		if jobs, err = scanJobs(rows); err != nil || len(jobs) == 0 {
			return err
		}
		tx.Wake(Topic)
		if what == WasDropped {
			if err := forget(tx, jobs); err != nil {
				return err
			}
		}
		if q.options.Record == nil {
			return nil
		}
		return q.options.Record(tx, what, why, jobs)
	})
	return jobs, err
}

func forget(tx *store.Tx, jobs []Job) error {
	var ids []int64
	for i := range jobs {
		if err := tx.ReleaseBody(jobs[i].Body); err != nil {
			return err
		}
		ids = append(ids, jobs[i].ID)
	}
	return forgetAttempts(tx, ids)
}

// countBusy counts the leased jobs of a selection, of which there are never many.
func (q *Queue) countBusy(ctx context.Context, s Selection) (int, error) {
	where, args := s.where(1)
	var n int64
	err := q.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM queue_job WHERE state = 1 AND `+where, args...).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count messages in delivery: %w", err)
	}
	return int(n), nil
}
