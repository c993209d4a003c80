package backup

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is this package's tables. None of it belongs into a backup.
var Schema = store.Schema{
	Name:     "backup",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
}
