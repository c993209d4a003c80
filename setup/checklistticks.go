package setup

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed checklist.sqlite.sql
var ticksSQLite string

//go:embed checklist.postgresql.sql
var ticksPostgreSQL string

// ChecklistSchema is the table of what persons have ticked off.
var ChecklistSchema = store.Schema{
	Name:     "checklist",
	Versions: []store.Version{{SQLite: ticksSQLite, PostgreSQL: ticksPostgreSQL}},
}

// ErrNoItem is the error for a thing, or a subject, that is not on the checklist.
var ErrNoItem = errors.New("that is not on the checklist")

// maxNote bounds what a person may write beside a tick.
const maxNote = 500

// Ticks reads what persons said is done.
func Ticks(tx *store.Tx) ([]Tick, error) {
	rows, err := tx.Rows(`SELECT item, subject, time, note FROM checklist_tick ORDER BY item, subject`)
	if err != nil {
		return nil, fmt.Errorf("read the checklist: %w", err)
	}
	defer rows.Close()
	var all []Tick
	for rows.Next() {
		var t Tick
		var at int64
		if err := rows.Scan(&t.ID, &t.Subject, &at, &t.Note); err != nil {
			return nil, fmt.Errorf("read the checklist: %w", err)
		}
		t.Time = store.FromMicros(at)
		all = append(all, t)
	}
	return all, rows.Err()
}

// Mark keeps the word of a person that an item is done, from now on. Without a subject
// it is done for all that the item is for. The error wraps ErrNoItem.
func Mark(tx *store.Tx, f Facts, id, subject, note string) error {
	return each(f, id, subject, func(subject string) error {
		_, err := tx.Exec(`INSERT INTO checklist_tick (item, subject, time, note) VALUES ($1, $2, $3, $4)
			ON CONFLICT (item, subject) DO UPDATE SET time = excluded.time, note = excluded.note`,
			id, subject, store.Micros(tx.Now()), strings.ToValidUTF8(note[:min(len(note), maxNote)], ""))
		return err
	})
}

// Unmark takes that back.
func Unmark(tx *store.Tx, f Facts, id, subject string) error {
	return each(f, id, subject, func(subject string) error {
		_, err := tx.Exec(`DELETE FROM checklist_tick WHERE item = $1 AND subject = $2`, id, subject)
		return err
	})
}

// each does something for the subjects of an item that were meant.
func each(f Facts, id, only string, do func(subject string) error) error {
	i := slices.IndexFunc(entries(), func(e entry) bool { return e.ID == id })
	if i < 0 {
		return fmt.Errorf("%w: %.60q", ErrNoItem, id)
	}
	met := 0
	for _, s := range f.subjects(entries()[i]) {
		if only != "" && !strings.EqualFold(only, s.text) {
			continue
		}
		met++
		if err := do(s.text); err != nil {
			return fmt.Errorf("mark %s: %w", id, err)
		}
	}
	if met == 0 {
		return fmt.Errorf("%w: %s for %.80q", ErrNoItem, id, only)
	}
	return nil
}
