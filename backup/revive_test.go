package backup_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// site is an empty place for a server.
type site struct {
	store.Options
	keys string // that were imported
}

func newSite(t testing.TB, postgreSQL string) *site {
	return &site{Options: store.Options{Dir: t.TempDir(), PostgreSQL: postgreSQL, Clock: func() time.Time { return noon.Add(time.Hour) }}}
}

func (s *site) open(ctx context.Context, as func(store.Schema) (store.Schema, error)) (*store.Store, error) {
	o := s.Options
	for _, schema := range schemas {
		schema, err := as(schema)
		if err != nil {
			return nil, err
		}
		o.Schemas = append(o.Schemas, schema)
	}
	return store.Open(ctx, o)
}

// revive brings the newest snapshot of a house onto a site.
func (s *site) revive(t *testing.T, h *house) (backup.Revived, error) {
	t.Helper()
	r, err := repository.Open(t.Context(), repository.NewFolder(h.place), h.key)
	must(t, err)
	newest, err := backup.Pick(t.Context(), r, "", noon.Add(2*time.Minute))
	must(t, err)
	v := backup.Revival{Repository: r, Snapshot: newest, Open: s.open, Progress: func(int64, int64) {},
		Import: func(_ context.Context, _ *store.Store, keys []byte) error { s.keys = string(keys); return nil }}
	return v.Run(t.Context())
}

// settle opens what was brought back.
func (s *site) settle(t *testing.T, h *house) *house {
	t.Helper()
	o := s.Options
	o.Schemas = schemas
	to := &house{t: t, clock: &clock{noon.Add(time.Hour)}, place: h.place, key: h.key, random: h.random}
	to.moveIn(storetest.OpenWith(t, o))
	return to
}

// A server is brought back from the repository and the key alone, from either engine onto
// either.
func TestRevival(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		anna, bert := h.person("anna"), h.person("bert")
		must(t, h.people.SetPassword(t.Context(), anna, "correct horse battery"))
		for range 30 {
			h.change(anna, []string{"INBOX", "Work", "Work/Deep"})
		}
		must(t, h.Write(t.Context(), func(tx *store.Tx) error {
			if err := mailbox.PutScript(tx, int64(anna), "mine", "keep;"); err != nil {
				return err
			}
			if err := mailbox.RemoveFolder(tx, int64(bert), "Archive"); err != nil {
				return err
			}
			return mailbox.SetQuota(tx, int64(bert), mailbox.Quota{Bytes: 5000})
		}))
		h.backup()
		h.restore(backup.Request{Address: "anna@example.com"}) // such folders are not in the next
		h.clock.now = noon.Add(time.Minute)
		h.backup()
		t.Run("SQLite", func(t *testing.T) { reviveAndCompare(t, h, newSite(t, ""), anna, bert) })
		t.Run("PostgreSQL", func(t *testing.T) { reviveAndCompare(t, h, newSite(t, storetest.PostgreSQL(t)), anna, bert) })
	})
}

func reviveAndCompare(t *testing.T, h *house, s *site, anna, bert account.ID) {
	done, err := s.revive(t, h)
	must(t, err)
	if done.Accounts != 2 || len(done.Missing) > 0 || s.keys != `{"keys":"secret"}` {
		t.Errorf("brought back %+v, keys %s", done, s.keys)
	}
	to := s.settle(t, h)
	for _, id := range []account.ID{anna, bert} {
		if diff := cmp.Diff(withoutTrees(h.contents(id)), to.contents(id)); diff != "" {
			t.Errorf("account %d: %s", id, diff)
		}
	}
	old := map[string]mailbox.Folder{}
	for _, f := range h.folders(anna) {
		old[f.Name] = f
	}
	for _, f := range to.folders(anna) {
		was := old[f.Name]
		if f.UIDValidity <= was.UIDValidity || f.Role != was.Role || f.Subscribed != was.Subscribed || !f.Created.Equal(was.Created) || f.Messages != was.Messages || f.Sealed {
			t.Errorf("%s is %+v, was %+v", f.Name, f, was)
		}
	}
	must(t, to.Read(t.Context(), func(tx *store.Tx) error {
		room, _, err := mailbox.Usage(tx, int64(bert))
		if err != nil || room.Bytes != 5000 {
			t.Errorf("quota %+v, %v", room, err)
		}
		script, err := mailbox.Script(tx, int64(anna), "mine")
		if err != nil || script.Text != "keep;" {
			t.Errorf("script %+v, %v", script, err)
		}
		return nil
	}))
	if _, err := to.people.Create(t.Context(), account.New{Address: mail.Address{Local: "anna", Domain: domain}}); !errors.Is(err, account.ErrExists) {
		t.Errorf("anna again: %v", err)
	}
	if id := to.person("carl"); id <= bert {
		t.Errorf("the next account is %d", id)
	}
	to.backup() // goes on in the same repository
}

// Where somebody has mail already nothing is brought back.
func TestRevivalNeedsRoom(t *testing.T) {
	h := open(t, store.Options{})
	h.person("anna")
	h.backup()
	s := newSite(t, "")
	st, err := s.open(t.Context(), func(s store.Schema) (store.Schema, error) { return s, nil })
	must(t, err)
	zoe := &house{t: t, clock: &clock{noon}, key: h.key}
	zoe.moveIn(st)
	zoe.person("zoe")
	must(t, st.Close())
	if _, err := s.revive(t, h); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("brought back beside others: %v", err)
	}
}

// Stopped at any point, a revival goes on where it was, and nobody may work before it has
// ended.
func TestRevivalStopped(t *testing.T) {
	h := open(t, store.Options{})
	anna, bert := h.person("anna"), h.person("bert")
	for range 12 {
		h.change(anna, []string{"INBOX", "Work"})
		h.change(bert, []string{"INBOX", "Sent"})
	}
	h.backup()
	r, err := repository.Open(t.Context(), repository.NewFolder(h.place), h.key)
	must(t, err)
	newest, err := backup.Pick(t.Context(), r, "", noon.Add(2*time.Minute))
	must(t, err)
	s := newSite(t, "")
	for left := 0; ; left++ {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		v := backup.Revival{Repository: r, Snapshot: newest, Open: s.open, Progress: func(int64, int64) {},
			Import: func(context.Context, *store.Store, []byte) error { return nil },
			Structure: func(io.Reader) ([]byte, error) {
				if n++; n > left {
					cancel()
				}
				return []byte{1}, nil
			}}
		_, err := v.Run(ctx)
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		st, err := s.open(t.Context(), func(s store.Schema) (store.Schema, error) { return s, nil })
		must(t, err)
		if unfinished, err := backup.Unfinished(t.Context(), st); err != nil || unfinished == "" {
			t.Fatalf("stopped after %d messages, and nothing says so: %v", left, err)
		}
		must(t, st.Close())
	}
	to := s.settle(t, h)
	for _, id := range []account.ID{anna, bert} {
		if diff := cmp.Diff(h.contents(id), to.contents(id)); diff != "" {
			t.Errorf("account %d: %s", id, diff)
		}
	}
	if unfinished, err := backup.Unfinished(t.Context(), to.Store); err != nil || unfinished != "" {
		t.Errorf("finished, and %q, %v", unfinished, err)
	}
}
