package vacation

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is who was told what, and the answers that wait to be sent.
var Schema = store.Schema{Name: "vacation", Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}}}
