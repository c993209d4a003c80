package exhibit_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func TestExhibit(t *testing.T) {
	storetest.Each(t, []store.Schema{exhibit.Schema}, func(t *testing.T, st *store.Store) {
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		put, err := exhibit.Put(t.Context(), st, now, exhibit.Exhibit{Kind: exhibit.Check, Title: "example.com", Document: []byte(`{"a":1}`)})
		if err != nil || len(put.ID) < 26 {
			t.Fatalf("%+v, %v", put, err)
		}
		got, err := exhibit.Get(t.Context(), st, now.Add(exhibit.Keeps-time.Second), put.ID)
		if err != nil || got.Kind != exhibit.Check || got.Title != "example.com" || !bytes.Equal(got.Document, put.Document) || !got.Ends.Equal(now.Add(exhibit.Keeps)) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := exhibit.Get(t.Context(), st, now, "aaaa"); !errors.Is(err, exhibit.ErrNone) {
			t.Error("a guessed one:", err)
		}
		if _, err := exhibit.Get(t.Context(), st, now.Add(exhibit.Keeps), put.ID); !errors.Is(err, exhibit.ErrNone) {
			t.Error("after thirty days:", err)
		}
		if _, err := exhibit.Put(t.Context(), st, now, exhibit.Exhibit{Document: make([]byte, exhibit.MaxSize+1)}); !errors.Is(err, exhibit.ErrLarge) {
			t.Error("too large:", err)
		}
		if err := exhibit.Sweep(t.Context(), st, now.Add(time.Hour)); err != nil {
			t.Error(err)
		}
		if _, err := exhibit.Get(t.Context(), st, now, put.ID); err != nil {
			t.Error("swept too early:", err)
		}
		if err := exhibit.Sweep(t.Context(), st, now.Add(exhibit.Keeps)); err != nil {
			t.Error(err)
		}
		if _, err := exhibit.Get(t.Context(), st, now, put.ID); !errors.Is(err, exhibit.ErrNone) {
			t.Error("after the sweep:", err)
		}
	})
}
