package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/web"
)

// The server is killed while it makes backups and while it restores. Every backup that
// was there is sound, every restored tree that anybody sees is whole, and nothing else in
// any mailbox has changed.
func TestCrashOfBackups(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { killBackups(t, newShip(t, "")) })
	t.Run("PostgreSQL", func(t *testing.T) { killBackups(t, newShip(t, storetest.PostgreSQL(t))) })
}

// freight is how many messages the mailbox of the test has.
const freight = 150

func killBackups(t *testing.T, s *ship) {
	place := filepath.Join(t.TempDir(), "backups")
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, append(text, fmt.Sprintf("[backup]\nto = %q\ntimes = []\n", place)...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	s.man(t)
	s.load(t)
	s.start(t)
	first := s.finish(t, web.BackupNow, web.None{})
	s.kill(t)
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	before := s.holds(t)
	for n := range max(6, crashes(t)/5) {
		s.start(t)
		switch n % 2 {
		case 0:
			_, err = web.RestoreRun.Do(t.Context(), s.client(), web.RestoreQuery{Address: shipCrew[0], Name: first.Snapshot})
		case 1:
			_, err = web.BackupNow.Do(t.Context(), s.client(), web.None{})
			if e, ok := err.(*web.Error); ok && e.Kind == web.Conflict {
				err = nil // the lease of the one that was killed
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		linger(t, time.Duration(random.IntN(250))*time.Millisecond)
		s.kill(t)
		if after := s.holds(t); after != before {
			t.Fatalf("after crash %d something in the mailboxes has changed:\n%s\nwas\n%s", n, after, before)
		}
	}
	s.start(t)
	key, err := web.BackupKey.Do(t.Context(), s.client(), web.None{})
	if err != nil {
		t.Fatal(err)
	}
	s.kill(t)
	soundAfterCrashes(t, place, key.Secret)
}

func soundAfterCrashes(t *testing.T, place, secret string) {
	t.Helper()
	key, err := repository.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(t.Context(), repository.NewFolder(place), key)
	if err != nil {
		t.Fatal(err)
	}
	report, err := backup.Check(t.Context(), r, func(int64, int64) {})
	if err != nil || !report.Sound() || report.Snapshots == 0 {
		t.Errorf("the backups after the crashes: %+v, %v", report, err)
	}
}

// finish waits for a backup.
func (s *ship) finish(t *testing.T, call web.Call[web.None, web.JobName], in web.None) backup.Taken {
	t.Helper()
	name, err := call.Do(t.Context(), s.client(), in)
	if err != nil {
		t.Fatal(err)
	}
	done, err := web.Await[backup.Taken](t.Context(), s.client(), name, func(web.JobState) {})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// load fills a mailbox while nobody serves.
func (s *ship) load(t *testing.T) {
	t.Helper()
	st := s.open(t, s.settings.Data)
	defer st.Close()
	err := st.Write(t.Context(), func(tx *store.Tx) error {
		inbox, err := mailbox.FolderOf(tx, 1, mailbox.Inbox)
		if err != nil {
			return err
		}
		for n := range freight {
			sp := st.NewSpool()
			defer sp.Close()
			fmt.Fprintf(sp, "Subject: %d\r\n\r\n%s\r\n", n, strings.Repeat("freight ", 500))
			body, err := tx.PutBody(sp)
			if err == nil {
				_, _, err = mailbox.Append(tx, inbox.ID, mailbox.Delivery{Body: body, Size: sp.Size(), Received: tx.Now(), Flags: mailbox.Seen})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// holds are all rows of the folders that people have, but for restored trees, of which
// it sees that each is whole.
func (s *ship) holds(t *testing.T) string {
	t.Helper()
	st := s.open(t, s.settings.Data)
	defer st.Close()
	var b strings.Builder
	s.read(t, st, func(tx *store.Tx) error {
		b.Reset()
		err := each(tx, `SELECT f.id, f.account, f.name, f.uidvalidity, f.uidnext, f.modseq, f.messages, f.unseen, f.bytes, f.sealed,
				(SELECT count(*) FROM mailbox_message m JOIN store_body b ON b.id = m.body WHERE m.folder = f.id)
			FROM mailbox_folder f WHERE f.account > 0 ORDER BY f.id`, func(rows *store.Rows) error {
			var f mailbox.Folder
			var id, validity, next, there int64
			if err := rows.Scan(&id, &f.Account, &f.Name, &validity, &next, &f.ModSeq, &f.Messages, &f.Unseen, &f.Bytes, &f.Sealed, &there); err != nil {
				return err
			}
			if there != f.Messages {
				t.Errorf("%s counts %d messages and has %d", f.Name, f.Messages, there)
			}
			if !strings.HasPrefix(f.Name, backup.TreeTop+"/") {
				fmt.Fprintln(&b, id, f.Account, f.Name, validity, next, f.ModSeq, f.Messages, f.Unseen, f.Bytes, f.Sealed)
			} else if strings.HasSuffix(f.Name, "/INBOX") && there != freight {
				t.Errorf("%s has %d messages of %d: half a tree is shown", f.Name, there, freight)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return each(tx, `SELECT m.folder, m.uid, m.modseq, m.altered, m.body, m.flags FROM mailbox_message m JOIN mailbox_folder f ON f.id = m.folder
			WHERE f.account > 0 AND f.name NOT LIKE 'Restored/%' ORDER BY m.folder, m.uid`, func(rows *store.Rows) error {
			var row [6]int64
			err := rows.Scan(&row[0], &row[1], &row[2], &row[3], &row[4], &row[5])
			fmt.Fprintln(&b, row)
			return err
		})
	})
	return b.String()
}
