package queue

import (
	_ "embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

//go:embed schema2.sqlite.sql
var releasedSQLite string

//go:embed schema2.postgresql.sql
var releasedPostgreSQL string

// Schema is the queue's tables, for store.Options.
var Schema = store.Schema{
	Name:       "queue",
	Versions:   []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}, {SQLite: releasedSQLite, PostgreSQL: releasedPostgreSQL}},
	References: []string{"queue_job.body"},
}

// Topic is what wakes whoever delivers: store.Watch it.
const Topic = "queue"
