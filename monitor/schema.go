package monitor

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is the tables of the watch.
var Schema = store.Schema{
	Name:     "monitor",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
}
