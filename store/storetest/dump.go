package storetest

import (
	"bytes"
	"testing"

	"github.com/allgreen-mail/allgreen/store"
)

// counted is a table whose ids are never given twice.
func counted() store.Schema {
	return store.Schema{Name: "counted", Kept: []string{"counted"}, Versions: []store.Version{{
		SQLite:     `CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL) STRICT; INSERT INTO counted (name) VALUES ('made with the table');`,
		PostgreSQL: `CREATE TABLE counted (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL); INSERT INTO counted (name) VALUES ('made with the table');`,
	}}}
}

// dump moves rows from this engine to each, and back into the one they came from.
func dump(t *testing.T, _ *store.Store) {
	Each(t, []store.Schema{things(), counted()}, func(t *testing.T, from *store.Store) {
		must(t, from.Write(t.Context(), func(tx *store.Tx) error {
			for _, row := range [][]any{
				{1, "plain", 1.5, []byte{0, 255}}, {7, "\"quoted\" <text>\n\u2028 ä", -2.0, []byte{}}, {1 << 60, nil, nil, nil},
			} {
				if _, err := tx.Exec(`INSERT INTO thing (id, name, amount, data) VALUES ($1, $2, $3, $4)`, row...); err != nil {
					return err
				}
			}
			_, err := tx.Exec(`INSERT INTO counted (name) VALUES ('a'), ('b'), ('c')`)
			if err == nil {
				_, err = tx.Exec(`DELETE FROM counted WHERE name IN ('b', 'c')`)
			}
			return err
		}))
		text := dumpOf(t, from)
		Each(t, []store.Schema{things(), counted()}, func(t *testing.T, to *store.Store) {
			for range 2 { // the second time it finds what it brings
				must(t, to.Load(t.Context(), bytes.NewReader(text)))
				if got := dumpOf(t, to); !bytes.Equal(got, text) {
					t.Errorf("dumped, loaded and dumped:\n%s\nwant\n%s", got, text)
				}
			}
			var id int64
			must(t, to.Write(t.Context(), func(tx *store.Tx) (err error) {
				id, err = tx.Insert(`INSERT INTO counted (name) VALUES ('d')`)
				return err
			}))
			if id != 5 {
				t.Errorf("the next id is %d, want 5: those of rows that are gone are not given again", id)
			}
		})
		for _, broken := range []string{`{"table":"store_body","columns":["id"]}`, `{"table":"thing","columns":["id; DROP"]}`, `[1,2]`, `{"table":"thing","columns":["id","name"]}` + "\n[1]", `x`} {
			if err := from.Load(t.Context(), bytes.NewReader([]byte(broken))); err == nil {
				t.Errorf("%s was loaded", broken)
			}
		}
	})
}

func dumpOf(t *testing.T, st *store.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, st.Read(t.Context(), func(tx *store.Tx) error { b.Reset(); return st.Dump(tx, &b) }))
	return b.Bytes()
}
