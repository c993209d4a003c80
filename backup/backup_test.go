package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

var schemas = []store.Schema{account.Schema, mailbox.Schema, backup.Schema}

// clock is a time that the test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// house is a store with accounts and a Keeper over it.
type house struct {
	*store.Store
	t       testing.TB
	clock   *clock
	people  *account.Directory
	keeper  *backup.Keeper
	place   string
	key     repository.Key
	letters []backup.Letter
	alerts  []string
	random  *rand.Rand
}

var domain = mail.MustParseDomain("example.com")

func open(t testing.TB, o store.Options) *house {
	t.Helper()
	h := &house{t: t, clock: &clock{noon}, place: filepath.Join(t.TempDir(), "backups"), random: rand.New(rand.NewPCG(1, 2))}
	o.Schemas, o.Clock = schemas, h.clock.Now
	h.moveIn(storetest.OpenWith(t, o))
	return h
}

// moveIn makes the directory and the Keeper over a store.
func (h *house) moveIn(st *store.Store) {
	t := h.t
	t.Helper()
	h.Store = st
	h.people = account.Open(h.Store, account.Options{
		Domains: []mail.Domain{domain},
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) },
		Deleted: func(tx *store.Tx, id account.ID) error { return mailbox.Remove(tx, int64(id)) },
	})
	t.Cleanup(h.people.Close)
	if h.key.IsZero() {
		key, err := repository.NewKey()
		must(t, err)
		h.key = key
	}
	h.keeper = backup.New(backup.Options{
		Store: h.Store, Now: h.clock.Now, Find: h.people.Get, Dir: t.TempDir(), Host: "mx.example.com", Program: "test",
		Export: func(context.Context) ([]byte, error) { return []byte(`{"keys":"secret"}`), nil },
		Write: func(l backup.Letter) ([]byte, error) {
			return []byte("Subject: " + l.Subject + "\r\n\r\n" + l.Text), nil
		},
		Deliver: h.deliver,
		Alert:   func(_ context.Context, subject, _ string) { h.alerts = append(h.alerts, subject) },
	}, h.settings())
}

func (h *house) settings() backup.Settings {
	return backup.Settings{Place: repository.NewFolder(h.place), Key: h.key, Keep: backup.Retention{Daily: 7, Weekly: 4, Monthly: 6}, Text: []byte("hostname = \"mx.example.com\"\n")}
}

// deliver stands for accept.
func (h *house) deliver(ctx context.Context, l backup.Letter) error {
	err := h.Write(ctx, func(tx *store.Tx) error {
		if l.Also != nil {
			return l.Also(tx)
		}
		return nil
	})
	if err == nil {
		h.letters = append(h.letters, l)
	}
	return err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) person(name string) account.ID {
	h.t.Helper()
	id, err := h.people.Create(h.t.Context(), account.New{Address: mail.Address{Local: name, Domain: domain}})
	must(h.t, err)
	return id
}

// put appends a message of some text.
func (h *house) put(folder mailbox.FolderID, text string, flags mailbox.Flags, keywords ...string) {
	h.t.Helper()
	h.putAll(folder, []string{text}, flags, keywords...)
}

func (h *house) putAll(folder mailbox.FolderID, texts []string, flags mailbox.Flags, keywords ...string) {
	h.t.Helper()
	var spools []*store.Spool
	for _, text := range texts {
		sp := h.NewSpool()
		defer sp.Close()
		_, err := sp.Write([]byte(text))
		must(h.t, err)
		must(h.t, sp.Place(h.t.Context()))
		spools = append(spools, sp)
	}
	must(h.t, h.Write(h.t.Context(), func(tx *store.Tx) error {
		var all []mailbox.Delivery
		for i, sp := range spools {
			body, err := tx.PutBody(sp)
			if err != nil {
				return err
			}
			all = append(all, mailbox.Delivery{Body: body, Size: sp.Size(), Received: h.clock.now.Add(time.Duration(i) * time.Second), Flags: flags, Keywords: keywords, Trace: "t1", Structure: []byte{1}})
		}
		_, _, err := mailbox.AppendAll(tx, folder, all)
		return err
	}))
}

func (h *house) folder(id account.ID, name string) mailbox.FolderID {
	h.t.Helper()
	var f mailbox.Folder
	must(h.t, h.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		f, err = mailbox.FolderNamed(tx, int64(id), name)
		if errors.Is(err, mailbox.ErrNoFolder) {
			f.ID, err = mailbox.NewFolder(tx, mailbox.Folder{Account: int64(id), Name: name, Subscribed: true})
		}
		return err
	}))
	return f.ID
}

// backup makes one.
func (h *house) backup() backup.Taken {
	h.t.Helper()
	done, err := h.keeper.Now(h.t.Context(), func(int64, int64) {})
	must(h.t, err)
	return done
}

// letter is a message as a reader sees it.
type letter struct {
	Text     string
	Received time.Time
	Flags    mailbox.Flags
	Keywords string
}

// contents gives what is in the folders of an account, by name, without the notes of
// restored trees.
func (h *house) contents(id account.ID) map[string][]letter {
	h.t.Helper()
	all := map[string][]letter{}
	for _, f := range h.folders(id) {
		all[f.Name] = h.messages(f.ID)
	}
	return all
}

func (h *house) folders(id account.ID) (all []mailbox.Folder) {
	h.t.Helper()
	must(h.t, h.Read(h.t.Context(), func(tx *store.Tx) (err error) {
		all, err = mailbox.Folders(tx, int64(id))
		return err
	}))
	return all
}

func (h *house) messages(id mailbox.FolderID) (all []letter) {
	h.t.Helper()
	err := mailbox.FetchPages(h.t.Context(), h.Store, id, []mailbox.UIDRange{{First: 1, Last: 1<<32 - 1}}, mailbox.Facts, func(m *mailbox.Message) error {
		body, err := h.OpenBody(h.t.Context(), m.Body)
		if err != nil {
			return err
		}
		defer body.Close()
		text, err := io.ReadAll(body)
		all = append(all, letter{string(text), m.Received, m.Flags, strings.Join(m.Keywords, " ")})
		return err
	})
	must(h.t, err)
	return all
}

// rowsOf dumps every row of the folders that are there, to see that none changes.
func (h *house) rowsOf(folders []mailbox.Folder) string {
	h.t.Helper()
	var b bytes.Buffer
	must(h.t, h.Read(h.t.Context(), func(tx *store.Tx) error {
		b.Reset()
		for _, f := range folders {
			for _, q := range []string{
				`SELECT id, account, name, COALESCE(role, ''), subscribed, uidvalidity, uidnext, modseq, messages, unseen, bytes, uncounted, sealed, created, expires, forgotten FROM mailbox_folder WHERE id = $1`,
				`SELECT uid, modseq, altered, body, size, received, flags, keywords, trace FROM mailbox_message WHERE folder = $1 ORDER BY uid`,
				`SELECT message, structure FROM mailbox_structure WHERE message >> 32 = $1 ORDER BY message`,
				`SELECT modseq, uid, last, time FROM mailbox_tombstone WHERE folder = $1 ORDER BY modseq, uid`,
				`SELECT first, last FROM mailbox_gap WHERE folder = $1 ORDER BY first`,
			} {
				if err := dumpRows(tx, &b, q, int64(f.ID)); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	return b.String()
}

func dumpRows(tx *store.Tx, b *bytes.Buffer, query string, arg any) error {
	columns := strings.Count(query[:strings.Index(query, " FROM ")], ",") + 1 - strings.Count(query, ", '')")
	rows, err := tx.Rows(query, arg)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, dest := make([]any, columns), make([]any, columns)
	for i := range dest {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		fmt.Fprintln(b, values...)
	}
	return rows.Err()
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Run("SQLite", func(t *testing.T) { f(t, open(t, store.Options{})) })
	t.Run("PostgreSQL", func(t *testing.T) { f(t, open(t, store.Options{PostgreSQL: storetest.PostgreSQL(t)})) })
}

func (h *house) restore(q backup.Request) backup.Restored {
	h.t.Helper()
	done, err := h.keeper.Restore(h.t.Context(), q, func(int64, int64) {})
	must(h.t, err)
	return done
}

func (h *house) randomText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(' ' + h.random.IntN(60))
	}
	return fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", h.random.Uint32(), b)
}

// A random mailbox is changed at random, restored at random, and nothing that was there
// changes by a single octet; what came back is what was.
func TestRestoreChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna, bert := h.person("anna"), h.person("bert")
		names := []string{"INBOX", "Sent", "Work", "Work/Äpfel & <Birnen>", "Archive", "Odd \"name\""}
		type past struct {
			at   time.Time
			held map[string][]letter
		}
		var pasts []past
		for round := range 4 {
			for range 20 {
				h.change(anna, names)
			}
			h.change(bert, names)
			h.clock.now = h.clock.now.Add(time.Hour)
			done := h.backup()
			pasts = append(pasts, past{done.Time, withoutTrees(h.contents(anna))})
			before := h.folders(anna)
			rows, others := h.rowsOf(before), h.rowsOf(h.folders(bert))
			p := pasts[h.random.IntN(len(pasts))]
			restored := h.restore(backup.Request{Address: "anna@example.com", At: p.at.Add(time.Minute)})
			if rows != h.rowsOf(before) || others != h.rowsOf(h.folders(bert)) {
				t.Fatalf("round %d: something that was there has changed", round)
			}
			h.compareTree(anna, restored.Tree, p.held)
			h.clock.now = h.clock.now.Add(time.Hour)
		}
	})
}

func withoutTrees(all map[string][]letter) map[string][]letter {
	for name := range all {
		if strings.HasPrefix(name, "Restored/") {
			delete(all, name)
		}
	}
	return all
}

func (h *house) compareTree(id account.ID, tree string, want map[string][]letter) {
	h.t.Helper()
	got := map[string][]letter{}
	for name, letters := range h.contents(id) {
		if rest, ok := strings.CutPrefix(name, tree+"/"); ok {
			got[rest] = letters
		}
	}
	if len(got) != len(want) {
		h.t.Errorf("%d folders came back, want %d", len(got), len(want))
	}
	for name, letters := range want {
		if !slices.Equal(got[name], letters) {
			h.t.Errorf("folder %q: %d messages came back, want %d, or they differ", name, len(got[name]), len(letters))
		}
	}
}

// change does something to a mailbox.
func (h *house) change(id account.ID, names []string) {
	h.t.Helper()
	folder := h.folder(id, names[h.random.IntN(len(names))])
	switch h.random.IntN(5) {
	case 0, 1:
		h.put(folder, h.randomText(h.random.IntN(3000)), mailbox.Flags(h.random.IntN(32)), "$Forwarded", "work")
	case 2:
		h.put(folder, h.randomText(h.random.IntN(300_000)), 0)
	case 3:
		must(h.t, h.Write(h.t.Context(), func(tx *store.Tx) error {
			all, err := mailbox.Messages(tx, folder, 0, 3)
			for _, m := range all {
				if err == nil {
					_, err = mailbox.Expunge(tx, folder, []mailbox.UID{m.UID})
				}
			}
			return err
		}))
	case 4:
		must(h.t, h.Write(h.t.Context(), func(tx *store.Tx) error {
			_, _, err := mailbox.SetFlags(tx, folder, []mailbox.UID{1, 2, 3}, mailbox.FlagChange{Op: mailbox.ReplaceFlags, Flags: mailbox.Flags(h.random.IntN(32))})
			return err
		}))
	}
}

// The tree is sealed, outside of the quota, explained, and gone in a week; the owner is
// told once, a day before.
func TestTree(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna := h.person("anna")
		work := h.folder(anna, "Work")
		h.put(h.folder(anna, "INBOX"), "Subject: one\r\n\r\n", mailbox.Seen)
		h.put(work, "Subject: two\r\n\r\n", mailbox.Flagged)
		h.put(h.folder(anna, "Work/Deep"), "Subject: three\r\n\r\n", 0)
		h.backup()
		first := h.restore(backup.Request{Address: "anna@example.com", Folders: []string{"Work"}})
		second := h.restore(backup.Request{Address: "anna@example.com", Folders: []string{"inbox"}})
		if first.Tree != "Restored/20261121T120000" || second.Tree != "Restored/20261121T120001" || first.Brought != 2 || second.Brought != 1 {
			t.Errorf("restored %+v and %+v", first, second)
		}
		all := h.contents(anna)
		note := all[first.Tree]
		if len(note) != 1 || !strings.Contains(note[0].Text, "Saturday, 28 November 2026, 12:00 UTC") || len(all[first.Tree+"/Work/Deep"]) != 1 {
			t.Errorf("the note: %v", note)
		}
		must(t, h.Write(t.Context(), func(tx *store.Tx) error {
			f, err := mailbox.FolderNamed(tx, int64(anna), first.Tree+"/Work")
			if err != nil {
				return err
			}
			_, used, err := mailbox.Usage(tx, int64(anna))
			if err != nil {
				return err
			}
			if !f.Sealed || !f.Uncounted || !f.Subscribed || used.Messages != 3 || f.Expires != noon.Add(7*24*time.Hour) {
				t.Errorf("the folder is %+v, and %d messages count", f, used.Messages)
			}
			if _, err := mailbox.Copy(tx, work, []mailbox.UID{1}, f.ID); !errors.Is(err, mailbox.ErrSealed) {
				t.Errorf("copying into it: %v", err)
			}
			return mailbox.Rename(tx, int64(anna), first.Tree+"/Work/Deep", "Kept")
		}))
		h.clock.now = noon.Add(6*24*time.Hour + time.Hour)
		for range 3 {
			h.keeper.Tend(t.Context())
		}
		if len(h.letters) != 2 || !strings.Contains(h.letters[0].Text, first.Tree) || h.letters[0].Account != anna {
			t.Errorf("reminded: %v", h.letters)
		}
		h.clock.now = noon.Add(8 * 24 * time.Hour)
		_, err := mailbox.Sweep(t.Context(), h.Store)
		must(t, err)
		all = h.contents(anna)
		if len(all) != 9 || len(all["Kept"]) != 1 {
			t.Errorf("after a week: %v", all)
		}
	})
}

func TestRemove(t *testing.T) {
	h := open(t, store.Options{})
	anna := h.person("anna")
	h.put(h.folder(anna, "INBOX"), "Subject: one\r\n\r\n", 0)
	h.backup()
	first, second := h.restore(backup.Request{Address: "anna@example.com"}), h.restore(backup.Request{Address: "anna@example.com"})
	n, err := h.keeper.Remove(t.Context(), "anna@example.com", strings.TrimPrefix(first.Tree, "Restored/"))
	must(t, err)
	all := h.contents(anna)
	if _, there := all[first.Tree]; n != 7 || there || len(all[second.Tree+"/INBOX"]) != 1 {
		t.Errorf("%d folders removed, left %v", n, all)
	}
	if _, err := h.keeper.Remove(t.Context(), "anna@example.com", "INBOX"); !errors.Is(err, mailbox.ErrNoFolder) {
		t.Errorf("removing what was not restored: %v", err)
	}
	if _, err = h.keeper.Remove(t.Context(), "anna@example.com", ""); err != nil || len(h.folders(anna)) != 6 {
		t.Errorf("removing all: %v, %v", err, h.folders(anna))
	}
}

func TestRequests(t *testing.T) {
	h := open(t, store.Options{})
	anna := h.person("anna")
	h.put(h.folder(anna, "INBOX"), "Subject: one\r\n\r\n", 0)
	if _, err := h.keeper.Plan(t.Context(), backup.Request{Address: "anna@example.com"}); !errors.Is(err, repository.ErrNone) {
		t.Errorf("no repository: %v", err)
	}
	h.backup()
	for _, tt := range []struct {
		q    backup.Request
		want error
	}{
		{backup.Request{Address: "nobody@example.com"}, backup.ErrNoAccount},
		{backup.Request{Address: "anna@example.com", At: noon.Add(-time.Hour)}, backup.ErrNoSnapshot},
		{backup.Request{Address: "anna@example.com", Folders: []string{"Nowhere"}}, backup.ErrNoFolder},
		{backup.Request{Address: "anna@example.com", Folders: []string{"Sent", "Inbox"}}, nil},
	} {
		p, err := h.keeper.Plan(t.Context(), tt.q)
		if !errors.Is(err, tt.want) || err == nil && (len(p.Folders) != 2 || p.Messages != 1) {
			t.Errorf("%+v: %+v, %v, want %v", tt.q, p, err, tt.want)
		}
	}
	must(t, os.RemoveAll(h.place))
	if _, err := h.keeper.Now(t.Context(), func(int64, int64) {}); !errors.Is(err, repository.ErrNone) {
		t.Errorf("the disk is not mounted: %v", err)
	}
}

// What did not change is not stored again, and not read.
func TestIncremental(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna := h.person("anna")
		inbox, sent := h.folder(anna, "INBOX"), h.folder(anna, "Sent")
		for i := range 20 {
			h.put(inbox, h.randomText(1000+i), 0)
		}
		h.put(sent, h.randomText(2<<20), 0)
		first := h.backup()
		if first.Read != 21 || first.Messages != 21 || first.Changed != 6 {
			t.Errorf("the first: %+v", first)
		}
		second := h.backup()
		if second.Read != 0 || second.Unchanged != 6 || second.Written.Objects > 0 {
			t.Errorf("nothing changed: %+v", second)
		}
		must(t, h.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := mailbox.Copy(tx, inbox, []mailbox.UID{1, 2}, sent); err != nil {
				return err
			}
			_, _, err := mailbox.SetFlags(tx, inbox, []mailbox.UID{5}, mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Seen})
			return err
		}))
		third := h.backup()
		if third.Read != 2 || third.Changed != 2 || third.Written.Bytes > 20_000 {
			t.Errorf("two copies and a flag: %+v", third)
		}
	})
}
