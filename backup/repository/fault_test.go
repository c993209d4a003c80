package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
)

// memory is a place that counts, and that is gone from some moment on, as for a process
// that is killed.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	left  int // changes until it is gone; negative: never
}

var errKilled = errors.New("killed")

func newMemory() *memory { return &memory{files: map[string][]byte{}, left: -1} }

func (m *memory) String() string { return "memory" }

// change counts a change.
func (m *memory) change() error {
	if m.left == 0 {
		return errKilled
	}
	m.left--
	return nil
}

func (m *memory) Put(_ context.Context, name string, body io.ReadSeeker, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.change(); err != nil {
		return err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(body)
	if err == nil && int64(len(data)) != size {
		err = fmt.Errorf("%d octets were announced, %d came", size, len(data))
	}
	m.files[name] = data
	return err
}

type memoryFile struct {
	*bytes.Reader
}

func (memoryFile) Close() error { return nil }

func (m *memory) Open(_ context.Context, name string) (repository.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[name]
	if !ok {
		return nil, repository.ErrMissing
	}
	return memoryFile{bytes.NewReader(data)}, nil
}

func (m *memory) List(_ context.Context, prefix string, f func(string, int64) error) error {
	m.mu.Lock()
	found := map[string]int64{}
	for name, data := range m.files {
		if strings.HasPrefix(name, prefix) {
			found[name] = int64(len(data))
		}
	}
	m.mu.Unlock()
	for name, size := range found {
		if err := f(name, size); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.change(); err != nil {
		return err
	}
	delete(m.files, name)
	return nil
}

// A writer is killed at each of its changes in turn: the older snapshot is whole, and
// the next writer finishes the work without storing the same again.
func TestCrashWhileWriting(t *testing.T) {
	old, more := objects(1), objects(2)
	for cut := 0; ; cut++ {
		place := newMemory()
		r := create(t, place)
		first := snapshot(t, r, noon, old)
		place.left = cut
		_, err := publish(t, r, noon.Add(time.Hour), more)
		place.left = -1
		if err == nil {
			if cut < 3 {
				t.Fatalf("a snapshot took %d changes", cut)
			}
			return
		}
		if all, _ := r.Snapshots(t.Context()); len(all) != 1 {
			t.Fatalf("after %d changes there are %d snapshots", cut, len(all))
		}
		if gone := readBack(t, r, first, old); len(gone) > 0 {
			t.Fatalf("after %d changes %d objects are gone", cut, len(gone))
		}
		second := snapshot(t, r, noon.Add(2*time.Hour), more)
		if gone := readBack(t, r, second, more); len(gone) > 0 {
			t.Fatalf("after %d changes and another try %d objects are gone", cut, len(gone))
		}
		if found := verify(t, r); len(found) > 0 {
			t.Fatalf("after %d changes: %v", cut, found)
		}
	}
}

// Prune is killed at each of its changes in turn: no snapshot loses anything, and the
// next one frees what this one would have.
func TestCrashWhilePruning(t *testing.T) {
	for cut := 0; ; cut++ {
		place := newMemory()
		r := create(t, place)
		gone := snapshot(t, r, noon, objects(1))
		kept := objects(2)
		mixed := slices.Concat(kept, objects(1)[:5])
		name := snapshot(t, r, noon.Add(time.Hour), mixed)
		must(t, r.Forget(t.Context(), gone))
		_, err := r.Prune(t.Context(), t.TempDir(), noon.Add(2*time.Hour), reach)
		must(t, err)
		place.left = cut
		_, err = r.Prune(t.Context(), t.TempDir(), noon.Add(50*time.Hour), reach)
		place.left = -1
		if lost := readBack(t, r, name, mixed); len(lost) > 0 {
			t.Fatalf("after %d changes %d objects are gone", cut, len(lost))
		}
		if err == nil {
			return
		}
		for _, hours := range []time.Duration{80, 120} {
			_, err := r.Prune(t.Context(), t.TempDir(), noon.Add(hours*time.Hour), reach)
			must(t, err)
		}
		if lost := readBack(t, r, name, mixed); len(lost) > 0 || len(verify(t, r)) > 0 {
			t.Fatalf("after %d changes and another try %d objects are gone, %v", cut, len(lost), verify(t, r))
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Room comes back a day after nothing needs it, and not before.
func TestPruneFreesRoom(t *testing.T) {
	place := newMemory()
	r := create(t, place)
	gone := snapshot(t, r, noon, objects(1))
	mixed := slices.Concat(objects(2), objects(1)[:5])
	name := snapshot(t, r, noon.Add(time.Hour), mixed)
	must(t, r.Forget(t.Context(), gone))
	done, err := r.Prune(t.Context(), t.TempDir(), noon.Add(2*time.Hour), reach)
	must(t, err)
	if done.Removed > 0 || done.Doomed == 0 || done.Rewritten == 0 {
		t.Errorf("at first: %+v", done)
	}
	before := len(place.files)
	done, err = r.Prune(t.Context(), t.TempDir(), noon.Add(3*time.Hour), reach)
	must(t, err)
	if done.Removed > 0 || done.Doomed > 0 {
		t.Errorf("an hour later: %+v", done)
	}
	done, err = r.Prune(t.Context(), t.TempDir(), noon.Add(27*time.Hour), reach)
	must(t, err)
	if done.Removed == 0 || done.Bytes == 0 || len(place.files) >= before {
		t.Errorf("a day later: %+v, %d files of %d", done, len(place.files), before)
	}
	if lost := readBack(t, r, name, mixed); len(lost) > 0 || len(verify(t, r)) > 0 {
		t.Errorf("%d objects are gone, %v", len(lost), verify(t, r))
	}
	in, err := r.NewReader(t.Context())
	must(t, err)
	defer in.Close()
	if _, err := in.Get(t.Context(), repository.Sum(objects(1)[5])); !errors.Is(err, repository.ErrMissing) {
		t.Fatalf("what nobody needs is still there: %v", err)
	}
}

// Somebody relies on objects while they are being doomed, and publishes afterwards.
func TestPruneBesideAWriter(t *testing.T) {
	place := newMemory()
	r := create(t, place)
	all := objects(1)
	gone := snapshot(t, r, noon, all)
	w, err := r.NewWriter(t.Context(), t.TempDir()) // knows all of them
	must(t, err)
	defer w.Close()
	must(t, r.Forget(t.Context(), gone))
	_, err = r.Prune(t.Context(), t.TempDir(), noon.Add(time.Hour), reach)
	must(t, err)
	var root []byte
	for _, data := range all {
		d, err := w.Put(t.Context(), data)
		must(t, err)
		root = append(root, d.String()+"\n"...)
	}
	if w.Written().Objects > 0 {
		t.Fatal("the test proves nothing: the writer has put everything anew")
	}
	name, err := w.Publish(t.Context(), noon.Add(2*time.Hour), root)
	must(t, err)
	for _, hours := range []time.Duration{3, 30, 60, 90} {
		if lost := readBack(t, r, name, all); len(lost) > 0 {
			t.Fatalf("%d objects are gone", len(lost))
		}
		_, err := r.Prune(t.Context(), t.TempDir(), noon.Add(hours*time.Hour), reach)
		must(t, err)
	}
	if lost := readBack(t, r, name, all); len(lost) > 0 || len(verify(t, r)) > 0 {
		t.Fatalf("%d objects are gone, %v", len(lost), verify(t, r))
	}
}

// A writer that comes after packs were doomed does not rely on them.
func TestWriterAfterPrune(t *testing.T) {
	place := newMemory()
	r := create(t, place)
	all := objects(1)
	must(t, r.Forget(t.Context(), snapshot(t, r, noon, all)))
	_, err := r.Prune(t.Context(), t.TempDir(), noon.Add(time.Hour), reach)
	must(t, err)
	name := snapshot(t, r, noon.Add(2*time.Hour), all)
	for _, hours := range []time.Duration{30, 60} {
		_, err := r.Prune(t.Context(), t.TempDir(), noon.Add(hours*time.Hour), reach)
		must(t, err)
	}
	if lost := readBack(t, r, name, all); len(lost) > 0 || len(verify(t, r)) > 0 {
		t.Fatalf("%d objects are gone, %v", len(lost), verify(t, r))
	}
}

// Two writers at the same time store twice what both have, and hurt nobody.
func TestTwoWriters(t *testing.T) {
	place := newMemory()
	r := create(t, place)
	var group sync.WaitGroup
	names := make([]string, 2)
	for i := range names {
		group.Go(func() { names[i] = snapshot(t, r, noon, objects(uint64(1+i))) })
	}
	group.Wait()
	for i, name := range names {
		if lost := readBack(t, r, name, objects(uint64(1+i))); len(lost) > 0 {
			t.Errorf("%d objects are gone", len(lost))
		}
	}
}
