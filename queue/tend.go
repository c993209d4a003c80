package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

const (
	tendEvery = 15 * time.Second
	tendBatch = 1000 // rows of one transaction
)

// Tend does what nobody waits for: parked jobs that rested long enough are looked
// at again, leases that nobody holds are freed, times written under a wrong clock are brought back, counters folded,
// and held messages announced.
func (q *Queue) Tend(ctx context.Context) error {
	now := q.now()
	if err := q.unpark(ctx, now); err != nil {
		return err
	}
	if err := q.freeStrays(ctx); err != nil {
		return err
	}
	if err := q.bringBack(ctx, now); err != nil {
		return err
	}
	if err := q.foldCounters(ctx); err != nil {
		return err
	}
	return q.announceHeld(ctx)
}

func (q *Queue) unpark(ctx context.Context, now time.Time) error {
	return q.inBatches(ctx, "look at parked messages again", `UPDATE queue_job SET state = 0, lane = '' WHERE id IN
		(SELECT id FROM queue_job WHERE state = 2 AND due <= $1 ORDER BY due LIMIT $2)`, store.Micros(now))
}

// bringBack makes due what is due later than the schedule ever says.
func (q *Queue) bringBack(ctx context.Context, now time.Time) error {
	limit := store.Micros(now.Add(q.options.Schedule.horizon()))
	err := q.inBatches(ctx, "bring back messages", `UPDATE queue_job SET due = $3 WHERE id IN
		(SELECT id FROM queue_job WHERE state = 0 AND due > $1 ORDER BY due DESC LIMIT $2)`, limit, store.Micros(now))
	if err != nil {
		return err
	}
	return q.inBatches(ctx, "bring back parked messages", `UPDATE queue_job SET due = $3 WHERE id IN
		(SELECT id FROM queue_job WHERE state = 2 AND due > $1 ORDER BY due DESC LIMIT $2)`, limit, store.Micros(now))
}

// inBatches repeats an UPDATE whose second argument is the size of a batch until it
// finds no more. It looks before it writes: there is nothing to do nearly always.
func (q *Queue) inBatches(ctx context.Context, what, statement string, first any, more ...any) error {
	args := append([]any{first, int64(tendBatch)}, more...)
	for {
		var n int64
		err := q.store.Write(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(statement, args...)
			if n > 0 {
				tx.Wake(Topic)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if n < tendBatch {
			return nil
		}
	}
}

// foldCounters keeps the sum of queue_count cheap; on SQLite it is one row anyway.
func (q *Queue) foldCounters(ctx context.Context) error {
	if q.store.Engine() == store.SQLite {
		return nil
	}
	err := q.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`WITH old AS (DELETE FROM queue_count WHERE ctid = ANY (ARRAY
				(SELECT ctid FROM queue_count LIMIT 100000 FOR UPDATE SKIP LOCKED)) RETURNING total, held, deferred)
			INSERT INTO queue_count SELECT SUM(total), SUM(held), SUM(deferred) FROM old HAVING COUNT(*) > 0`)
		return err
	})
	if err != nil {
		return fmt.Errorf("fold the counters: %w", err)
	}
	return nil
}

func (q *Queue) announceHeld(ctx context.Context) error {
	s, err := q.Stats(ctx)
	if err != nil {
		return err
	}
	q.mu.Lock()
	grew := s.Held > q.held
	q.held = s.Held
	q.mu.Unlock()
	if !grew {
		return nil
	}
	q.log.Warn("messages are held until somebody releases or drops them", "held", s.Held)
	if q.options.Alert != nil {
		q.options.Alert(ctx, s.Held)
	}
	return nil
}
