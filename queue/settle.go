package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Outcome is what became of a claimed job.
type Outcome struct {
	Job        *Job
	Left       []Pending // recipients still to do, each with its last answer; none: the job is done
	Due        time.Time // of those left: the next attempt
	Tried      time.Time // when the attempt was made; zero: none was made, nothing is counted
	Reply      string    // the last answer, or what went wrong, in words
	Transcript string    // of the attempt; empty keeps the last one
	Warned     bool      // the delay is reported in this transaction
	HoldWhy    string    // not empty: those left wait for a person
}

// Settle writes outcomes inside the caller's transaction, next to the reports and
// journal entries that belong to them. settled tells for each outcome whether the
// lease was still ours; another worker has those whose lease was lost, and settles
// them by what it finds out itself.
func (q *Queue) Settle(tx *store.Tx, outcomes ...Outcome) (settled []bool, err error) {
	settled = make([]bool, len(outcomes))
	tx.AfterCommit(func() {
		for i := range outcomes {
			q.takeIn(outcomes[i].Job.ID)
		}
	})
	if err := settleDone(tx, outcomes, settled); err != nil {
		return nil, fmt.Errorf("settle messages: %w", err)
	}
	for i := range outcomes {
		o := &outcomes[i]
		if len(o.Left) == 0 {
			continue
		}
		if settled[i], err = q.putBack(tx, o); err != nil {
			return nil, fmt.Errorf("settle message %s: %w", o.Job.Trace, err)
		}
	}
	return settled, nil
}

// settleDone deletes the finished jobs, all of one worker in one statement.
func settleDone(tx *store.Tx, outcomes []Outcome, settled []bool) error {
	byWorker := map[int64][]int{}
	for i := range outcomes {
		if len(outcomes[i].Left) == 0 {
			w := outcomes[i].Job.worker
			byWorker[w] = append(byWorker[w], i)
		}
	}
	for worker, at := range byWorker {
		place := make(map[int64]int, len(at))
		ids := make([]int64, 0, len(at))
		for _, i := range at {
			place[outcomes[i].Job.ID] = i
			ids = append(ids, outcomes[i].Job.ID)
		}
		gone, err := deleteLeased(tx, worker, ids)
		if err != nil {
			return err
		}
		for _, id := range gone {
			settled[place[id]] = true
		}
		if err := releaseAll(tx, outcomes, at, settled); err != nil {
			return err
		}
	}
	return nil
}

// deleteLeased finds the rows by their ids alone: "+ 0" keeps the planner away from the
// index of leased rows, which on PostgreSQL is full of those that were leased before.
func deleteLeased(tx *store.Tx, worker int64, ids []int64) ([]int64, error) {
	args := padded(ids)
	rows, err := tx.Rows(`DELETE FROM queue_job WHERE state + 0 = 1 AND worker + 0 = $1 AND id IN (`+
		placeholders(2, len(args))+`) RETURNING id`, append([]any{worker}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var gone []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		gone = append(gone, id)
	}
	return gone, rows.Err()
}

// releaseAll drops the body references and transcripts of deleted jobs.
func releaseAll(tx *store.Tx, outcomes []Outcome, at []int, settled []bool) error {
	var tried []int64
	for _, i := range at {
		if !settled[i] {
			continue
		}
		j := outcomes[i].Job
		if err := tx.ReleaseBody(j.Body); err != nil {
			return err
		}
		if j.Attempts > 0 {
			tried = append(tried, j.ID)
		}
	}
	return forgetAttempts(tx, tried)
}

func (q *Queue) putBack(tx *store.Tx, o *Outcome) (bool, error) {
	e := envelopeOfJob(o.Job, o.Left)
	text, err := e.encode()
	if err != nil {
		return false, err
	}
	count, tried := 0, o.Job.Tried
	if !o.Tried.IsZero() {
		count, tried = 1, o.Tried
	}
	n, err := tx.Exec(`UPDATE queue_job SET state = CASE WHEN why <> '' OR $1 <> '' THEN 3 ELSE 0 END,
		why = CASE WHEN $1 <> '' THEN $1 ELSE why END, worker = 0, lane = '', envelope = $2, due = $3,
		attempts = attempts + $4, tried = $5, warned = $6, reply = $7
		WHERE id = $8 AND state = 1 AND worker = $9`,
		o.HoldWhy, text, store.Micros(o.Due), int64(count), store.Micros(tried), o.Job.Warned || o.Warned,
		clip(o.Reply, maxReply), o.Job.ID, o.Job.worker)
	if err != nil || n == 0 {
		return false, err
	}
	if o.Transcript == "" {
		return true, nil
	}
	return true, rememberAttempt(tx, o.Job.ID, tried, o.Transcript)
}

// Return gives leases back: the jobs are as if they had never been claimed.
func (q *Queue) Return(ctx context.Context, jobs []Job) error {
	return q.giveBack(ctx, jobs, free+` AND worker = $1 AND id IN (`)
}

// Park puts claimed jobs aside until their lane is asked for by name: their
// destination has all it can take. They are looked at again after some hours even
// so, because of their age.
func (q *Queue) Park(ctx context.Context, lane string, jobs []Job) error {
	return q.giveBack(ctx, jobs, `UPDATE queue_job SET state = CASE WHEN why <> '' THEN 3 ELSE 2 END, worker = 0, lane = $2, due = $3
		WHERE state = 1 AND worker = $1 AND id IN (`, lane, store.Micros(q.now().Add(lookAgain)))
}

// giveBack ends leases by a statement that ends in "id IN (" and begins with the
// worker as its first argument.
func (q *Queue) giveBack(ctx context.Context, jobs []Job, statement string, more ...any) error {
	byWorker := map[int64][]int64{}
	for i := range jobs {
		byWorker[jobs[i].worker] = append(byWorker[jobs[i].worker], jobs[i].ID)
		q.takeIn(jobs[i].ID) // also when the rest fails: whoever gives back keeps nothing
	}
	if len(byWorker) == 0 {
		return nil
	}
	err := q.store.Write(ctx, func(tx *store.Tx) error {
		for worker, ids := range byWorker {
			last := padded(ids)
			args := append(append([]any{worker}, more...), last...)
			if _, err := tx.Exec(statement+placeholders(2+len(more), len(last))+`)`, args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("give back leases: %w", err)
	}
	return nil
}
