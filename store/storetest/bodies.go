package storetest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/allgreen-mail/allgreen/store"
)

// bodies stores bodies of all sizes, with heads, and reads them back whole and in
// part.
func bodies(t *testing.T, st *store.Store) {
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, 4096, 16<<10 - 1, 16 << 10, 128 << 10, 128<<10 + 1, 1 << 20, 1<<20 + 1, 5 << 20} {
		head := []byte("Received: from somewhere\r\n")
		body := make([]byte, size)
		random.Read(body)
		sp := st.NewSpool()
		for rest := body; len(rest) > 0; {
			n := min(len(rest), 10_000)
			_, err := sp.Write(rest[:n])
			must(t, err)
			rest = rest[n:]
		}
		sp.SetHead(head)
		whole := append(head[:len(head):len(head)], body...)
		spooled, err := sp.Open()
		must(t, err)
		expect(t, spooled, whole)
		must(t, sp.Place(t.Context()))
		var id store.BodyID
		must(t, st.Write(t.Context(), func(tx *store.Tx) error {
			if id, err = tx.PutBody(sp); err != nil {
				return err
			}
			_, err = tx.Exec(`INSERT INTO thing (body) VALUES ($1)`, id)
			return err
		}))
		must(t, sp.Close())
		must(t, sp.Close())
		stored, err := st.OpenBody(t.Context(), id)
		must(t, err)
		if stored.Size() != int64(len(whole)) {
			t.Errorf("body of %d bytes has size %d", len(whole), stored.Size())
		}
		expect(t, stored, whole)
		must(t, stored.Close())
	}
	if _, err := st.OpenBody(t.Context(), 999_999); !errors.Is(err, store.ErrNoRow) {
		t.Errorf("no body: %v, want ErrNoRow", err)
	}
}

// expect reads whole, again from the middle, and at an offset.
func expect(t *testing.T, r io.ReadSeekCloser, want []byte) {
	t.Helper()
	for _, from := range []int64{0, int64(len(want) / 2)} {
		_, err := r.Seek(from, io.SeekStart)
		must(t, err)
		got, err := io.ReadAll(r)
		must(t, err)
		if !bytes.Equal(got, want[from:]) {
			t.Fatalf("read %d bytes from %d on, want %d, or they differ", len(got), from, int64(len(want))-from)
		}
	}
	part := make([]byte, min(30, len(want)))
	if _, err := r.(io.ReaderAt).ReadAt(part, 0); err != nil || !bytes.Equal(part, want[:len(part)]) {
		t.Errorf("ReadAt: %v, %q", err, part)
	}
}

// put stores a body of some size with a row that refers to it.
func put(t *testing.T, st *store.Store, size int, refer bool) (id store.BodyID) {
	t.Helper()
	sp := st.NewSpool()
	defer sp.Close()
	_, err := sp.Write(make([]byte, size))
	must(t, err)
	must(t, sp.Place(t.Context()))
	must(t, st.Write(t.Context(), func(tx *store.Tx) error {
		if id, err = tx.PutBody(sp); err != nil || !refer {
			return err
		}
		_, err = tx.Exec(`INSERT INTO thing (body) VALUES ($1)`, id)
		return err
	}))
	return id
}

// sweep removes released bodies without references, and no others.
func sweep(t *testing.T, st *store.Store) {
	for _, size := range []int{100, 300_000} {
		kept, shared, gone, young := put(t, st, size, true), put(t, st, size, true), put(t, st, size, true), put(t, st, size, false)
		must(t, st.Write(t.Context(), func(tx *store.Tx) error {
			must(t, tx.HoldBody(shared))
			if _, err := tx.Exec(`INSERT INTO thing (body) VALUES ($1)`, shared); err != nil {
				return err
			}
			if _, err := tx.Exec(`DELETE FROM thing WHERE id = (SELECT min(id) FROM thing WHERE body = $1)`, shared); err != nil {
				return err
			}
			if _, err := tx.Exec(`DELETE FROM thing WHERE body = $1`, gone); err != nil {
				return err
			}
			must(t, tx.ReleaseBody(shared))
			must(t, tx.ReleaseBody(gone))
			return tx.ReleaseBody(gone)
		}))
		n, err := st.Sweep(t.Context())
		must(t, err)
		if n != 1 {
			t.Errorf("%d bodies swept, want 1", n)
		}
		for _, id := range []store.BodyID{kept, shared, young} {
			b, err := st.OpenBody(t.Context(), id)
			must(t, err)
			_, err = io.Copy(io.Discard, b)
			must(t, errors.Join(err, b.Close()))
		}
		if _, err := st.OpenBody(t.Context(), gone); !errors.Is(err, store.ErrNoRow) {
			t.Errorf("a swept body: %v, want ErrNoRow", err)
		}
		err = st.Write(t.Context(), func(tx *store.Tx) error { return tx.HoldBody(gone) })
		if !errors.Is(err, store.ErrNoRow) {
			t.Errorf("hold a swept body: %v, want ErrNoRow", err)
		}
	}
}

// fresh holds that no body gets the number of another, also when that one was the newest
// and is swept: whoever still has the number would read somebody else's mail.
func fresh(t *testing.T, st *store.Store) {
	var last store.BodyID
	for range 3 {
		id := put(t, st, 10, false)
		if id <= last {
			t.Fatalf("a body has the number %d, and %d was given before", id, last)
		}
		must(t, st.Write(t.Context(), func(tx *store.Tx) error { return tx.ReleaseBody(id) }))
		_, err := st.Sweep(t.Context())
		must(t, err)
		if _, err := st.OpenBody(t.Context(), id); !errors.Is(err, store.ErrNoRow) {
			t.Errorf("a swept body: %v, want ErrNoRow", err)
		}
		last = id
	}
}
