package repository_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
)

// A Prune does not forget what is gone: the writer behind it still hears of it, as long
// as a snapshot needs it and nobody has put it again.
func TestPruneRemembersWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	r := create(t, repository.NewFolder(dir))
	all := objects(1)
	snapshot(t, r, noon, all)
	for _, file := range files(t, dir) {
		if strings.HasPrefix(file, "pack/") {
			must(t, os.Remove(filepath.Join(dir, file)))
			break
		}
	}
	prune := func(at time.Time) {
		t.Helper()
		_, err := r.Prune(t.Context(), t.TempDir(), at, reach)
		must(t, err)
	}
	isWhole := func() bool {
		t.Helper()
		w, err := r.NewWriter(t.Context(), t.TempDir())
		must(t, err)
		defer w.Close()
		return w.Whole()
	}
	prune(noon)
	if isWhole() {
		t.Fatal("a pack is gone that a snapshot needs, and after Prune nobody says so")
	}
	if len(verify(t, r)) == 0 {
		t.Error("nor does Verify")
	}
	name := snapshot(t, r, noon.Add(time.Hour), all)
	prune(noon.Add(2 * time.Hour))
	if gone := readBack(t, r, name, all); len(gone) > 0 {
		t.Errorf("%d objects are gone", len(gone))
	}
	if !isWhole() {
		t.Error("everything was put again, and something is said to be gone")
	}
}

// Verify names a damaged list of what is about to go, too, which costs no object.
func TestDamagedDoom(t *testing.T) {
	dir := t.TempDir()
	r := create(t, repository.NewFolder(dir))
	old := snapshot(t, r, noon, objects(1))
	all := objects(2)
	name := snapshot(t, r, noon.Add(time.Hour), all)
	must(t, r.Forget(t.Context(), old))
	_, err := r.Prune(t.Context(), t.TempDir(), noon.Add(2*time.Hour), reach)
	must(t, err)
	damaged := 0
	for _, file := range files(t, dir) {
		if !strings.HasPrefix(file, "doomed/") {
			continue
		}
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		must(t, err)
		text[len(text)/2] ^= 1
		must(t, os.WriteFile(path, text, 0o600))
		damaged++
		if d, ok := verify(t, r)[file]; !ok || len(d.Objects) > 0 {
			t.Errorf("%s is damaged: %+v, %v", file, d, ok)
		}
	}
	if damaged == 0 {
		t.Error("nothing was doomed")
	}
	_, err = r.Prune(t.Context(), t.TempDir(), noon.Add(3*time.Hour), reach)
	must(t, err)
	if found := verify(t, r); len(found) > 0 {
		t.Errorf("after another Prune: %v", found)
	}
	if gone := readBack(t, r, name, all); len(gone) > 0 {
		t.Errorf("%d objects are gone", len(gone))
	}
}
