package mailbox

import (
	"math/bits"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

// textSQLite is the index in FTS5.
type textSQLite struct{}

func (textSQLite) add(tx *store.Tx, key int64, d *document) error {
	_, err := tx.Exec(`INSERT INTO mailbox_text (rowid, subject, people, header, body) VALUES ($1, $2, $3, $4, $5)`,
		key, string(d[0].out), string(d[1].out), string(d[2].out), string(d[3].out))
	return err
}

// columnNames are the columns in the order of the bits of Field.
var columnNames = [fields]string{"subject", "people", "header", "body"}

func (textSQLite) match(tx *store.Tx, folder FolderID, p phrase, in Field) (*store.Rows, error) {
	return tx.Rows(`SELECT rowid FROM mailbox_text WHERE mailbox_text MATCH $1 AND rowid BETWEEN $2 AND $3 ORDER BY rowid`,
		matchFTS5(p, in), structureKey(int64(folder), 0), structureKey(int64(folder)+1, 0)-1)
}

// matchFTS5 is a phrase in the language of FTS5. Words are letters and digits, so there
// is nothing in them to quote.
func matchFTS5(p phrase, in Field) string {
	var b strings.Builder
	if in != inAll {
		b.WriteByte('{')
		for rest := in; rest != 0; rest &= rest - 1 {
			b.WriteString(columnNames[bits.TrailingZeros8(uint8(rest))] + " ")
		}
		b.WriteString("} : ")
	}
	b.WriteString(`"` + strings.Join(p.words, " ") + `"`)
	if p.prefix {
		b.WriteString(" *")
	}
	return b.String()
}

func (textSQLite) drop(tx *store.Tx, first, last int64) error {
	_, err := tx.Exec(`DELETE FROM mailbox_text WHERE rowid BETWEEN $1 AND $2`, first, last)
	return err
}
