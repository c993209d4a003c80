package queue

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/allgreen-mail/allgreen/store"
)

// handOut notes which leases this process holds.
func (q *Queue) handOut(jobs []Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range jobs {
		q.out[jobs[i].ID] = true
	}
}

func (q *Queue) takeIn(job int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.out, job)
}

// freeStrays frees leases in our name that nobody in this process holds: the answer to the
// commit of a claim was lost, or giving a lease back failed. Without it they would last as
// long as we beat. A lease must be a stray twice, for a claim that commits at this moment
// is not noted yet.
func (q *Queue) freeStrays(ctx context.Context) error {
	me := q.self()
	if me == 0 {
		return nil
	}
	leased, err := q.leasedTo(ctx, me)
	if err != nil {
		return fmt.Errorf("look for lost leases: %w", err)
	}
	lost := q.lost(leased)
	for ids := range slices.Chunk(lost, tendBatch) {
		args := padded(ids)
		err := q.store.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(free+` AND worker = $1 AND id IN (`+placeholders(2, len(args))+`)`, append([]any{me}, args...)...)
			tx.Wake(Topic)
			return err
		})
		if err != nil {
			return fmt.Errorf("free lost leases: %w", err)
		}
	}
	if len(lost) > 0 {
		q.log.Warn("messages were in delivery and nobody had them; they go on", "messages", len(lost))
	}
	return nil
}

// lost are the strays that were strays before.
func (q *Queue) lost(leased []int64) []int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	strays := map[int64]bool{}
	for _, id := range leased {
		if !q.out[id] {
			strays[id] = true
		}
	}
	again := maps.Clone(strays)
	maps.DeleteFunc(again, func(id int64, _ bool) bool { return !q.strays[id] })
	q.strays = strays
	return slices.Sorted(maps.Keys(again))
}

func (q *Queue) leasedTo(ctx context.Context, worker int64) (ids []int64, err error) {
	err = q.store.Read(ctx, func(tx *store.Tx) error {
		ids = nil
		rows, err := tx.Rows(`SELECT id FROM queue_job WHERE state = 1 AND worker = $1`, worker)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}
