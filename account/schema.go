package account

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

//go:embed schema2.sqlite.sql
var bulkSQLite string

//go:embed schema2.postgresql.sql
var bulkPostgreSQL string

// Schema is the directory's tables.
var Schema = store.Schema{
	Name:     "account",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}, {SQLite: bulkSQLite, PostgreSQL: bulkPostgreSQL}},
	Kept:     []string{"account_stamp", "account_account", "account_secret", "account_address", "account_target", "account_domain", "account_token", "account_device", "account_hold", "account_familiar"},
}
