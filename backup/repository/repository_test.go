package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB) repository.Key {
	t.Helper()
	key, err := repository.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func create(t testing.TB, place repository.Place) *repository.Repository {
	t.Helper()
	r, err := repository.Create(t.Context(), place, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// objects are of all sizes, more than fit into one pack.
func objects(seed uint64) [][]byte {
	random := rand.New(rand.NewPCG(seed, 0))
	var all [][]byte
	for i := range 60 {
		size := random.IntN(8_000)
		switch i {
		case 20:
			size = 1<<20 + random.IntN(1<<18)
		case 40:
			size = 1 << 20
		case 50:
			size = 0
		}
		data := make([]byte, size)
		for k := range data {
			data[k] = byte('a' + random.IntN(8))
		}
		all = append(all, data)
	}
	return all
}

// snapshot stores objects and publishes a root that lists them.
func snapshot(t testing.TB, r *repository.Repository, at time.Time, all [][]byte) string {
	t.Helper()
	name, err := publish(t, r, at, all)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func publish(t testing.TB, r *repository.Repository, at time.Time, all [][]byte) (string, error) {
	t.Helper()
	w, err := r.NewWriter(t.Context(), t.TempDir())
	if err != nil {
		return "", err
	}
	defer w.Close()
	w.PackSize = 80_000
	var root []byte
	for i, data := range all {
		var d repository.Digest
		if i%2 == 0 {
			d, err = w.Put(t.Context(), data)
		} else {
			d, err = w.PutStream(t.Context(), int64(len(data)), func() (io.Reader, error) { return bytes.NewReader(data), nil })
		}
		if err != nil {
			return "", err
		}
		root = append(root, d.String()+"\n"...)
	}
	return w.Publish(t.Context(), at, root)
}

// reach is how Prune learns what such a root needs.
func reach(_ context.Context, _ *repository.Reader, root []byte, see func(repository.Digest) bool) error {
	for line := range strings.Lines(string(root)) {
		var d repository.Digest
		if err := d.UnmarshalText([]byte(strings.TrimSpace(line))); err != nil {
			return err
		}
		see(d)
	}
	return nil
}

// readBack compares a snapshot with what was stored and gives what cannot be read.
func readBack(t testing.TB, r *repository.Repository, name string, all [][]byte) (gone []repository.Digest) {
	t.Helper()
	root, err := r.Root(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	in, err := r.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	lines := strings.Fields(string(root))
	if len(lines) != len(all) {
		t.Fatalf("the root has %d lines, want %d", len(lines), len(all))
	}
	for i, data := range all {
		d := repository.Sum(data)
		got, err := in.Get(t.Context(), d)
		if repository.IsDamage(err) {
			gone = append(gone, d)
			continue
		}
		if err != nil || lines[i] != d.String() || !bytes.Equal(got, data) {
			t.Fatalf("object %d of %d octets: %v, %d octets", i, len(data), err, len(got))
		}
		o, err := in.Open(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("object %d of %d octets, as a stream: %v", i, len(data), err)
		}
		o.Close()
	}
	return gone
}

func verify(t testing.TB, r *repository.Repository) map[string]repository.Damage {
	t.Helper()
	found := map[string]repository.Damage{}
	_, err := r.Verify(t.Context(), func(d repository.Damage) { found[d.File] = d }, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestObjects(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	r := create(t, repository.NewFolder(dir))
	all := objects(1)
	first := snapshot(t, r, noon, all)
	before := files(t, dir)
	second := snapshot(t, r, noon.Add(time.Hour), slices.Concat(all[10:], all[:10]))
	if added := len(files(t, dir)) - len(before); added != 1 {
		t.Errorf("a second snapshot of the same added %d files, want 1", added)
	}
	for name, want := range map[string][][]byte{first: all, second: slices.Concat(all[10:], all[:10])} {
		if gone := readBack(t, r, name, want); len(gone) > 0 {
			t.Errorf("%s: %d objects are gone", name, len(gone))
		}
	}
	if found := verify(t, r); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*.part"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// files are the names of what lies in a folder.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := repository.NewFolder(dir).List(t.Context(), "", func(name string, _ int64) error {
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestKeys(t *testing.T) {
	place := repository.NewFolder(t.TempDir())
	if _, err := repository.Open(t.Context(), place, newKey(t)); !errors.Is(err, repository.ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
	key := newKey(t)
	r, err := repository.Create(t.Context(), place, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Create(t.Context(), place, key); err == nil {
		t.Error("it was made twice")
	}
	if _, err := repository.Open(t.Context(), place, newKey(t)); !errors.Is(err, repository.ErrKey) {
		t.Errorf("another key: %v", err)
	}
	read, err := repository.ParseKey("# for the safe\n" + key.Secret() + "\n")
	if err != nil || read.Fingerprint() != key.Fingerprint() || fmt.Sprint(read) == key.Secret() {
		t.Errorf("read back %v, %v", read, err)
	}
	again, err := repository.Open(t.Context(), place, read)
	if err != nil || again.ID() != r.ID() {
		t.Errorf("opened again: %v", err)
	}
	for _, text := range []string{"", "# nothing\n", "AGE-SECRET-KEY-1NONSENSE", "age1abc"} {
		if _, err := repository.ParseKey(text); !errors.Is(err, repository.ErrKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A snapshot under another name is another time, which nobody may make up.
func TestRootsAreSigned(t *testing.T) {
	dir := t.TempDir()
	r := create(t, repository.NewFolder(dir))
	name := snapshot(t, r, noon, objects(1)[:3])
	later := "20270101T000000Z" + name[16:]
	if err := os.Rename(filepath.Join(dir, "snapshot", name), filepath.Join(dir, "snapshot", later)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Root(t.Context(), later); !errors.Is(err, repository.ErrDamaged) {
		t.Errorf("an old snapshot under a new name: %v", err)
	}
}

// Without this program: age and zstd open a pack.
func TestToolsOpenIt(t *testing.T) {
	for _, tool := range []string{"age", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed (Debian: %s)", tool, tool)
		}
	}
	dir := t.TempDir()
	key := newKey(t)
	r, err := repository.Create(t.Context(), repository.NewFolder(dir), key)
	if err != nil {
		t.Fatal(err)
	}
	snapshot(t, r, noon, [][]byte{[]byte("Subject: hello\r\n\r\nthere\r\n")})
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(key.Secret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, dir) {
		if !strings.HasPrefix(name, "pack/") {
			continue
		}
		out, _ := exec.Command("sh", "-c", `age -d -i "$1" "$2" | zstd -dc 2>/dev/null`, "sh", keyFile, filepath.Join(dir, name)).Output()
		if !strings.HasPrefix(string(out), "Subject: hello\r\n\r\nthere\r\n") {
			t.Errorf("%s says %q", name, out)
		}
	}
}

// TestDamage flips an octet, cuts, and removes, each file of a repository in turn.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	r := create(t, repository.NewFolder(dir))
	all := objects(1)
	name := snapshot(t, r, noon, all)
	for _, file := range files(t, dir) {
		path := filepath.Join(dir, file)
		sound, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, broken := range damages(sound) {
			t.Run(what+" "+file[:strings.LastIndexByte(file, '/')+3], func(t *testing.T) {
				if broken == nil {
					err = os.Remove(path)
				} else {
					err = os.WriteFile(path, broken, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer os.WriteFile(path, sound, 0o600)
				checkDamage(t, r, file, name, all)
			})
		}
	}
}

func damages(sound []byte) map[string][]byte {
	flip := func(at int) []byte {
		b := bytes.Clone(sound)
		b[at] ^= 4
		return b
	}
	return map[string][]byte{
		"flip first": flip(0), "flip middle": flip(len(sound) / 2), "flip last": flip(len(sound) - 1),
		"cut half": sound[:len(sound)/2], "cut last": sound[:len(sound)-1], "empty": {}, "remove": nil,
	}
}

// checkDamage: the damage is found, exactly those objects are named that cannot be
// read, and all others are as they were.
func checkDamage(t *testing.T, r *repository.Repository, file, name string, all [][]byte) {
	t.Helper()
	found := verify(t, r)
	removed := false
	if _, err := os.Stat(filepath.Join(r.String(), file)); err != nil {
		removed = true
	}
	switch kind, _, _ := strings.Cut(file, "/"); {
	case kind == "index":
		if gone := readBack(t, r, name, all); len(gone) > 0 {
			t.Errorf("without its index %d objects are gone", len(gone))
		}
		if _, ok := found[file]; !ok && !removed {
			t.Errorf("found %v", found)
		}
	case kind == "snapshot":
		if _, err := r.Root(t.Context(), name); !repository.IsDamage(err) {
			t.Errorf("the root is read: %v", err)
		}
		if _, ok := found[file]; !ok && !removed {
			t.Errorf("found %v", found)
		}
	case kind == "pack":
		gone := map[string]bool{}
		for _, d := range readBack(t, r, name, all) {
			gone[d.String()] = true
		}
		named := map[string]bool{}
		for _, d := range found[file].Objects {
			named[d.String()] = true
		}
		if _, ok := found[file]; !ok || !maps.Equal(gone, named) || len(gone) == len(all) || strings.HasSuffix(t.Name(), "last") && len(gone) > 30 {
			t.Errorf("%d objects are gone, %d are named, of %d: %v", len(gone), len(named), len(all), found[file].Err)
		}
	default:
		_, ok := found[file]
		if gone := readBack(t, r, name, all); len(gone) > 0 || !ok && file == "allgreen-backup" && len(found) == 0 && removed {
			t.Errorf("the head is damaged, and %d objects are gone", len(gone))
		}
	}
}

// What is gone from a repository is put again.
func TestMending(t *testing.T) {
	dir := t.TempDir()
	r := create(t, repository.NewFolder(dir))
	all := objects(1)
	snapshot(t, r, noon, all)
	for _, file := range files(t, dir) {
		if strings.HasPrefix(file, "pack/") {
			if err := os.Remove(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	w, err := r.NewWriter(t.Context(), t.TempDir())
	if err != nil || w.Whole() {
		t.Fatalf("a pack is gone, and nobody says so: %v", err)
	}
	name := snapshot(t, r, noon.Add(time.Hour), all)
	if gone := readBack(t, r, name, all); len(gone) > 0 {
		t.Errorf("%d objects are gone", len(gone))
	}
}
