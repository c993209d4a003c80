package store_test

import (
	"cmp"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/store/storetest"
)

// An event is one call of the recorded process, or its end where that matters.
type event struct {
	what     string // write, sync-begins, sync-ends, create, rename, unlink, mkdir, truncate, ack
	thread   int
	path, to string
	at       int64 // offset; -1: at the end of what was written before
	data     []byte
	number   int // of an ack
}

// boundary reports a moment worth a power cut: around each sync and before each
// acknowledgement.
func (e event) boundary() bool { return strings.HasPrefix(e.what, "sync-") || e.what == "ack" }

// readRecord reads what strace wrote. A write counts from when it was asked for, and
// is covered by a sync that was asked for after it ended; a sync counts when it ends.
func readRecord(t *testing.T, file, dir string) []event {
	t.Helper()
	calls, err := storetest.ReadCalls(file)
	if err != nil {
		t.Fatal(err)
	}
	type moment struct {
		line  int
		ended bool
		call  storetest.Call
	}
	var moments []moment
	for _, c := range calls {
		moments = append(moments, moment{c.Began, false, c})
		if c.OK() {
			moments = append(moments, moment{c.Ended, true, c})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.line, b.line) })
	r := recordReader{dir: dir}
	for _, m := range moments {
		if m.ended {
			r.ended(t, m.call)
		} else {
			r.began(t, m.call)
		}
	}
	return r.events
}

type recordReader struct {
	dir    string
	events []event
}

// began notes what counts from when it is asked for.
func (r *recordReader) began(t *testing.T, c storetest.Call) {
	switch c.Name {
	case "fsync", "fdatasync":
		r.add(event{what: "sync-begins", thread: c.Thread, path: r.inside(c.Path())})
	case "write":
		if data := c.Data(); strings.HasPrefix(data, "250 ") && !strings.HasPrefix(c.Path(), r.dir) {
			n, _ := strconv.Atoi(strings.TrimSpace(data[4:]))
			r.events = append(r.events, event{what: "ack", number: n})
			return
		}
		r.add(event{what: "write", thread: c.Thread, path: r.inside(c.Path()), data: []byte(c.Data()), at: -1})
	case "pwrite64":
		at, err := strconv.ParseInt(c.Args[3], 10, 64)
		if err != nil {
			t.Fatalf("%s(%.100s)", c.Name, c.Args)
		}
		r.add(event{what: "write", thread: c.Thread, path: r.inside(c.Path()), data: []byte(c.Data()), at: at})
	case "creat", "writev", "pwritev", "pwritev2", "fallocate", "copy_file_range", "sendfile", "link", "linkat":
		for i := range c.Args {
			if strings.Contains(c.Text(i), r.dir) {
				t.Fatalf("the record has %s, which this test does not know: %.200s", c.Name, c.Args)
			}
		}
	}
}

// ended notes what counts when it is done.
func (r *recordReader) ended(t *testing.T, c storetest.Call) {
	switch c.Name {
	case "fsync", "fdatasync":
		r.add(event{what: "sync-ends", thread: c.Thread, path: r.inside(c.Path())})
	case "write", "pwrite64":
		r.add(event{what: "write-ends", thread: c.Thread, path: r.inside(c.Path())})
	case "open":
		r.opened(c.Text(0), c.Args[1])
	case "openat":
		r.opened(c.Text(1), c.Args[2])
	case "mkdir":
		r.add(event{what: "mkdir", path: r.inside(c.Text(0))})
	case "mkdirat":
		r.add(event{what: "mkdir", path: r.inside(c.Text(1))})
	case "rename", "renameat", "renameat2":
		from, to, _ := c.Rename()
		r.add(event{what: "rename", path: r.inside(from), to: r.inside(to)})
	case "unlink":
		r.add(event{what: "unlink", path: r.inside(c.Text(0))})
	case "unlinkat":
		r.add(event{what: "unlink", path: r.inside(c.Text(1))})
	case "ftruncate":
		at, _ := strconv.ParseInt(c.Args[1], 10, 64)
		r.add(event{what: "truncate", path: r.inside(c.Path()), at: at})
	case "truncate":
		t.Fatalf("the record has truncate: %.200s", c.Args)
	}
}

func (r *recordReader) opened(path, flags string) {
	if strings.Contains(flags, "O_CREAT") {
		r.add(event{what: "create", path: r.inside(path)})
	}
}

// add notes an event in the folder; SQLite's shared memory is nothing on the disk.
func (r *recordReader) add(e event) {
	if e.path != "" && !strings.HasSuffix(e.path, "-shm") {
		r.events = append(r.events, e)
	}
}

// inside is a path within the folder, "." for itself, or nothing.
func (r *recordReader) inside(path string) string {
	rel, err := filepath.Rel(r.dir, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return ""
	}
	return rel
}

// disk is a file system that remembers what is synced and what is not.
type disk struct {
	names   map[string]*inode // as the process sees them
	durable map[string]*inode // as of the last sync of each folder
	pending []naming          // names changed since
	dirs    map[string]bool
	syncing map[int]*covered // by thread
	syncs   int
}

// inode is a file.
type inode struct {
	synced  []byte
	pending []change
	end     int64 // where the next write without an offset goes
}

// change is a write, or a truncation.
type change struct {
	at       int64
	data     []byte
	truncate bool
	thread   int
	ended    bool
}

// naming is a change of a name: path comes to mean a file, or nothing.
type naming struct {
	path string
	file *inode
}

// covered is what a sync that has begun will make durable.
type covered struct {
	file  *inode
	count []change
	dir   string
	names int
}

// readDisk is a folder, all of it synced.
func readDisk(t *testing.T, dir string) *disk {
	t.Helper()
	d := &disk{names: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{".": true}, syncing: map[int]*covered{}}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err != nil || e.IsDir() {
			d.dirs[rel] = true
			return err
		}
		text, err := os.ReadFile(path)
		d.names[rel] = &inode{synced: text}
		d.durable[rel] = d.names[rel]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// play does what the process did.
func (d *disk) play(t *testing.T, e event) {
	t.Helper()
	switch e.what {
	case "create":
		if d.names[e.path] == nil {
			d.name(e.path, &inode{})
		}
	case "mkdir":
		d.dirs[e.path] = true // a folder alone holds nothing that could be lost
	case "rename":
		f := d.names[e.path]
		d.name(e.path, nil)
		d.name(e.to, f)
	case "unlink":
		d.name(e.path, nil)
	case "write", "truncate":
		d.change(t, e)
	case "write-ends":
		if f := d.names[e.path]; f != nil {
			f.writeEnds(e.thread)
		}
	case "sync-begins":
		d.syncing[e.thread] = d.covers(e.path)
	case "sync-ends":
		d.sync(d.syncing[e.thread])
		delete(d.syncing, e.thread)
	}
}

func (d *disk) name(path string, f *inode) {
	if f == nil {
		delete(d.names, path)
	} else {
		d.names[path] = f
	}
	d.pending = append(d.pending, naming{path, f})
}

func (d *disk) change(t *testing.T, e event) {
	t.Helper()
	f := d.names[e.path]
	if f == nil {
		t.Fatalf("a write to %s, which was never made", e.path)
	}
	at := e.at
	if at < 0 {
		at = f.end
		f.end += int64(len(e.data))
	}
	f.pending = append(f.pending, change{at: at, data: e.data, truncate: e.what == "truncate", thread: e.thread, ended: e.what == "truncate"})
}

func (f *inode) writeEnds(thread int) {
	for i := range f.pending {
		if f.pending[i].thread == thread {
			f.pending[i].ended = true
		}
	}
}

// covers notes what a sync that begins now must make durable: writes that have ended,
// and for a folder the names in it.
func (d *disk) covers(path string) *covered {
	if d.dirs[path] {
		return &covered{dir: path, names: len(d.pending)}
	}
	c := &covered{file: d.names[path]}
	if c.file != nil {
		for _, p := range c.file.pending {
			if !p.ended {
				break // the order of what overlaps stays
			}
			c.count = append(c.count, p)
		}
	}
	return c
}

func (d *disk) sync(c *covered) {
	d.syncs++
	if c == nil || c.file == nil && c.dir == "" {
		return
	}
	if c.dir != "" {
		d.syncNames(c)
		return
	}
	// Another sync may have made some of them durable meanwhile.
	n := min(len(c.count), len(c.file.pending))
	for n > 0 && !samePrefix(c.file.pending, c.count[len(c.count)-n:]) {
		n--
	}
	for _, p := range c.file.pending[:n] {
		c.file.synced = p.apply(c.file.synced, 0, len(p.data))
	}
	c.file.pending = append([]change(nil), c.file.pending[n:]...)
}

// samePrefix reports whether the pending changes begin with these.
func samePrefix(pending, these []change) bool {
	for i, c := range these {
		p := pending[i]
		if p.at != c.at || p.truncate != c.truncate || len(p.data) != len(c.data) || len(p.data) > 0 && &p.data[0] != &c.data[0] {
			return false
		}
	}
	return true
}

func (d *disk) syncNames(c *covered) {
	var rest []naming
	for i, n := range d.pending {
		if i < c.names && filepath.Dir(n.path) == c.dir {
			set(d.durable, n)
			continue
		}
		rest = append(rest, n)
	}
	d.pending = rest
}

func set(names map[string]*inode, n naming) {
	if n.file == nil {
		delete(names, n.path)
	} else {
		names[n.path] = n.file
	}
}

// apply does a part of a change.
func (c change) apply(to []byte, from, end int) []byte {
	if c.truncate {
		if int64(len(to)) > c.at {
			return to[:c.at:c.at]
		}
		return append(to, make([]byte, c.at-int64(len(to)))...)
	}
	if need := int(c.at) + end - len(to); need > 0 {
		to = append(to, make([]byte, need)...)
	}
	copy(to[int(c.at)+from:], c.data[from:end])
	return to
}

// cut is what a power cut does to what was not synced.
type cut int

const (
	dropUnsynced cut = iota
	keepUnsynced
	tearUnsynced // each sector of each write may be there or not
)

func (c cut) String() string {
	return []string{"what was not synced is gone", "what was not synced is there", "what was not synced is torn"}[c]
}

// build writes the folder as the cut leaves it.
func (d *disk) build(t *testing.T, dir string, mode cut, random *rand.Rand) {
	t.Helper()
	for sub := range d.dirs {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]*inode{}
	for path, f := range d.durable {
		names[path] = f
	}
	keep := map[cut]int{keepUnsynced: len(d.pending), tearUnsynced: random.IntN(len(d.pending) + 1)}[mode]
	for _, n := range d.pending[:keep] {
		set(names, n)
	}
	for path, f := range names {
		if err := os.WriteFile(filepath.Join(dir, path), f.after(mode, random), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const sector = 512

// after is the file's content as the cut leaves it.
func (f *inode) after(mode cut, random *rand.Rand) []byte {
	text := append([]byte(nil), f.synced...)
	if mode == dropUnsynced {
		return text
	}
	for _, c := range f.pending {
		if mode == keepUnsynced || c.truncate {
			text = c.apply(text, 0, len(c.data))
			continue
		}
		for from := 0; from < len(c.data); {
			end := min(len(c.data), from+sector-int(c.at+int64(from))%sector)
			if random.IntN(2) == 0 {
				text = c.apply(text, from, end)
			}
			from = end
		}
	}
	return text
}
