package reputation

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestDiskMemoryIsSharedByRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache", "lists")
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := &lists{a: map[string]string{"2.0.0.127.bl.spamcop.net.": "127.0.0.2"}}
	for range 2 {
		d := NewDirectory(Options{Memory: DiskMemory{dir}, Now: func() time.Time { return now }})
		if c := d.Control(t.Context(), r, d.List("spamcop")); c.State != ControlHolds {
			t.Fatalf("control %+v", c)
		}
	}
	if n := r.asked["2.0.0.127.bl.spamcop.net. A"]; n != 1 {
		t.Errorf("two runs asked the control point %d times", n)
	}
	now = now.Add(25 * time.Hour)
	d := NewDirectory(Options{Memory: DiskMemory{dir}, Now: func() time.Time { return now }})
	d.Control(t.Context(), r, d.List("spamcop"))
	if n := r.asked["2.0.0.127.bl.spamcop.net. A"]; n != 2 {
		t.Errorf("a day later the point was asked %d times in all, want 2", n)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Another key is another asker: what was seen with the old one proves nothing.
func TestKeysAreRememberedApart(t *testing.T) {
	of := func(key string) string {
		d := NewDirectory(Options{Keys: map[string]string{"spamhaus-dqs": key}})
		return d.controlKey(d.List("spamhaus-zen"), false)
	}
	if of("one") == of("two") || of("") == of("one") {
		t.Errorf("keys share a memory: %s %s %s", of(""), of("one"), of("two"))
	}
}

// A wrong key finds an empty zone; to get another one is no cure.
func TestWrongKeyIsATypo(t *testing.T) {
	d := NewDirectory(Options{Keys: map[string]string{"abusix": "wrong"}})
	if c := d.Control(t.Context(), &lists{}, d.List("abusix")); c.State != ControlDead || c.Cause != "typo" {
		t.Errorf("control %+v", c)
	}
}

func TestDiskMemoryFailsQuietly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range []DiskMemory{{}, {file}, {filepath.Join(file, "below")}, {filepath.Join(t.TempDir(), "none")}} {
		if c, ok := m.Recall("x"); ok {
			t.Errorf("%+v recalls %+v", m, c)
		}
		m.Remember("x", Control{State: ControlHolds})
	}
	m := DiskMemory{t.TempDir()}
	m.Remember("x/6", Control{State: ControlHolds})
	if c, ok := m.Recall("x/6"); !ok || c.State != ControlHolds {
		t.Errorf("recalled %+v %v", c, ok)
	}
	if err := os.WriteFile(m.path("x/6"), []byte(`{"state":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, ok := m.Recall("x/6"); ok {
		t.Errorf("a broken file is recalled as %+v", c)
	}
}

// Writers at the same time leave one whole result.
func TestDiskMemoryHasManyWriters(t *testing.T) {
	m := DiskMemory{t.TempDir()}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				m.Remember("x", Control{State: ControlHolds, Detail: fmt.Sprint(i)})
				if c, ok := m.Recall("x"); !ok || c.State != ControlHolds {
					t.Errorf("recalled %+v %v", c, ok)
				}
			}
		})
	}
	all.Wait()
}
