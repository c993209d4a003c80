package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
)

// What one letter may gather, and for how long a channel that takes none is owed it.
const (
	maxGathered = 500
	keepOwed    = 7 * 24 * time.Hour
)

// gathering is for how many looks at what is on trial a change waits for others that may
// have the same cause: a name that goes in the middle of a look is seen by half of it.
const gathering = 3

// owe hands what nobody was told of to all channels: from now on it is theirs to tell.
func (m *Monitor) owe(ctx context.Context, s *Settings) error {
	owed, waits := 0, m.waited < gathering && m.schedule.hasTrials()
	m.waited++
	err := m.Store.Write(ctx, func(tx *store.Tx) error {
		owed = 0
		if err := tx.Lock("monitor/owe"); err != nil { // a person may look in another process
			return err
		}
		changes, err := standing.Untold(tx, maxGathered)
		if err != nil || len(changes) == 0 {
			return err
		}
		if waits {
			return errGathers
		}
		owed = len(changes)
		for _, channel := range s.Channels {
			if err := addNotes(tx, channel.Name, changes); err != nil {
				return err
			}
		}
		return standing.Told(tx, changes)
	})
	if errors.Is(err, errGathers) {
		return nil
	}
	m.waited = 0
	if err == nil && owed > 0 {
		m.Log.Info("the watch saw changes", "changes", owed)
		poke(m.speaker.poked)
	}
	return err
}

// errGathers ends a transaction that has nothing to write yet.
var errGathers = errors.New("more may come")

func addNotes(tx *store.Tx, channel string, changes []standing.Change) error {
	for _, c := range changes {
		text, err := json.Marshal(c)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO monitor_note (channel, time, change) VALUES ($1, $2, $3)`, channel, tx.Now(), string(text)); err != nil {
			return fmt.Errorf("owe %s a letter: %w", channel, err)
		}
	}
	return nil
}

// debt is what one channel was not told yet, the oldest first.
type debt struct {
	ids     []int64
	changes []standing.Change
}

func readDebt(tx *store.Tx, channel string) (d debt, err error) {
	rows, err := tx.Rows(`SELECT id, change FROM monitor_note WHERE channel = $1 ORDER BY id LIMIT $2`, channel, maxGathered)
	if err != nil {
		return d, fmt.Errorf("read what %s was not told: %w", channel, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var text string
		var c standing.Change
		if err := rows.Scan(&id, &text); err != nil {
			return d, err
		}
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return d, fmt.Errorf("read what %s was not told: %w", channel, err)
		}
		d.ids, d.changes = append(d.ids, id), append(d.changes, c)
	}
	return d, rows.Err()
}

// settle notes that it was told.
func (d debt) settle(tx *store.Tx) error {
	for _, id := range d.ids {
		if _, err := tx.Exec(`DELETE FROM monitor_note WHERE id = $1`, id); err != nil {
			return fmt.Errorf("note what was told: %w", err)
		}
	}
	return nil
}

// countOwed is how much each channel was not told yet, and giveUp drops what is too old,
// or owed to nobody any more.
func countOwed(tx *store.Tx) (map[string]int, error) {
	rows, err := tx.Rows(`SELECT channel, count(*) FROM monitor_note GROUP BY channel`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	owed := map[string]int{}
	for rows.Next() {
		var channel string
		var n int
		if err := rows.Scan(&channel, &n); err != nil {
			return nil, err
		}
		owed[channel] = n
	}
	return owed, rows.Err()
}

func giveUp(tx *store.Tx, before time.Time) (dropped int64, err error) {
	return tx.Exec(`DELETE FROM monitor_note WHERE time < $1`, before)
}
