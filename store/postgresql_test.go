package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func now() time.Time { return time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC) }

// engines are ways to open an empty place on each engine, again and again.
func engines(t *testing.T) map[string]func(*testing.T) store.Options {
	return map[string]func(*testing.T) store.Options{
		"SQLite": func(t *testing.T) store.Options { return store.Options{Dir: t.TempDir()} },
		"PostgreSQL": func(t *testing.T) store.Options {
			return store.Options{Dir: t.TempDir(), PostgreSQL: storetest.PostgreSQL(t)}
		},
	}
}

// TestPostgreSQLMustBeSafe refuses what would lose confirmed mail.
func TestPostgreSQLMustBeSafe(t *testing.T) {
	dsn := storetest.PostgreSQL(t)
	_, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), PostgreSQL: dsn + " synchronous_commit=off", Clock: now})
	if !errors.Is(err, store.ErrUnsafe) || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("synchronous_commit = off: %v, want ErrUnsafe", err)
	}
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), PostgreSQL: dsn + " synchronous_commit=local", Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	st.Close()
}

func TestPostgreSQLUnreachable(t *testing.T) {
	_, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), PostgreSQL: "host=/nowhere user=x dbname=x", Clock: now})
	if !errors.Is(err, store.ErrUnreachable) || !store.Temporary(err) {
		t.Errorf("Open: %v, want ErrUnreachable", err)
	}
}

// TestWakeAcrossStores wakes the watcher of another store on the same database, also
// after its listening connection was cut.
func TestWakeAcrossStores(t *testing.T) {
	dsn := storetest.PostgreSQL(t)
	one := storetest.OpenWith(t, store.Options{PostgreSQL: dsn})
	two := storetest.OpenWith(t, store.Options{PostgreSQL: dsn})
	w := two.Watch("queue")
	defer w.Close()
	wake := func() {
		t.Helper()
		if err := one.Write(t.Context(), func(tx *store.Tx) error { tx.Wake("queue"); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	// LISTEN may not yet stand: wake until it is heard.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	hear := func() {
		t.Helper()
		for {
			wake()
			select {
			case <-w.C():
				return
			case <-tick.C:
			case <-deadline:
				t.Fatal("not woken")
			}
		}
	}
	hear()
	cutConnections(t, dsn, "LISTEN%")
	// The gap wakes everybody, without a Wake.
	select {
	case <-w.C():
	case <-deadline:
		t.Fatal("not woken after a gap")
	}
	hear()
}

// cutConnections ends the connections whose last statement is like this.
func cutConnections(t *testing.T, dsn, like string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	var n int
	err = c.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()`, like).Scan(&n)
	if err != nil || n == 0 {
		t.Fatalf("cut %d connections, %v", n, err)
	}
}

// TestPostgreSQLConnectionsCut cuts all connections under load: no success is lost,
// and the store recovers by itself.
func TestPostgreSQLConnectionsCut(t *testing.T) {
	dsn := storetest.PostgreSQL(t)
	schema := things()
	schema.Versions[0].PostgreSQL = `CREATE TABLE thing (id BIGINT PRIMARY KEY, body BIGINT NOT NULL); CREATE INDEX thing_body ON thing (body);`
	st := storetest.OpenWith(t, store.Options{PostgreSQL: dsn, Schemas: []store.Schema{schema}})
	acknowledged := make([]map[int]bool, 8)
	var group sync.WaitGroup
	for g := range acknowledged {
		acknowledged[g] = map[int]bool{}
		group.Go(func() {
			for i := range 40 {
				n := g*1000 + i
				if err := storeThing(t, st, n, []byte("text")); err == nil {
					acknowledged[g][n] = true
				} else if !store.Temporary(err) {
					t.Errorf("a cut connection: %v, want a temporary error", err)
				}
			}
		})
	}
	for range 3 {
		cutConnections(t, dsn, "%")
	}
	group.Wait()
	if err := storeThing(t, st, 99_999, []byte("after")); err != nil {
		t.Errorf("after the cuts: %v", err)
	}
	total := 0
	err := st.Read(t.Context(), func(tx *store.Tx) error {
		for _, of := range acknowledged {
			for n := range of {
				total++
				var id int
				if err := tx.Row(`SELECT id FROM thing WHERE id = $1`, n).Scan(&id); err != nil {
					t.Errorf("message %d was acknowledged: %v", n, err)
				}
			}
		}
		return nil
	})
	if err != nil || total == 0 {
		t.Errorf("%d acknowledged, %v", total, err)
	}
}

// TestDeadlock lets transactions lock in both orders: the loser is repeated.
func TestDeadlock(t *testing.T) {
	schema := things()
	schema.Versions[0].PostgreSQL = `CREATE TABLE thing (id BIGINT PRIMARY KEY, body BIGINT NOT NULL); INSERT INTO thing VALUES (1, 0), (2, 0);`
	st := storetest.OpenWith(t, store.Options{PostgreSQL: storetest.PostgreSQL(t) + " deadlock_timeout=10ms", Schemas: []store.Schema{schema}})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 5 {
				err := st.Write(t.Context(), func(tx *store.Tx) error {
					for _, id := range []int{1 + i%2, 2 - i%2} {
						if _, err := tx.Exec(`UPDATE thing SET body = body + 1 WHERE id = $1`, id); err != nil {
							return errors.New("the caller's own words") // hides the cause
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	var sum, repeated int64
	err := st.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT sum(body) FROM thing`).Scan(&sum) })
	if repeated = st.Stats().Repeated; err != nil || sum != 80 {
		t.Errorf("sum %d, %v, %d repeated; want 80", sum, err, repeated)
	}
	if repeated == 0 {
		t.Log("no deadlock came about")
	}
}
