package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Want says what a worker has room for.
type Want struct {
	Limit int            // due jobs of any destination
	Lanes map[string]int // parked jobs by lane
}

// ErrNotStarted is the error of a claim before Start or after Leave.
var ErrNotStarted = errors.New("the queue is not started")

// Claim leases parked jobs of the lanes asked for, the oldest first, and jobs that
// are due, those first that were due first. It never waits; without anything to claim it only reads.
func (q *Queue) Claim(ctx context.Context, want Want) ([]Job, error) {
	me, now := q.self(), q.now()
	if me == 0 {
		return nil, ErrNotStarted
	}
	if len(want.Lanes) == 0 {
		next, err := q.NextDue(ctx)
		if err != nil || next.IsZero() || next.After(now) {
			return nil, err
		}
	}
	var jobs []Job
	err := q.store.Write(ctx, func(tx *store.Tx) (err error) {
		jobs, err = q.claim(tx, me, now, want)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim messages: %w", err)
	}
	q.handOut(jobs)
	return jobs, nil
}

func (q *Queue) claim(tx *store.Tx, me int64, now time.Time, want Want) ([]Job, error) {
	var jobs []Job
	for lane, limit := range want.Lanes {
		parked, err := take(tx, q.store.Engine(), `state = 2 AND lane = $2`, `id`, limit, me, lane)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, parked...)
	}
	if want.Limit <= 0 {
		return jobs, nil
	}
	// The time stands in a query of its own, so that PostgreSQL does not plan by it: where
	// nearly all are due later it expects no row, and visits each that was due since the last
	// vacuum and sorts them, in place of taking the first of the index.
	due, err := take(tx, q.store.Engine(), `state = 0 AND due <= (SELECT CAST($2 AS BIGINT))`, `due`, want.Limit, me, store.Micros(now))
	return append(jobs, due...), err
}

// take leases the first rows of an index. The number of rows is part of the text, so
// that PostgreSQL plans for few rows instead of a tenth of the table, and its array
// makes sure that they are picked once, before anything is changed.
func take(tx *store.Tx, e store.Engine, where, order string, limit int, args ...any) ([]Job, error) {
	if limit <= 0 {
		return nil, nil
	}
	pick := fmt.Sprintf(`SELECT id FROM queue_job WHERE %s ORDER BY %s LIMIT %d`, where, order, roundDown(limit))
	in := `IN (` + pick + `)`
	if e == store.PostgreSQL {
		in = `= ANY (ARRAY (` + pick + ` FOR UPDATE SKIP LOCKED))`
	}
	rows, err := tx.Rows(`UPDATE queue_job SET state = 1, worker = $1 WHERE id `+in+` RETURNING `+jobColumns, args...)
	if err != nil {
		return nil, err
	}
	jobs, err := scanJobs(rows)
	if err == nil {
		jobs, err = setAside(tx, jobs)
	}
	slices.SortFunc(jobs, func(a, b Job) int { // RETURNING keeps no order
		if c := a.Due.Compare(b.Due); c != 0 && order == `due` {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return jobs, err
}

// setAside holds rows that cannot be read, for a person, and gives the others.
func setAside(tx *store.Tx, jobs []Job) (whole []Job, err error) {
	for _, j := range jobs {
		if j.damage == "" {
			whole = append(whole, j)
			continue
		}
		_, err := tx.Exec(`UPDATE queue_job SET state = 3, worker = 0, lane = '', why = $1 WHERE id = $2`, "the row is damaged: "+clip(j.damage, maxReply), j.ID)
		if err != nil {
			return nil, err
		}
	}
	return whole, nil
}

// roundDown keeps the number of different statements small.
func roundDown(limit int) int {
	n := 1
	for n*2 <= min(limit, 1024) {
		n *= 2
	}
	return n
}

// NextDue is when the next waiting job is due, past or future; zero when none waits.
// A job whose retry a person asked for is due since 1970.
func (q *Queue) NextDue(ctx context.Context) (time.Time, error) {
	var due int64
	err := q.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT due FROM queue_job WHERE state = 0 ORDER BY due LIMIT 1`).Scan(&due)
	})
	if errors.Is(err, store.ErrNoRow) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask when the next message is due: %w", err)
	}
	return time.UnixMicro(due), nil
}

// Lanes are the lanes that have parked jobs, up to a thousand.
func (q *Queue) Lanes(ctx context.Context) ([]string, error) {
	var lanes []string
	err := q.store.Read(ctx, func(tx *store.Tx) error {
		lanes = nil
		for last := ""; len(lanes) < 1000; { // from name to name: as many steps as there are lanes
			err := tx.Row(`SELECT lane FROM queue_job WHERE state = 2 AND lane > $1 ORDER BY lane LIMIT 1`, last).Scan(&last)
			if errors.Is(err, store.ErrNoRow) {
				return nil
			}
			if err != nil {
				return err
			}
			lanes = append(lanes, last)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask which lanes are full: %w", err)
	}
	return lanes, nil
}
