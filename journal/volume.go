package journal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Volume is how many events of a kind there were in an hour.
type Volume struct {
	Hour   time.Time // its beginning, in UTC
	Kind   Kind
	Events int64
}

// volumeKeep is how long volumes are kept: they are few, and people compare years.
const volumeKeep = 400 * 24 * time.Hour

const hourMicros = int64(time.Hour / time.Microsecond)

func hourOf(micros int64) int64 { return micros - micros%hourMicros }

// slot is where an event counts.
type slot struct {
	hour int64
	kind Kind
}

// Volumes counts the events since a time and before another, by hour and kind, the
// oldest hour first. It costs the same however many there were, for the keeper counts
// them; what it has not come to yet is counted here.
func Volumes(tx *store.Tx, since, until time.Time) ([]Volume, error) {
	counts := map[slot]int64{}
	from, to := hourOf(store.Micros(since)), store.Micros(until)
	mark, err := readMark(tx)
	if err == nil {
		err = count(tx, counts, `SELECT hour, kind, events FROM journal_hour WHERE hour >= $1 AND hour < $2`, from, to)
	}
	if err == nil { // the sign keeps both engines from looking through all of that time
		err = count(tx, counts, `SELECT time, kind, 1 FROM journal_event WHERE id > $3 AND +time >= $1 AND +time < $2`, from, to, mark)
	}
	if err != nil {
		return nil, fmt.Errorf("count what is in the journal: %w", err)
	}
	all := make([]Volume, 0, len(counts))
	for _, at := range slices.SortedFunc(maps.Keys(counts), slot.compare) {
		all = append(all, Volume{Hour: store.FromMicros(at.hour), Kind: at.kind, Events: counts[at]})
	}
	return all, nil
}

func count(tx *store.Tx, counts map[slot]int64, query string, args ...any) error {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var at, n int64
		var kind string
		if err := rows.Scan(&at, &kind, &n); err != nil {
			return err
		}
		counts[slot{hourOf(at), Kind(kind)}] += n
	}
	return rows.Err()
}

// addVolumes counts events in the transaction that moves the mark beyond them, so that
// each counts once.
func addVolumes(tx *store.Tx, found []stored) error {
	counts := map[slot]int64{}
	for i := range found {
		counts[slot{hourOf(store.Micros(found[i].Time)), found[i].Kind}]++
	}
	for _, at := range slices.SortedFunc(maps.Keys(counts), slot.compare) {
		if _, err := tx.Exec(`INSERT INTO journal_hour (hour, kind, events) VALUES ($1, $2, $3)
			ON CONFLICT (hour, kind) DO UPDATE SET events = journal_hour.events + excluded.events`, at.hour, string(at.kind), counts[at]); err != nil {
			return err
		}
	}
	return nil
}

func (s slot) compare(other slot) int {
	return cmp.Or(cmp.Compare(s.hour, other.hour), cmp.Compare(s.kind, other.kind))
}
