package store

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
)

// Schema is a package's tables.
type Schema struct {
	// Name is the package's, and never changes.
	Name string
	// Versions are the scripts that made version 1, 2, ... of the tables. A released
	// one is never changed: append the next.
	Versions []Version
	// References are the columns that hold BodyIDs, as "table.column". Have an index on
	// each: Sweep asks it for every body before it removes one.
	References []string
	// Kept are the tables whose rows a backup holds, in the order in which to fill them:
	// all that cannot be found out again, is not over in a day, and is not kept
	// otherwise.
	Kept []string
}

// Version is what leads from one version of the tables to the next: DDL, and
// whatever must be changed in the data.
type Version struct {
	SQLite     string
	PostgreSQL string
}

func (v Version) script(e Engine) string {
	if e == PostgreSQL {
		return v.PostgreSQL
	}
	return v.SQLite
}

//go:embed schema.sqlite.sql
var bodyTablesSQLite string

//go:embed schema.postgresql.sql
var bodyTablesPostgreSQL string

// bodySchema is the store's own tables, the first of all.
func bodySchema() Schema {
	return Schema{Name: "store", Versions: []Version{{SQLite: bodyTablesSQLite, PostgreSQL: bodyTablesPostgreSQL}}}
}

// migrate brings every schema to the version of this program, all in one
// transaction: an interrupted or failed migration leaves what was before.
func (s *Store) migrate(ctx context.Context) error {
	return s.engine.exclusively(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`CREATE TABLE IF NOT EXISTS store_schema (name TEXT PRIMARY KEY, version BIGINT NOT NULL, applied BIGINT NOT NULL)`); err != nil {
			return fmt.Errorf("begin the record of schemas: %w", err)
		}
		for _, schema := range s.schemas {
			if err := s.migrateSchema(tx, schema); err != nil {
				return fmt.Errorf("tables of %s: %w", schema.Name, err)
			}
		}
		return nil
	})
}

func (s *Store) migrateSchema(tx *Tx, schema Schema) error {
	var have int
	err := tx.Row(`SELECT version FROM store_schema WHERE name = $1`, schema.Name).Scan(&have)
	if err != nil && !errors.Is(err, ErrNoRow) {
		return err
	}
	if have > len(schema.Versions) {
		return fmt.Errorf("%w: they have version %d, this program knows %d: install the newer program again, or restore a backup made before it",
			ErrNewer, have, len(schema.Versions))
	}
	for n := have; n < len(schema.Versions); n++ {
		if err := s.apply(tx, schema, n+1); err != nil {
			return fmt.Errorf("version %d: %w", n+1, err)
		}
	}
	return nil
}

func (s *Store) apply(tx *Tx, schema Schema, version int) error {
	script := schema.Versions[version-1].script(s.engine.kind())
	if err := tx.run.(scripter).script(script); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO store_schema (name, version, applied) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET version = excluded.version, applied = excluded.applied`,
		schema.Name, version, s.options.Clock())
	return err
}

// scripter runs scripts of many statements.
type scripter interface{ script(text string) error }
