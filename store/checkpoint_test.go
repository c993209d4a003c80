package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// pages is a table that grows by a page with each row, and a row that counts them.
func pages() store.Schema {
	return store.Schema{Name: "pages", Versions: []store.Version{{SQLite: `
		CREATE TABLE page (id INTEGER PRIMARY KEY, filler TEXT NOT NULL) STRICT;
		CREATE TABLE page_count (n INTEGER NOT NULL) STRICT; INSERT INTO page_count VALUES (0);`}}}
}

// TestReadBesideCheckpoints reads while the log is copied into the database, over and
// over and in parts. Who begins to read in between takes from the database what
// SQLite says was copied, long before that is synced.
func TestReadBesideCheckpoints(t *testing.T) {
	st := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Schemas: []store.Schema{pages()}, LogSize: 64 << 10})
	const writers, each = 8, 400
	filler := strings.Repeat("filler ", 1000)
	var writing, reading sync.WaitGroup
	over := make(chan struct{})
	for range writers {
		writing.Go(func() {
			for range each {
				if err := st.Write(t.Context(), func(tx *store.Tx) error {
					if _, err := tx.Exec(`INSERT INTO page (filler) VALUES ($1)`, filler); err != nil {
						return err
					}
					_, err := tx.Exec(`UPDATE page_count SET n = n + 1`)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		reading.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				if err := readPages(t, st, filler); err != nil {
					t.Errorf("reading number %d: %v", i, err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(over)
	reading.Wait()
	if s := st.Stats(); s.Checkpoints < 10 {
		t.Errorf("%d checkpoints are too few to tell", s.Checkpoints)
	}
}

// readPages compares the last rows and their number with what was written.
func readPages(t *testing.T, st *store.Store, filler string) error {
	return st.Read(t.Context(), func(tx *store.Tx) error {
		var counted, last int64
		if err := tx.Row(`SELECT n, (SELECT coalesce(max(id), 0) FROM page) FROM page_count`).Scan(&counted, &last); err != nil {
			return err
		}
		if counted != last {
			return fmt.Errorf("%d were counted, the last is %d", counted, last)
		}
		var bad int64
		if err := tx.Row(`SELECT count(*) FROM page WHERE id > $1 AND filler <> $2`, last-60, filler).Scan(&bad); err != nil || bad == 0 {
			return err
		}
		return fmt.Errorf("%d of the last rows are not what was written", bad)
	})
}
