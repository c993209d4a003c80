package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// smallDisk is a disk of some megabytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("store-test", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("a small disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskFull fills the disk under load: what was stored stays, what was not says
// ErrFull, and when there is room again all goes on by itself.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "8m")
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	st := storetest.OpenWith(t, store.Options{Dir: filepath.Join(disk, "data"), Schemas: []store.Schema{things()}, MinFree: 6 << 20})
	if room, err := st.Room(t.Context()); !errors.Is(err, store.ErrFull) || room.Free <= 0 || room.Total < 8<<20 {
		t.Errorf("Room: %+v, %v, want ErrFull below the watermark", room, err)
	}
	stored := 0
	var full error
	for n := 1; n < 2000 && full == nil; n++ {
		if full = storeThing(t, st, n, make([]byte, 60_000)); full == nil {
			stored++
		}
	}
	if !errors.Is(full, store.ErrFull) || !store.Temporary(full) {
		t.Fatalf("after %d messages: %v, want ErrFull", stored, full)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := storeThing(t, st, 3000+i, make([]byte, 60_000)); !errors.Is(err, store.ErrFull) {
				t.Errorf("together on a full disk: %v", err)
			}
		})
	}
	large := st.NewSpool()
	defer large.Close()
	_, err := large.Write(make([]byte, 5<<20))
	if err == nil {
		err = large.Place(t.Context())
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("a large body on a full disk: %v, want ErrFull", err)
	}
	large.Close()
	group.Wait()

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := storeThing(t, st, 4000, storedBody(13)); err != nil {
		t.Errorf("with room again: %v", err)
	}
	var n int
	err = st.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT count(*) FROM thing`).Scan(&n) })
	if err != nil || n != stored+1 {
		t.Errorf("%d things, %v; %d were acknowledged", n, err, stored+1)
	}
}

func TestCorrupt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "allgreen.db")
	if err := os.WriteFile(file, bytes.Repeat([]byte("no database"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), store.Options{Dir: dir, Clock: time.Now})
	if !errors.Is(err, store.ErrCorrupt) || store.Temporary(err) {
		t.Errorf("Open: %v, want ErrCorrupt", err)
	}
}

// TestReopen closes and opens: all is there, and nothing spooled is left.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(t.Context(), powerCutOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 7, 13} {
		if err := storeThing(t, st, n, storedBody(n)); err != nil {
			t.Fatal(err)
		}
	}
	abandoned := st.NewSpool()
	if _, err := abandoned.Write(make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Write(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if err := st.Read(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if st, err = store.Open(t.Context(), powerCutOptions(dir)); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if left, _ := os.ReadDir(filepath.Join(dir, "spool")); len(left) != 0 {
		t.Errorf("%d files left in the spool", len(left))
	}
	err = st.Read(t.Context(), func(tx *store.Tx) error {
		var n int
		if err := tx.Row(`SELECT count(*) FROM thing`).Scan(&n); err != nil || n != 3 {
			t.Errorf("%d things, %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWaitingCanLeave cancels a writer that waits behind another: it leaves without
// having run; and one whose closure runs is not left behind while it runs.
func TestWaitingCanLeave(t *testing.T) {
	st := storetest.Open(t, things())
	running, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- st.Write(context.Background(), func(tx *store.Tx) error {
			close(running)
			<-release // against the rules, to hold the writer
			_, err := tx.Exec(`INSERT INTO thing (id, body) VALUES (1, 1)`)
			return err
		})
	}()
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	ran := false
	go func() {
		second <- st.Write(ctx, func(tx *store.Tx) error { ran = true; return nil })
	}()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the waiting writer: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the writer before it: %v", err)
	}
	if err := st.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil || ran {
		t.Errorf("then: %v; the withdrawn closure ran: %v", err, ran)
	}
}

// TestOneSyncServesMany holds the writer until many wait: they share a commit.
func TestOneSyncServesMany(t *testing.T) {
	st := storetest.Open(t, things())
	before := st.Stats()
	running, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		st.Write(t.Context(), func(*store.Tx) error { close(running); <-release; return nil })
	})
	<-running
	const waiting = 50
	for i := range waiting {
		group.Go(func() {
			if err := storeThing(t, st, i+1, []byte("small")); err != nil {
				t.Error(err)
			}
		})
	}
	for st.Stats().Waiting < waiting {
		runtime.Gosched() // there is no event to wait for
	}
	close(release)
	group.Wait()
	after := st.Stats()
	if commits := after.Commits - before.Commits; commits != 2 || after.Transactions-before.Transactions != waiting+1 {
		t.Errorf("%d commits for %d transactions, want 2", commits, after.Transactions-before.Transactions)
	}
}

// TestBackup copies the database while it is written to; the copy is whole, and opens.
func TestBackup(t *testing.T) {
	st := storetest.Open(t, things())
	for n := range 50 {
		if err := storeThing(t, st, n+1, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for n := 100; ; n++ {
			select {
			case <-stop:
				return
			default:
				if err := storeThing(t, st, n, make([]byte, 5000)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	dir := t.TempDir()
	file := filepath.Join(dir, "allgreen.db")
	err := st.Backup(t.Context(), file)
	close(stop)
	group.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Backup(t.Context(), file); !errors.Is(err, os.ErrExist) {
		t.Errorf("a backup over another: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := st.Backup(ctx, filepath.Join(dir, "cancelled")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	copied := storetest.OpenWith(t, store.Options{Dir: dir, Schemas: []store.Schema{things()}})
	err = copied.Read(t.Context(), func(tx *store.Tx) error {
		var n, whole int
		var sound string
		if err := tx.Row(`SELECT count(*), sum(length(data) = 5000) FROM thing JOIN store_body ON store_body.id = body`).Scan(&n, &whole); err != nil {
			return err
		}
		if err := tx.Row(`PRAGMA integrity_check`).Scan(&sound); err != nil {
			return err
		}
		if n < 50 || whole != n || sound != "ok" {
			t.Errorf("%d things, %d whole, %s", n, whole, sound)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLogStartsAnew writes many times the log's size: it is copied, and its file does
// not grow with what is written. Where the disk is slow the copying falls behind for some
// time, so the writing goes on until it has caught up.
func TestLogStartsAnew(t *testing.T) {
	const size = 1 << 20
	st := storetest.OpenWith(t, store.Options{Schemas: []store.Schema{things()}, LogSize: size})
	const round, most = 8 * 60_000, 600
	s := st.Stats()
	for n := 0; s.Checkpoints == 0 || s.WAL > int64(n*round)/2 || n < 60; n++ {
		if n == most {
			t.Fatalf("wrote %d MB: %+v; want checkpoints, and a log of a part of it", n*round>>20, s)
		}
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				if err := storeThing(t, st, n*8+i+1, make([]byte, 60_000)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		s = st.Stats()
	}
	if s.CheckpointTime == 0 {
		t.Errorf("checkpoints took no time: %+v", s)
	}
}

// TestReadIsInterrupted cancels a Read within its query.
func TestReadIsInterrupted(t *testing.T) {
	st := storetest.Open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := st.Read(ctx, func(tx *store.Tx) error {
		var n int64
		return tx.Row(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n`).Scan(&n)
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an endless query: %v", err)
	}
	for range 8 {
		if err := st.Read(t.Context(), func(tx *store.Tx) error {
			var n int
			return tx.Row(`SELECT 1`).Scan(&n)
		}); err != nil {
			t.Error(fmt.Errorf("a reader after it: %w", err))
		}
	}
}
