package store_test

import (
	"errors"
	"io/fs"
	"os"
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

// TestFilesArePrivate: what lies in the folder is for its owner, also what an older version
// made for everybody.
func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	for _, made := range []fs.FileMode{0o600, 0o644} {
		st, err := store.Open(t.Context(), store.Options{Dir: dir, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.db*"))
		if err != nil || len(files) < 2 {
			t.Errorf("%q, %v", files, err)
		}
		for _, file := range files {
			if is, err := os.Stat(file); err != nil || is.Mode().Perm() != 0o600 {
				t.Errorf("made as %o: %s is %v, %v", made, file, is.Mode(), err)
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if err := os.Chmod(file, 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}
