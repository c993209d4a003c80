package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
)

// One story, as an administrator has it: a backup, a lost folder that comes back, a
// damaged disk, and a new machine with nothing but the backups and the key.
func TestServeBackups(t *testing.T) {
	place := filepath.Join(t.TempDir(), "backups")
	v := settle(t, "[backup]\nto = \""+place+"\"\ntimes = []\n", lab.Options{Bare: true})
	const anna = "anna@allgreen.example"
	run := func(code int, args string) outcome {
		t.Helper()
		got := allgreen(t, "", strings.Fields(args)...)
		if got.code != code {
			t.Fatalf("%s: exit %d, want %d\n%s%s", args, got.code, code, got.out, got.err)
		}
		if !strings.Contains(args, "--json") {
			shortLines(t, got.out)
		}
		return got
	}
	if got := run(1, "backup list --lab"); !strings.Contains(got.err, "hint: ") {
		t.Errorf("no backup yet: %s", got.err)
	}
	v.fill(t, 40)
	made := decode[backup.Taken](t, run(0, "backup now --lab --json").out)[0]
	if made.Messages != 40 || made.Accounts == 0 {
		t.Fatalf("made %+v", made)
	}
	v.loseInbox(t)
	run(0, "backup --lab")
	if got := run(0, "backup list "+anna+" --lab"); strings.Count(got.out, "2026") < 2 && strings.Count(got.out, anna) != 2 {
		t.Errorf("listed:\n%s", got.out)
	}
	if got := run(0, "restore "+anna+" --at "+made.Snapshot+" --lab"); !strings.Contains(got.out, "INBOX") || !strings.Contains(got.err, "Nothing was done") {
		t.Errorf("the plan:\n%s%s", got.out, got.err)
	}
	done := decode[backup.Restored](t, run(0, "restore "+anna+" --at "+made.Snapshot+" --folder INBOX --yes --json --lab").out)[0]
	if done.Brought != 40 || v.count(t, done.Tree+"/INBOX") != 40 || v.count(t, done.Tree) != 1 || v.count(t, "INBOX") != 0 {
		t.Errorf("restored %+v", done)
	}
	run(0, "restore remove "+anna+" "+filepath.Base(done.Tree)+" --lab")
	if n := v.count(t, done.Tree); n >= 0 {
		t.Errorf("the tree is still there, with %d messages", n)
	}
	run(1, "restore remove "+anna+" --lab")
	run(1, "restore nobody@allgreen.example --lab")
	run(64, "restore "+anna+" --at yesterday --lab")
	run(0, "backup prune --lab")
	run(0, "backup verify --lab")
	keyFile := filepath.Join(t.TempDir(), "backup.key")
	run(0, "backup key --lab --out "+keyFile)
	run(66, "backup key --lab --out "+keyFile)
	elsewhere := " --from " + place + " --key " + keyFile
	run(0, "backup verify"+elsewhere)
	t.Run("on another machine", func(t *testing.T) { v.reviveElsewhere(t, place, keyFile, made.Snapshot) })
	breakOnePack(t, place)
	if got := run(1, "backup verify --json"+elsewhere); len(decode[backup.Report](t, got.out)[0].Messages) == 0 {
		t.Errorf("damaged, and no message is named: %s", got.out)
	}
	run(1, "backup verify --lab")
}

// fill puts messages into the administrator's INBOX.
func (v village) fill(t *testing.T, n int) {
	t.Helper()
	s := v.home.server
	v.write(t, func(tx *store.Tx) error {
		to, err := s.accounts.Standing(tx, 0)
		if err != nil {
			return err
		}
		for range n {
			sp := s.store.NewSpool()
			defer sp.Close()
			if _, err := sp.Write([]byte("Subject: " + strings.Repeat("x", 100) + "\r\n\r\n")); err != nil {
				return err
			}
			body, err := tx.PutBody(sp)
			if err == nil {
				_, err = mailbox.Deliver(tx, mailbox.Delivery{Account: int64(to.Account), Body: body, Size: sp.Size(), Received: tx.Now()})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (v village) write(t *testing.T, f func(*store.Tx) error) {
	t.Helper()
	if err := v.home.server.store.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// loseInbox removes all messages, as a person does by mistake.
func (v village) loseInbox(t *testing.T) {
	t.Helper()
	v.write(t, func(tx *store.Tx) error {
		to, err := v.home.server.accounts.Standing(tx, 0)
		if err != nil {
			return err
		}
		inbox, err := mailbox.FolderOf(tx, int64(to.Account), mailbox.Inbox)
		if err != nil {
			return err
		}
		all, err := mailbox.Messages(tx, inbox.ID, 0, 1000)
		if err != nil {
			return err
		}
		var uids []mailbox.UID
		for _, m := range all {
			uids = append(uids, m.UID)
		}
		_, err = mailbox.Expunge(tx, inbox.ID, uids)
		return err
	})
}

// count is how many messages a folder of the administrator has; -1 when there is none.
func (v village) count(t *testing.T, folder string) int64 {
	t.Helper()
	a, err := web.AccountShow.Do(t.Context(), v.client(), web.AccountName{Address: v.home.settings.Admin.String()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Folders {
		if f.Name == folder {
			return f.Messages
		}
	}
	return -1
}

// reviveElsewhere brings the whole server back where nothing is, and starts it.
func (v village) reviveElsewhere(t *testing.T, place, keyFile, snapshot string) {
	dir := t.TempDir()
	path := filepath.Join(dir, "allgreen.toml")
	args := "restore --all --yes --json --from " + place + " --key " + keyFile + " --at " + snapshot + " --config " + path
	got := allgreen(t, "", strings.Fields(args)...)
	if got.code != 0 {
		t.Fatalf("exit %d\n%s%s", got.code, got.out, got.err)
	}
	done := decode[backup.Revived](t, got.out)[0]
	if done.Messages != 40 {
		t.Errorf("brought back %+v", done)
	}
	again := allgreen(t, "", strings.Fields(args)...)
	if again.code != 1 || !strings.Contains(again.err, "hint: ") {
		t.Errorf("twice: exit %d\n%s", again.code, again.err)
	}
	settings, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{serverOptions: serverOptions{world: v.world, log: newLog(logOf(t), settings.Log), path: path, certs: v.home.certs}}
	if err := s.openState(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	defer s.store.Close()
	defer s.accounts.Close()
	if sameKeys(t, s.identity) != sameKeys(t, v.home.server.identity) || s.backups.Key().Secret() != v.home.server.backups.Key().Secret() {
		t.Error("the keys are others")
	}
	if _, err := s.accounts.Get(t.Context(), settings.Admin); err != nil {
		t.Error(err)
	}
}

func sameKeys(t *testing.T, id *identity.Identity) string {
	t.Helper()
	keys, err := id.Export(context.WithoutCancel(t.Context()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(keys)
}

// breakOnePack flips an octet in the middle of the largest pack.
func breakOnePack(t *testing.T, place string) {
	t.Helper()
	var largest string
	var size int64
	err := filepath.WalkDir(filepath.Join(place, "pack"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	data[300] ^= 1
	if err := os.WriteFile(largest, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
