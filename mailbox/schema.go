package mailbox

import (
	"embed"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed *.sql
var scripts embed.FS

// Schema is the tables of all mailboxes.
var Schema = store.Schema{
	Name:       "mailbox",
	Versions:   []store.Version{version("schema1"), version("schema2")},
	References: []string{"mailbox_message.body", "mailbox_junk_move.body"},
	Kept:       []string{"mailbox_account", "mailbox_subscription", "mailbox_script"}, // folders and messages by Folders and Fetch
}

func version(name string) store.Version {
	return store.Version{SQLite: script(name + ".sqlite.sql"), PostgreSQL: script(name + ".postgresql.sql")}
}

// script is one of the files embedded above, which are there.
func script(file string) string {
	text, err := scripts.ReadFile(file)
	if err != nil {
		panic(err)
	}
	return string(text)
}
