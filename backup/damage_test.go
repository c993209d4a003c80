package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// Each file of a repository is damaged in turn. Verify names exactly the messages that a
// restore then lacks, and the rest is restored.
func TestDamagedMessages(t *testing.T) {
	h := open(t, store.Options{})
	anna := h.person("anna")
	inbox := h.folder(anna, "INBOX")
	for i := range 30 {
		h.put(inbox, h.randomText(1000*i), 0)
		if i%10 == 9 {
			h.clock.now = h.clock.now.Add(time.Hour)
			h.backup() // so that there are several packs
		}
	}
	h.put(h.folder(anna, "Sent"), h.randomText(2<<20), 0)
	h.clock.now = h.clock.now.Add(time.Hour) // of two of the same second nobody knows which is the newer
	h.backup()
	sizes := map[string]int{}
	err := filepath.WalkDir(h.place, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		sizes[path] = int(info.Size())
		return err
	})
	must(t, err)
	lost := 0
	for path, size := range sizes {
		name := strings.TrimPrefix(path, h.place+"/")
		if !strings.HasPrefix(name, "pack/") && !strings.HasPrefix(name, "index/") {
			continue
		}
		sound, err := os.ReadFile(path)
		must(t, err)
		for _, at := range []int{10, size / 2, size - 1} {
			broken := append([]byte{}, sound...)
			broken[at] ^= 64
			must(t, os.WriteFile(path, broken, 0o600))
			lost += h.checkDamaged(name, at)
		}
		must(t, os.WriteFile(path, sound, 0o600))
	}
	if lost == 0 {
		t.Error("no message was ever lost: the test proves nothing")
	}
	if report, err := h.keeper.Verify(t.Context(), func(int64, int64) {}); err != nil || !report.Sound() {
		t.Errorf("mended, and %+v, %v", report, err)
	}
}

// checkDamaged compares what Verify names with what a restore lacks, and says how many
// messages that are.
func (h *house) checkDamaged(name string, at int) int {
	t := h.t
	t.Helper()
	report, err := h.keeper.Verify(t.Context(), func(int64, int64) {})
	must(t, err)
	if len(report.Damaged) == 0 {
		t.Errorf("%s is damaged at %d, and nothing is found", name, at)
	}
	named := map[string]bool{}
	lists := false
	newest := h.newest()
	for _, m := range report.Messages {
		if m.Snapshots[0] == newest && m.UID != 0 {
			named[fmt.Sprint(m.Folder, m.UID)] = true
		} else if m.Snapshots[0] == newest {
			lists = true
		}
	}
	done, err := h.keeper.Restore(t.Context(), backup.Request{Address: "anna@example.com", Name: newest}, func(int64, int64) {})
	if repository.IsDamage(err) && lists {
		return 0
	}
	must(t, err)
	missing := map[string]bool{}
	for _, m := range done.Missing {
		if m.UID != 0 {
			missing[fmt.Sprint(m.Folder, m.UID)] = true
		}
	}
	if len(missing) != len(named) || !lists && done.Brought+int64(len(named)) != 31 {
		t.Errorf("%s damaged at %d: %d named, %d missing, %d brought", name, at, len(named), len(missing), done.Brought)
	}
	for m := range missing {
		if !named[m] {
			t.Errorf("%s damaged at %d: %s is missing and not named", name, at, m)
		}
	}
	return len(missing)
}

func (h *house) newest() string {
	h.t.Helper()
	r, err := repository.Open(h.t.Context(), repository.NewFolder(h.place), h.key)
	must(h.t, err)
	all, err := r.Snapshots(h.t.Context())
	must(h.t, err)
	return all[len(all)-1].Name
}

// A body that the server has lost keeps no other message out of the backup, and the
// administrator is told.
func TestLostBody(t *testing.T) {
	h := open(t, store.Options{})
	anna := h.person("anna")
	inbox := h.folder(anna, "INBOX")
	h.put(inbox, "Subject: one\r\n\r\n", 0)
	h.put(inbox, "Subject: two\r\n\r\n", 0)
	must(t, h.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM store_body WHERE id = (SELECT body FROM mailbox_message WHERE folder = $1 AND uid = 1)`, int64(inbox))
		return err
	}))
	done := h.backup()
	if len(done.Lost) != 1 || !strings.Contains(done.Lost[0], "anna@example.com, INBOX, message 1") || len(h.alerts) != 1 {
		t.Errorf("made %+v, told %v", done, h.alerts)
	}
	if got := h.restore(backup.Request{Address: "anna@example.com"}); got.Brought != 1 {
		t.Errorf("brought %+v", got)
	}
}

// A restore is stopped after each of its messages in turn. Nobody sees anything of it,
// nothing has changed, and what it has filled is swept; so it is when its process is
// gone and cannot even say so.
func TestRestoreStopped(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna := h.person("anna")
		for range 8 {
			h.put(h.folder(anna, "INBOX"), h.randomText(500), mailbox.Seen)
			h.put(h.folder(anna, "Work"), h.randomText(200_000), mailbox.Flagged)
		}
		h.backup()
		before, bodies := h.folders(anna), h.count(`SELECT count(*) FROM store_body WHERE size > 0`)
		rows := h.rowsOf(before)
		for left := range int64(16) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := h.keeper.Restore(ctx, backup.Request{Address: "anna@example.com"}, func(done, _ int64) {
				if done >= left {
					cancel()
				}
			})
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("after %d messages: %v", left, err)
			}
			if rows != h.rowsOf(h.folders(anna)) {
				t.Fatalf("stopped after %d messages, and something has changed", left)
			}
		}
		h.abandonOne(anna)
		h.clock.now = h.clock.now.Add(time.Hour)
		h.keeper.Tend(t.Context())
		_, err := mailbox.Sweep(t.Context(), h.Store)
		must(t, err)
		h.clock.now = h.clock.now.Add(48 * time.Hour)
		_, err = h.Sweep(t.Context())
		must(t, err)
		if n := h.count(`SELECT count(*) FROM mailbox_folder`); n != int64(len(before)) {
			t.Errorf("%d folders are left, want %d", n, len(before))
		}
		if n := h.count(`SELECT count(*) FROM store_body WHERE size > 0`); n != bodies {
			t.Errorf("%d bodies are left, want %d", n, bodies)
		}
		if rows != h.rowsOf(h.folders(anna)) {
			t.Error("something has changed")
		}
	})
}

// abandonOne leaves what a killed process leaves: a hidden folder that somebody was
// filling.
func (h *house) abandonOne(id account.ID) {
	h.t.Helper()
	var folder mailbox.FolderID
	must(h.t, h.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		if folder, err = mailbox.NewHidden(tx, int64(id), "killed/INBOX"); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO backup_filling (folder, tree, expires) VALUES ($1, 'killed', $2)`, int64(folder), h.clock.now.Add(time.Minute))
		return err
	}))
	h.put(folder, h.randomText(100), 0)
}

func (h *house) count(query string) (n int64) {
	h.t.Helper()
	must(h.t, h.Read(h.t.Context(), func(tx *store.Tx) error { return tx.Row(query).Scan(&n) }))
	return n
}
