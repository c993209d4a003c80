package testaddress

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is the addresses and what came to them.
var Schema = store.Schema{
	Name:       "testaddress",
	Versions:   []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	References: []string{"testaddress_message.body"},
}

// Topic is woken when a message comes and when it is judged.
const Topic = "testaddress"
