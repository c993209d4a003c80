package standing

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// remember writes the changes, untold.
func remember(tx *store.Tx, changes []Change) error {
	for i := range changes {
		c := &changes[i]
		text, err := json.Marshal(c.Finding)
		if err != nil {
			return err
		}
		err = tx.Row(`INSERT INTO standing_change (time, since, kind, target, check_id, subject, was, became, finding, told)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) RETURNING id`,
			c.Time, c.Since, string(c.Kind), c.Target, c.Check, c.Subject, c.From.String(), c.To.String(), string(text)).Scan(&c.ID)
		if err != nil {
			return fmt.Errorf("remember what changed: %w", err)
		}
	}
	return nil
}

const changeColumns = `SELECT id, time, since, kind, target, check_id, subject, was, became, finding FROM standing_change `

// Untold are the changes that nobody was told of yet, the oldest first.
func Untold(tx *store.Tx, limit int) ([]Change, error) {
	return changes(tx, changeColumns+`WHERE told = 0 ORDER BY id LIMIT $1`, limit)
}

// Told says that these were told.
func Told(tx *store.Tx, all []Change) error {
	for _, c := range all {
		if _, err := tx.Exec(`UPDATE standing_change SET told = 1 WHERE id = $1`, c.ID); err != nil {
			return fmt.Errorf("note what was told: %w", err)
		}
	}
	return nil
}

// History is what changed for one check of a target, the newest first. An empty target
// or check means all of them.
func History(tx *store.Tx, target, check string, limit int) ([]Change, error) {
	return changes(tx, changeColumns+`WHERE ($1 = '' OR target = $1) AND ($2 = '' OR check_id = $2) ORDER BY id DESC LIMIT $3`, target, check, limit)
}

// Prune removes history before a time, but for what was not told.
func Prune(tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(`DELETE FROM standing_change WHERE time < $1 AND told <> 0`, before)
	return err
}

func changes(tx *store.Tx, query string, args ...any) ([]Change, error) {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return nil, fmt.Errorf("read what changed: %w", err)
	}
	defer rows.Close()
	var all []Change
	for rows.Next() {
		var c Change
		var at, since int64
		var kind, was, became, text string
		if err := rows.Scan(&c.ID, &at, &since, &kind, &c.Target, &c.Check, &c.Subject, &was, &became, &text); err != nil {
			return nil, err
		}
		c.Time, c.Since, c.Kind = store.FromMicros(at), store.FromMicros(since), Kind(kind)
		if err := errors.Join(c.From.UnmarshalText([]byte(was)), c.To.UnmarshalText([]byte(became)), json.Unmarshal([]byte(text), &c.Finding)); err != nil {
			return nil, fmt.Errorf("read what changed: %w", err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}
