package journal

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

//go:embed schema2.sqlite.sql
var volumesSQLite string

//go:embed schema2.postgresql.sql
var volumesPostgreSQL string

// Schema is the journal's tables.
var Schema = store.Schema{
	Name:     "journal",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}, {SQLite: volumesSQLite, PostgreSQL: volumesPostgreSQL}},
}
