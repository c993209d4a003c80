package storetest

import (
	"log/slog"
	"testing"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// Each runs a test on a fresh store of every engine.
func Each(t *testing.T, schemas []store.Schema, f func(t *testing.T, st *store.Store)) {
	t.Run("SQLite", func(t *testing.T) { f(t, Open(t, schemas...)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		f(t, open(t, store.Options{Dir: t.TempDir(), PostgreSQL: PostgreSQL(t), Schemas: schemas}))
	})
}

// Open opens a fresh embedded store, closed at the end of the test.
func Open(t testing.TB, schemas ...store.Schema) *store.Store {
	return open(t, store.Options{Dir: t.TempDir(), Schemas: schemas})
}

// OpenWith opens an embedded store with options; Dir, Clock and Log may be left out.
func OpenWith(t testing.TB, o store.Options) *store.Store {
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	return open(t, o)
}

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if o.Clock == nil {
		o.Clock = new(world.World).Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	st, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}
