package store_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// TestSpoolsShareTheirMemory: a hundred messages at a time do not take a hundred
// megabytes, and each is whole wherever it lies.
func TestSpoolsShareTheirMemory(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Dir: dir, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	const n, size = 100, 1000 << 10
	var spools []*store.Spool
	for i := range n {
		sp := st.NewSpool()
		defer sp.Close()
		for range 10 {
			if _, err := sp.Write(bytes.Repeat([]byte{byte(i)}, size/10)); err != nil {
				t.Fatal(err)
			}
		}
		spools = append(spools, sp)
	}
	files, err := os.ReadDir(filepath.Join(dir, "spool"))
	if err != nil || len(files) < n/2 || len(files) == n {
		t.Errorf("%d of %d spools are files, %v", len(files), n, err)
	}
	for i, sp := range spools {
		in, err := sp.Open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, size)) {
			t.Fatalf("spool %d has %d octets, %v", i, len(got), err)
		}
	}
	for _, sp := range spools {
		sp.Close()
	}
	again := st.NewSpool()
	defer again.Close()
	again.Write(make([]byte, size))
	if files, _ := os.ReadDir(filepath.Join(dir, "spool")); len(files) != 0 {
		t.Errorf("%d files when there is room again", len(files))
	}
	small := st.NewSpool()
	defer small.Close()
	small.Write([]byte("small"))
	if err := st.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.PutBody(small); return err }); err != nil {
		t.Error(err)
	}
}
