package deliver

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is the package's tables, for store.Options: what is remembered of other
// people's TLS.
var Schema = store.Schema{
	Name:     "deliver",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	Kept:     []string{"deliver_policy", "deliver_tls"},
}
