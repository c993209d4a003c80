package store_test

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// s3Server is a bucket on loopback.
func s3Server(t *testing.T) (store.S3Options, *s3mem.Backend, *httptest.Server) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("mail"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return store.S3Options{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "mail", Prefix: "bodies/", Region: "us-east-1",
		AccessKey: "key", SecretKey: "secret", Plain: true,
	}, backend, server
}

// TestS3 keeps a large body in a bucket and a small one in the database, loses the
// way to the bucket, and sweeps what was placed and never put.
func TestS3(t *testing.T) {
	o, backend, server := s3Server(t)
	place, err := store.NewS3(o)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	st := storetest.OpenWith(t, store.Options{Bodies: place, Clock: func() time.Time { return now }})
	objects := func() int {
		list, err := backend.ListBucket("mail", nil, gofakes3.ListBucketPage{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Contents)
	}

	body := randomBody(3<<20 + 5)
	id := store.BodyID(0)
	for _, size := range []int{1000, 200_000, len(body)} {
		sp := st.NewSpool()
		sp.Write(body[:size])
		sp.SetHead([]byte("Head: yes\r\n"))
		if err := sp.Place(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := st.Write(t.Context(), func(tx *store.Tx) (err error) { id, err = tx.PutBody(sp); return err }); err != nil {
			t.Fatal(err)
		}
		sp.Close()
		stored, err := st.OpenBody(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(stored)
		if err != nil || !bytes.Equal(got, append([]byte("Head: yes\r\n"), body[:size]...)) {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
		stored.Close()
	}
	if n := objects(); n != 2 {
		t.Errorf("%d objects, want 2", n)
	}

	lost := st.NewSpool()
	defer lost.Close()
	lost.Write(body)
	if err := lost.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(48 * time.Hour)
	// All three have no reference, and the placed one no row.
	if n, err := st.Sweep(t.Context()); err != nil || n != 4 {
		t.Errorf("Sweep: %d, %v, want 4", n, err)
	}
	if n := objects(); n != 0 {
		t.Errorf("%d objects left", n)
	}
	if _, err := st.OpenBody(t.Context(), id); !errors.Is(err, store.ErrNoRow) {
		t.Errorf("a swept body: %v", err)
	}

	server.Close()
	late := st.NewSpool()
	defer late.Close()
	late.Write(body)
	if err := late.Place(t.Context()); !errors.Is(err, store.ErrUnreachable) || !store.Temporary(err) {
		t.Errorf("Place without a server: %v, want ErrUnreachable", err)
	}
}

func TestS3PutIsOnce(t *testing.T) {
	o, _, _ := s3Server(t)
	place, err := store.NewS3(o)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) error {
		return place.Put(t.Context(), "name", strings.NewReader(text), int64(len(text)))
	}
	if err := put("first"); err != nil {
		t.Fatal(err)
	}
	if err := put("other"); err != nil {
		t.Errorf("the same size again, as after a lost answer: %v", err)
	}
	if err := put("longer than that"); err == nil {
		t.Error("a name was given twice")
	}
	b, err := place.Open(t.Context(), "name")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := b.ReadAt(got, 0); err != nil || string(got) != "first" {
		t.Errorf("read %q, %v: the first was overwritten", got, err)
	}
}
