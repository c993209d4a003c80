package suppression

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is this package's table. It is kept in backups: who said no said it for ever.
var Schema = store.Schema{
	Name:     "suppression",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	Kept:     []string{"suppression_entry"},
}
