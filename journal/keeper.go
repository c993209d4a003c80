package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// day in microseconds.
const day = int64(24 * time.Hour / time.Microsecond)

// How the keeper divides its work, so that no other writer waits long for it.
const (
	indexEvery = 10 * time.Second
	sweepEvery = time.Hour
	indexBite  = 400  // events
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

// errOvertaken: another process indexed the same events.
var errOvertaken = errors.New("the mark has moved")

// Index writes the keys of the events that were there when it ran last, and says of
// how many. A transaction that drew its ids before then has ended meanwhile, so that
// no event turns up behind the mark: PostgreSQL commits ids out of order.
func (k *Keeper) Index(ctx context.Context) (int, error) {
	to := k.horizon
	if err := k.o.Store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COALESCE(MAX(id), 0) FROM journal_event`).Scan(&k.horizon)
	}); err != nil {
		return 0, fmt.Errorf("index the journal: %w", err)
	}
	done := 0
	for {
		n, err := k.indexBite(ctx, to)
		done += n
		switch {
		case errors.Is(err, errOvertaken):
			return done, nil
		case err != nil:
			return done, fmt.Errorf("index the journal: %w", err)
		case n < indexBite:
			return done, nil
		}
	}
}

func (k *Keeper) indexBite(ctx context.Context, to int64) (int, error) {
	var mark int64
	var found []stored
	err := k.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if err = tx.Row(`SELECT event FROM journal_mark WHERE name = 'indexed'`).Scan(&mark); err != nil {
			return err
		}
		found, err = selectStored(tx, nil, selectEvents+`journal_event e WHERE e.id > $1 AND e.id <= $2
			ORDER BY e.id LIMIT $3`, mark, to, indexBite)
		return err
	})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	keys := keysOf(found)
	return len(found), k.o.Store.Write(ctx, func(tx *store.Tx) error {
		moved, err := tx.Exec(`UPDATE journal_mark SET event = $1 WHERE name = 'indexed' AND event = $2`, found[len(found)-1].id, mark)
		if err != nil {
			return err
		}
		if moved == 0 {
			return errOvertaken
		}
		return insertKeys(tx, keys)
	})
}

// A key leads from an address, a domain or a kind to an event.
type key struct {
	day, key, time, event int64
	kind                  Kind
}

// keysOf are the keys of events, each once, in the order of the table.
func keysOf(found []stored) []key {
	var keys []key
	for i := range found {
		e := &found[i]
		at := store.Micros(e.Time)
		for _, k := range e.keys() {
			keys = append(keys, key{at / day, k, at, e.id, e.Kind})
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.key, b.key), cmp.Compare(a.time, b.time), cmp.Compare(a.event, b.event))
	})
	return slices.Compact(keys)
}

func (e *Event) keys() []int64 {
	keys := []int64{kindKey(e.Kind)}
	for _, a := range []string{strings.ToLower(e.From), strings.ToLower(e.To)} {
		if a != "" {
			keys = append(keys, addressKey(a))
		}
		if d := domainOf(a); d != "" {
			keys = append(keys, domainKey(d))
		}
	}
	return keys
}

// The hashes stand in the table: they never change. What collides is told apart by
// Query.matches.
func addressKey(a string) int64 { return hash("address", a) }
func domainKey(d string) int64  { return hash("domain", d) }
func kindKey(k Kind) int64      { return hash("kind", string(k)) }

func hash(of, s string) int64 {
	h := fnv.New64a()
	h.Write([]byte(of + "\x00" + s))
	return int64(h.Sum64())
}

// keyRows is how many keys one statement takes.
const keyRows = 100

func insertKeys(tx *store.Tx, keys []key) error {
	for bite := range slices.Chunk(keys, keyRows) {
		var b strings.Builder
		b.WriteString(`INSERT INTO journal_key (day, key, time, event, kind) VALUES `)
		args := make([]any, 0, len(bite)*5)
		for i, k := range bite {
			n := len(args)
			fmt.Fprintf(&b, "%s($%d, $%d, $%d, $%d, $%d)", strings.Repeat(", ", min(i, 1)), n+1, n+2, n+3, n+4, n+5)
			args = append(args, k.day, k.key, k.time, k.event, string(k.kind))
		}
		b.WriteString(` ON CONFLICT DO NOTHING`)
		if _, err := tx.Exec(b.String(), args...); err != nil {
			return err
		}
	}
	return nil
}

// Sweep drops the events that are too old, and the index of their days, in small
// bites, and says how many events.
func (k *Keeper) Sweep(ctx context.Context) (int64, error) {
	before := store.Micros(k.o.Now().Add(-k.o.Keep))
	// The newest event stays whatever its age, so that ids are never used again.
	events, err := k.sweepAll(ctx, `DELETE FROM journal_event WHERE id IN (SELECT id FROM journal_event
		WHERE time < $1 AND id < (SELECT MAX(id) FROM journal_event) ORDER BY time LIMIT $2)`, before)
	if err != nil {
		return events, fmt.Errorf("sweep the journal: %w", err)
	}
	// A day goes when it has ended before then.
	if _, err = k.sweepAll(ctx, `DELETE FROM journal_key WHERE (day, key, time, event) IN (
		SELECT day, key, time, event FROM journal_key WHERE day < $1 ORDER BY day, key, time, event LIMIT $2)`, before/day); err != nil {
		return events, fmt.Errorf("sweep the journal's index: %w", err)
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
