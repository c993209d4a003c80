package mailbox

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is the tables of all mailboxes.
var Schema = store.Schema{
	Name:       "mailbox",
	Versions:   []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	References: []string{"mailbox_message.body"},
}
