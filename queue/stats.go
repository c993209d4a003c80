package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Stats counts jobs: messages, each once for every destination it waits for.
type Stats struct {
	Waiting  int       // to be delivered: waiting, in delivery or parked
	Deferred int       // of these, tried at least once
	Held     int       // for a person
	Oldest   time.Time // when the oldest of those waiting was promised; zero: none waits
}

// Stats asks the counters; it costs the same however much waits.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	err := q.store.Read(ctx, func(tx *store.Tx) error {
		var total, held, deferred int64
		err := tx.Row(`SELECT CAST(COALESCE(SUM(total), 0) AS BIGINT), CAST(COALESCE(SUM(held), 0) AS BIGINT),
			CAST(COALESCE(SUM(deferred), 0) AS BIGINT) FROM queue_count`).Scan(&total, &held, &deferred)
		if err != nil {
			return err
		}
		s = Stats{Waiting: int(total - held), Held: int(held), Deferred: int(deferred)}
		s.Oldest, err = oldest(tx)
		return err
	})
	if err != nil {
		return Stats{}, fmt.Errorf("count the queue: %w", err)
	}
	return s, nil
}

// oldest looks at the first thousand rows by age. When all of them are held, nobody
// will miss the exact age of what waits behind them.
func oldest(tx *store.Tx) (time.Time, error) {
	var queued int64
	err := tx.Row(`SELECT queued FROM (SELECT id, queued, state FROM queue_job ORDER BY id LIMIT 1000) AS first
		WHERE state <> 3 ORDER BY id LIMIT 1`).Scan(&queued)
	if errors.Is(err, store.ErrNoRow) {
		err = tx.Row(`SELECT queued FROM queue_job WHERE state = 0 ORDER BY due LIMIT 1`).Scan(&queued)
	}
	if errors.Is(err, store.ErrNoRow) {
		return time.Time{}, nil
	}
	return store.FromMicros(queued), err
}

// Overdue is how long the first job in line is past its time: a long time says that
// nobody delivers. What a person wants tried at once is not counted.
func (q *Queue) Overdue(ctx context.Context) (time.Duration, error) {
	var due int64
	err := q.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT due FROM queue_job WHERE state = 0 AND due > 0 ORDER BY due LIMIT 1`).Scan(&due)
	})
	if errors.Is(err, store.ErrNoRow) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the head of the queue: %w", err)
	}
	return max(0, q.now().Sub(store.FromMicros(due))), nil
}
