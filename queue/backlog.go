package queue

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/store"
)

// Backlog is what waits for one destination.
type Backlog struct {
	Name     string
	Messages int
	First    Job // the oldest of them, as an example of why
}

// Backlogs are those of the destinations for which most waits, up to limit. They are
// counted in an index, so that one may ask with a million messages waiting.
func (q *Queue) Backlogs(ctx context.Context, limit int) (all []Backlog, err error) {
	err = q.store.Read(ctx, func(tx *store.Tx) (err error) {
		if all, err = countDestinations(tx, limit); err != nil {
			return err
		}
		for i := range all {
			all[i].First, err = scanJob(tx.Row(`SELECT `+jobColumns+` FROM queue_job WHERE id = $1`, all[i].First.ID))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the queue by destination: %w", err)
	}
	return all, nil
}

func countDestinations(tx *store.Tx, limit int) (all []Backlog, err error) {
	rows, err := tx.Rows(`SELECT destination, COUNT(*), MIN(id) FROM queue_job GROUP BY destination ORDER BY 2 DESC, 1 LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Backlog
		if err := rows.Scan(&d.Name, &d.Messages, &d.First.ID); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, rows.Err()
}
