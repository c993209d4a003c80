package gate

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is who was told of what.
var Schema = store.Schema{
	Name:     "gate",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
}

// Tell notes that somebody, an account's number, is told of a red in this
// transaction; false when they were before. Zero is the administrator.
func Tell(tx *store.Tx, owner int64, key string) (bool, error) {
	n, err := tx.Exec(`INSERT INTO gate_told (owner, red, at) VALUES ($1, $2, $3) ON CONFLICT (owner, red) DO NOTHING`,
		owner, key, store.Micros(tx.Now()))
	if err != nil {
		return false, fmt.Errorf("note who was told: %w", err)
	}
	return n > 0, nil
}

// Forget forgets who was told of reds that are gone: when they come again it is news.
func Forget(tx *store.Tx, standing []string) error {
	rows, err := tx.Rows(`SELECT DISTINCT red FROM gate_told`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var gone []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return err
		}
		if !slices.Contains(standing, key) {
			gone = append(gone, key)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, key := range gone {
		if _, err := tx.Exec(`DELETE FROM gate_told WHERE red = $1`, key); err != nil {
			return err
		}
	}
	return nil
}
