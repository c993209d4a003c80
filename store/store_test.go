package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

func TestOneProcessPerFolder(t *testing.T) {
	dir := t.TempDir()
	o := store.Options{Dir: dir, Clock: time.Now}
	first, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), o); !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), filepath.Join(dir, "lock")) {
		t.Errorf("second Open: %v, want ErrInUse with the file", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestConformance(t *testing.T) {
	storetest.Run(t)
}
