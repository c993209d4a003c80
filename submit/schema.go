package submit

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is this package's tables: what senders did, and usually do.
var Schema = store.Schema{
	Name:     "submit",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	Kept:     []string{"submit_contact", "submit_network", "submit_pardon"},
}
