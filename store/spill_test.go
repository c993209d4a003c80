package store_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// TestSpill: a transaction larger than the writer's memory goes into the log before
// its commit, is read back from there by itself, seen by nobody else, and taken back
// when it fails.
func TestSpill(t *testing.T) {
	st := storetest.Open(t, store.Schema{Name: "spill", Versions: []store.Version{{
		SQLite: `CREATE TABLE spill (n INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT`}}})
	const rows, size = 64, 1 << 20
	data := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, size) }
	readAll := func(tx *store.Tx, want int) {
		for n := range want {
			var got []byte
			if err := tx.Row(`SELECT data FROM spill WHERE n = $1`, n).Scan(&got); err != nil || !bytes.Equal(got, data(n)) {
				t.Errorf("row %d: %d octets, %v", n, len(got), err)
			}
		}
		var count int
		if err := tx.Row(`SELECT COUNT(*) FROM spill`).Scan(&count); err != nil || count != want {
			t.Errorf("%d rows, want %d, %v", count, want, err)
		}
	}
	read := func(want int) {
		if err := st.Read(t.Context(), func(tx *store.Tx) error { readAll(tx, want); return nil }); err != nil {
			t.Error(err)
		}
	}
	fill := func(tx *store.Tx) error {
		for n := range rows {
			if _, err := tx.Exec(`INSERT INTO spill (n, data) VALUES ($1, $2)`, n, data(n)); err != nil {
				return err
			}
		}
		readAll(tx, rows)
		read(0)
		return nil
	}
	errNo := errors.New("no")
	if err := st.Write(t.Context(), func(tx *store.Tx) error { return errors.Join(fill(tx), errNo) }); !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	read(0)
	if err := st.Write(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	read(rows)
}
