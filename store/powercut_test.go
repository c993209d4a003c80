package store_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// The power-cut test. A storing process runs under strace while it says "250 id" for
// what it has stored. From the record of its writes, syncs and renames the data
// folder is built as it could be after a power cut at many moments: what was synced
// is there, what was not is dropped wholly, kept, or torn and reordered. On each
// such folder the store must open, and hold every message acknowledged until then,
// whole, and no half one.

const (
	powerCutDir   = "STORE_TEST_POWER_CUT_DIR"
	storingGroups = 6
	storingEach   = 14
)

// powerCuts is the number of moments, of some hundreds; each is cut in three ways.
func powerCuts() int {
	if os.Getenv("CI") == "true" {
		return 80
	}
	return 8
}

// recorded are the calls that matter; an architecture need not have all of them.
const recorded = "openat open creat write pwrite64 writev pwritev pwritev2 fsync fdatasync rename renameat renameat2 " +
	"link linkat unlink unlinkat mkdir mkdirat ftruncate truncate fallocate sync_file_range copy_file_range sendfile"

func things() store.Schema {
	return store.Schema{Name: "things", References: []string{"thing.body"}, Versions: []store.Version{{
		SQLite: `CREATE TABLE thing (id INTEGER PRIMARY KEY, body INTEGER NOT NULL) STRICT; CREATE INDEX thing_body ON thing (body);`,
	}}}
}

func powerCutOptions(dir string) store.Options {
	// A small log is copied often, so that cuts fall into that, too.
	return store.Options{Dir: dir, Schemas: []store.Schema{things()}, Clock: time.Now, LogSize: 512 << 10, MinFree: -1}
}

// storedBody is the body of message n: small, placed from memory, or placed from a
// file.
func storedBody(n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	size := 200 + random.IntN(12_000)
	switch {
	case n%14 == 7:
		size = 150_000
	case n%28 == 13:
		size = 1_200_000
	}
	body := make([]byte, size)
	binary.BigEndian.PutUint64(body, uint64(n))
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(body[8:])
	return body
}

// TestStoringProcess is the process that TestPowerCut records; by itself it does
// nothing.
func TestStoringProcess(t *testing.T) {
	dir := os.Getenv(powerCutDir)
	if dir == "" {
		t.Skip("only as the process that TestPowerCut starts")
	}
	st, err := store.Open(t.Context(), powerCutOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var group sync.WaitGroup
	for g := range storingGroups {
		group.Go(func() {
			for i := range storingEach {
				n := 1 + g*storingEach + i
				if err := storeThing(t, st, n, storedBody(n)); err != nil {
					t.Error(err)
					return
				}
				// One write: a line of the record.
				os.Stdout.WriteString(fmt.Sprintf("250 %d\n", n))
			}
		})
	}
	group.Wait()
}

func storeThing(t *testing.T, st *store.Store, n int, body []byte) error {
	sp := st.NewSpool()
	defer sp.Close()
	if _, err := sp.Write(body); err != nil {
		return err
	}
	if err := sp.Place(t.Context()); err != nil {
		return err
	}
	return st.Write(t.Context(), func(tx *store.Tx) error {
		id, err := tx.PutBody(sp)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO thing (id, body) VALUES ($1, $2)`, n, id)
		return err
	})
}

func TestPowerCut(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("strace is not installed (Debian: strace)")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	st, err := store.Open(t.Context(), powerCutOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	disk := readDisk(t, dir)
	record := filepath.Join(t.TempDir(), "record")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "4000000", "-o", record, "-e",
		"trace="+strings.ReplaceAll(recorded, " ", ",?"),
		os.Args[0], "-test.run=^TestStoringProcess$")
	cmd.Env = append(os.Environ(), powerCutDir+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "250 ") != storingGroups*storingEach {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	events := readRecord(t, record, dir)
	disk.cutOften(t, events)
}

// cutOften plays the events and cuts the power at sampled moments.
func (d *disk) cutOften(t *testing.T, events []event) {
	var moments int
	for _, e := range events {
		if e.boundary() {
			moments++
		}
	}
	random := rand.New(rand.NewPCG(20261121, 3))
	acknowledged := map[int]bool{}
	cuts, left, want := 0, moments, powerCuts()
	for i, e := range events {
		if e.boundary() {
			if random.IntN(left) < want {
				want--
				for _, mode := range []cut{dropUnsynced, keepUnsynced, tearUnsynced} {
					d.cut(t, fmt.Sprintf("before event %d (%s), %s", i, e.what, mode), mode, random, acknowledged)
					cuts++
				}
			}
			left--
		}
		d.play(t, e)
		if e.what == "ack" {
			acknowledged[e.number] = true
		}
		if t.Failed() {
			return
		}
	}
	d.cut(t, "at the end", dropUnsynced, random, acknowledged)
	if len(acknowledged) != storingGroups*storingEach || cuts < powerCuts() {
		t.Errorf("%d acknowledged, %d cuts: the record is not whole", len(acknowledged), cuts)
	}
	t.Logf("%d events, %d moments, %d power cuts, %d syncs for %d messages", len(events), moments, cuts, d.syncs, len(acknowledged))
}

// cut builds the folder as a power cut would leave it and looks into it.
func (d *disk) cut(t *testing.T, when string, mode cut, random *rand.Rand, acknowledged map[int]bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "after")
	defer os.RemoveAll(dir)
	d.build(t, dir, mode, random)
	st, err := store.Open(t.Context(), powerCutOptions(dir))
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer st.Close()
	there := map[int]store.BodyID{}
	err = st.Read(t.Context(), func(tx *store.Tx) error {
		var sound string
		if err := tx.Row(`PRAGMA integrity_check`).Scan(&sound); err != nil || sound != "ok" {
			t.Errorf("%s: integrity: %s, %v", when, sound, err)
		}
		rows, err := tx.Rows(`SELECT id, body FROM thing`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			var body store.BodyID
			if err := rows.Scan(&n, &body); err != nil {
				return err
			}
			there[n] = body
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	for n := range acknowledged {
		if there[n] == 0 {
			t.Errorf("%s: message %d was acknowledged and is gone", when, n)
		}
	}
	for n, id := range there {
		if err := sameBody(t, st, id, storedBody(n)); err != nil {
			t.Errorf("%s: message %d: %v", when, n, err)
		}
	}
}

func sameBody(t *testing.T, st *store.Store, id store.BodyID, want []byte) error {
	b, err := st.OpenBody(t.Context(), id)
	if err != nil {
		return err
	}
	defer b.Close()
	got, err := io.ReadAll(bufio.NewReader(b))
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("the body is not what was stored")
	}
	return err
}
