package repository_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/allgreen-mail/allgreen/backup/repository"
)

// A bucket does what a folder does; when it does not answer, that is not damage.
func TestS3(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	defer server.Close()
	place, err := repository.NewS3(repository.S3Options{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "backups", Prefix: "mx/", Region: "us-east-1",
		AccessKey: "key", SecretKey: "secret", Plain: true,
	})
	must(t, err)
	key := newKey(t)
	if _, err := repository.Open(t.Context(), place, key); !errors.Is(err, repository.ErrNone) {
		t.Errorf("an empty bucket: %v", err)
	}
	r, err := repository.Create(t.Context(), place, key)
	must(t, err)
	all := objects(1)
	name := snapshot(t, r, noon, all)
	if gone := readBack(t, r, name, all); len(gone) > 0 || len(verify(t, r)) > 0 {
		t.Errorf("%d objects are gone, %v", len(gone), verify(t, r))
	}
	must(t, r.Forget(t.Context(), name))
	done, err := r.Prune(t.Context(), t.TempDir(), noon, reach)
	must(t, err)
	if done.Doomed == 0 {
		t.Errorf("pruned %+v", done)
	}
	server.Close()
	if _, err := repository.Open(t.Context(), place, key); !errors.Is(err, repository.ErrPlace) || repository.IsDamage(err) {
		t.Errorf("nobody answers: %v", err)
	}
}
