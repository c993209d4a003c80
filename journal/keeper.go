package journal

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// How the keeper divides its work, so that no other writer waits long for it.
const (
	indexEvery = 10 * time.Second
	sweepEvery = time.Hour
	sweepBite  = 1000 // rows
)

// DefaultKeep is how long events are kept unless Options say otherwise.
const DefaultKeep = 30 * 24 * time.Hour

// Options of a Keeper.
type Options struct {
	Store *store.Store
	Now   func() time.Time
	Keep  time.Duration // events older than this are swept; zero: DefaultKeep
	Log   *slog.Logger  // nil: nowhere
}

// Keeper indexes events behind their commit and drops old ones. Every process may
// have one.
type Keeper struct {
	o       Options
	horizon int64 // the last event when Index ran before
}

// NewKeeper makes a keeper; Run sets it to work.
func NewKeeper(o Options) *Keeper {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{o: o}
}

// Run indexes and sweeps until the context ends.
func (k *Keeper) Run(ctx context.Context) error {
	index, sweep := time.NewTicker(indexEvery), time.NewTicker(sweepEvery)
	defer index.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-index.C:
			_, err = k.Index(ctx)
		case <-sweep.C:
			_, err = k.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.o.Log.Warn("the journal could not be kept in order", "error", err)
		}
	}
}

// Sweep drops the events that are too old, and the segments of the index that are
// empty by then, in small bites, and says how many events.
func (k *Keeper) Sweep(ctx context.Context) (int64, error) {
	before := store.Micros(k.o.Now().Add(-k.o.Keep))
	// The newest event stays whatever its age, so that ids are never used again.
	events, err := k.sweepAll(ctx, `DELETE FROM journal_event WHERE id IN (SELECT id FROM journal_event
		WHERE time < $1 AND id < (SELECT MAX(id) FROM journal_event) ORDER BY time LIMIT $2)`, before)
	if err != nil {
		return events, fmt.Errorf("sweep the journal: %w", err)
	}
	var first int64
	if err := k.o.Store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COALESCE(MIN(id), 0) FROM journal_event`).Scan(&first)
	}); err != nil {
		return events, fmt.Errorf("sweep the journal: %w", err)
	}
	if _, err = k.sweepAll(ctx, `DELETE FROM journal_posting WHERE (segment, key, last) IN (
		SELECT segment, key, last FROM journal_posting WHERE segment < $1 ORDER BY segment, key, last LIMIT $2)`, segmentOf(first)); err != nil {
		return events, fmt.Errorf("sweep the journal's index: %w", err)
	}
	if _, err = k.sweepAll(ctx, `DELETE FROM journal_hour WHERE (hour, kind) IN (SELECT hour, kind FROM journal_hour WHERE hour < $1 LIMIT $2)`,
		store.Micros(k.o.Now().Add(-volumeKeep))); err != nil {
		return events, fmt.Errorf("sweep the journal's volumes: %w", err)
	}
	return events, nil
}

// sweepAll repeats a bite until it takes nothing more.
func (k *Keeper) sweepAll(ctx context.Context, query string, before int64) (total int64, err error) {
	for {
		var n int64
		err := k.o.Store.Write(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(query, before, sweepBite)
			return err
		})
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}
