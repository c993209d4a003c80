package queue

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Start announces this process as a worker. On the embedded engine, where there is
// one process, it takes over at once whatever an earlier one had leased.
func (q *Queue) Start(ctx context.Context) error {
	began, worker := time.Now(), newWorker() // elapsed
	err := q.store.Write(ctx, func(tx *store.Tx) error {
		if q.store.Engine() == store.SQLite {
			if err := takeOverAll(tx); err != nil {
				return err
			}
		}
		return enter(tx, worker, q.options.Worker)
	})
	if err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.worker, q.beaten = worker, began
	return nil
}

func enter(tx *store.Tx, worker int64, name string) error {
	_, err := tx.Exec(`INSERT INTO queue_worker (worker, name, beat) VALUES ($1, $2, 1)`, worker, name)
	return err
}

// free is what becomes of a leased job that comes back untouched.
const free = `UPDATE queue_job SET state = CASE WHEN why <> '' THEN 3 ELSE 0 END, worker = 0 WHERE state = 1`

func takeOverAll(tx *store.Tx) error {
	if _, err := tx.Exec(free); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM queue_worker`)
	return err
}

// Leave gives back all leases of this process: others go on at once.
func (q *Queue) Leave(ctx context.Context) error {
	q.mu.Lock()
	worker := q.worker
	q.worker = 0
	clear(q.out)
	q.mu.Unlock()
	if worker == 0 {
		return nil
	}
	return q.store.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(free+` AND worker = $1`, worker); err != nil {
			return fmt.Errorf("give leases back: %w", err)
		}
		_, err := tx.Exec(`DELETE FROM queue_worker WHERE worker = $1`, worker)
		tx.Wake(Topic)
		return err
	})
}

// Alive reports whether our leases hold for sure: the last beat that got through is
// young enough that nobody can have taken them over. Nothing new may be begun
// without it, and no message ended.
func (q *Queue) Alive() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.worker == 0 {
		return false
	}
	return q.store.Engine() == store.SQLite || time.Since(q.beaten) < q.options.Lease*3/4 // elapsed
}

func (q *Queue) self() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.worker
}

// Run keeps the leases and tends the tables until the context ends. Start first.
func (q *Queue) Run(ctx context.Context) error {
	beats := time.NewTicker(q.options.Lease / 5)
	defer beats.Stop()
	tends := time.NewTicker(tendEvery)
	defer tends.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-beats.C:
			err = q.Beat(ctx)
		case <-tends.C:
			err = q.Tend(ctx)
		}
		if err != nil && ctx.Err() == nil {
			q.log.Warn("the queue's housekeeping failed and will be tried again", "error", err)
		}
	}
}

// Beat shows the others that we live, and takes over from those who have shown
// nothing for the length of a lease. The embedded engine has no others.
func (q *Queue) Beat(ctx context.Context) error {
	if q.store.Engine() == store.SQLite {
		return nil
	}
	began, me := time.Now(), q.self() // elapsed
	if me == 0 {
		return nil
	}
	next := newWorker()
	var lost bool
	var beats map[int64]int64
	err := q.store.Write(ctx, func(tx *store.Tx) (err error) {
		n, err := tx.Exec(`UPDATE queue_worker SET beat = beat + 1 WHERE worker = $1`, me)
		if lost = err == nil && n == 0; lost {
			err = enter(tx, next, q.options.Worker)
		}
		if err != nil {
			return err
		}
		beats, err = readBeats(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("renew the leases: %w", err)
	}
	if lost {
		q.log.Warn("this process was silent too long: others took over its messages in delivery")
		me = next
	}
	return q.takeOver(ctx, q.observe(me, began, beats))
}

func readBeats(tx *store.Tx) (map[int64]int64, error) {
	rows, err := tx.Rows(`SELECT worker, beat FROM queue_worker`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	beats := map[int64]int64{}
	for rows.Next() {
		var worker, beat int64
		if err := rows.Scan(&worker, &beat); err != nil {
			return nil, err
		}
		beats[worker] = beat
	}
	return beats, rows.Err()
}

// observe notes the beats of the others and names those that are dead, with the
// number at which their hearts stood still.
func (q *Queue) observe(me int64, began time.Time, beats map[int64]int64) map[int64]int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.worker != 0 {
		q.worker, q.beaten = me, began
	}
	dead := map[int64]int64{}
	for worker, beat := range beats {
		p, known := q.seen[worker]
		switch {
		case worker == me:
		case !known || p.beat != beat:
			q.seen[worker] = pulse{beat, time.Now()} // elapsed
		case time.Since(p.since) >= q.options.Lease: // elapsed
			dead[worker] = beat
		}
	}
	maps.DeleteFunc(q.seen, func(worker int64, _ pulse) bool { _, there := beats[worker]; return !there })
	return dead
}

// takeOver frees what the dead had leased. The number decides: one that beat again
// in between keeps everything.
func (q *Queue) takeOver(ctx context.Context, dead map[int64]int64) error {
	for worker, beat := range dead {
		var jobs int64
		err := q.store.Write(ctx, func(tx *store.Tx) error {
			n, err := tx.Exec(`DELETE FROM queue_worker WHERE worker = $1 AND beat = $2`, worker, beat)
			if err != nil || n == 0 {
				return err
			}
			jobs, err = tx.Exec(free+` AND worker = $1`, worker)
			tx.Wake(Topic)
			return err
		})
		if err != nil {
			return fmt.Errorf("take over from a dead worker: %w", err)
		}
		if jobs > 0 {
			q.log.Warn("took over the messages in delivery of a process that stopped", "messages", jobs)
		}
	}
	return nil
}
