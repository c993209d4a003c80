package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// ErrNotEmpty: a whole server is brought back only where there is none.
var ErrNotEmpty = errors.New("there are accounts already")

// Revival brings a whole server back.
type Revival struct {
	Repository *repository.Repository
	Snapshot   *Snapshot
	// Open opens the store with each schema as the function makes it.
	Open func(ctx context.Context, as func(store.Schema) (store.Schema, error)) (*store.Store, error)
	// Import puts keys and secrets into a store that has none.
	Import    func(ctx context.Context, st *store.Store, keys []byte) error
	Structure func(io.Reader) ([]byte, error)
	Progress  func(done, of int64)
}

// Revived is what came back.
type Revived struct {
	Snapshot string    `json:"snapshot"`
	Time     time.Time `json:"time"`
	Accounts int       `json:"accounts"`
	Folders  int       `json:"folders"`
	Messages int64     `json:"messages"`
	Missing  []Lost    `json:"missing,omitempty"`
}

// Lost is what the backup could not give.
type Lost struct {
	Address string `json:"address"`
	Missing
}

// Pick gives the snapshot of a name, or the newest that is not younger than a time and can
// be read; the zero time asks for the newest of all.
func Pick(ctx context.Context, r *repository.Repository, name string, at time.Time) (*Snapshot, error) {
	return Request{Name: name, At: at}.snapshot(ctx, r)
}

// SettingsOf gives the text of the configuration in a snapshot.
func SettingsOf(ctx context.Context, r *repository.Repository, s *Snapshot) ([]byte, error) {
	in, err := r.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	text, err := s.settings(ctx, in)
	return text, errors.Join(err, in.Close())
}

// Unfinished gives the name of the snapshot that was being brought back when something
// stopped it; empty when nothing was. Until it is finished nobody may work here.
func Unfinished(ctx context.Context, st *store.Store) (snapshot string, err error) {
	err = st.Read(ctx, func(tx *store.Tx) error {
		snapshot, err = fact(tx, factRestoring)
		return err
	})
	return snapshot, err
}

// Run brings everything back into a store without accounts. Stopped at any point, it
// goes on where it was when it is run again with the same snapshot.
func (v *Revival) Run(ctx context.Context) (done Revived, err error) {
	done = Revived{Snapshot: v.Snapshot.Name, Time: v.Snapshot.Time}
	in, err := v.Repository.NewReader(ctx)
	if err != nil {
		return done, err
	}
	defer in.Close()
	if err := v.loadTables(ctx, in); err != nil {
		return done, fmt.Errorf("bring back the tables: %w", err)
	}
	st, err := v.Open(ctx, func(s store.Schema) (store.Schema, error) { return s, nil })
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	keys, err := v.Snapshot.identity(ctx, in)
	if err != nil {
		return done, fmt.Errorf("bring back the keys: %w", err)
	}
	if err := v.Import(ctx, st, keys); err != nil {
		return done, err
	}
	if err := v.bringAccounts(ctx, st, in, &done); err != nil {
		return done, err
	}
	return done, st.Write(ctx, func(tx *store.Tx) error { return setFact(tx, factRestoring, "") })
}

// loaded ends the fact of a restore whose tables are there.
const loaded = " loaded"

// loadTables fills the tables as they were when the snapshot was taken; opening the
// store again brings them to the version of this program.
func (v *Revival) loadTables(ctx context.Context, in *repository.Reader) error {
	st, err := v.Open(ctx, func(s store.Schema) (store.Schema, error) {
		return s.At(min(v.Snapshot.Schemas[s.Name], len(s.Versions)))
	})
	if errors.Is(err, store.ErrNewer) { // they were loaded, and brought to the version of this program
		st, err = v.Open(ctx, func(s store.Schema) (store.Schema, error) { return s, nil })
	}
	if err != nil {
		return err
	}
	return errors.Join(v.load(ctx, st, in), st.Close())
}

func (v *Revival) load(ctx context.Context, st *store.Store, in *repository.Reader) error {
	was, err := v.claim(ctx, st)
	if err != nil || was == v.Snapshot.Name+loaded {
		return err
	}
	for name, version := range v.Snapshot.Schemas {
		if have, ok := st.Versions()[name]; ok && version > have {
			return fmt.Errorf("the tables of %s have version %d, this program knows %d: use a newer one", name, version, have)
		}
	}
	spool := st.NewSpool()
	defer spool.Close()
	for _, d := range v.Snapshot.Tables {
		piece, err := in.Get(ctx, d)
		if err == nil {
			_, err = io.Copy(spool, bytes.NewReader(piece))
		}
		if err != nil {
			return err
		}
	}
	rows, err := spool.Open()
	if err != nil {
		return err
	}
	defer rows.Close()
	if err := st.Load(ctx, rows); err != nil {
		return err
	}
	return st.Write(ctx, func(tx *store.Tx) error { return setFact(tx, factRestoring, v.Snapshot.Name+loaded) })
}

// claim makes sure that nobody has anything here but what an earlier try has brought.
func (v *Revival) claim(ctx context.Context, st *store.Store) (was string, err error) {
	err = st.Write(ctx, func(tx *store.Tx) error {
		if was, err = fact(tx, factRestoring); err != nil || was == v.Snapshot.Name || was == v.Snapshot.Name+loaded {
			return err
		}
		accounts, err := account.Accounts(tx)
		if err != nil {
			return err
		}
		if was != "" {
			return fmt.Errorf("%w: an earlier try to bring back snapshot %.40s was stopped", ErrNotEmpty, was)
		}
		if len(accounts) > 0 {
			return ErrNotEmpty
		}
		return setFact(tx, factRestoring, v.Snapshot.Name)
	})
	return was, err
}

// bringAccounts brings the folders of one account after the other.
func (v *Revival) bringAccounts(ctx context.Context, st *store.Store, in *repository.Reader, done *Revived) error {
	if err := giveUpAll(ctx, st); err != nil {
		return err
	}
	for _, a := range v.Snapshot.Accounts {
		if err := v.bringAccount(ctx, st, in, a, done); err != nil {
			return fmt.Errorf("bring back %s: %w", a.Address, err)
		}
		done.Accounts++
	}
	return nil
}

// giveUpAll discards what an earlier try has left: nobody else is at work.
func giveUpAll(ctx context.Context, st *store.Store) error {
	return st.Write(ctx, func(tx *store.Tx) error {
		ids, err := numbers(tx, `SELECT folder FROM backup_filling ORDER BY folder`)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := mailbox.Discard(tx, mailbox.FolderID(id)); err != nil {
				return err
			}
		}
		_, err = tx.Exec(`DELETE FROM backup_filling`)
		return err
	})
}

// bringAccount fills the folders of an account and shows them at once, so that an account
// with folders is one that is done.
func (v *Revival) bringAccount(ctx context.Context, st *store.Store, in *repository.Reader, a AccountEntry, done *Revived) error {
	var there []mailbox.Folder
	err := st.Read(ctx, func(tx *store.Tx) (err error) {
		there, err = mailbox.Folders(tx, a.ID)
		return err
	})
	if err != nil {
		return err
	}
	if len(there) > 0 {
		for _, f := range there {
			done.Folders, done.Messages = done.Folders+1, done.Messages+f.Messages
		}
		return nil
	}
	folders, err := readFolders(ctx, in, a)
	if repository.IsDamage(err) {
		done.Missing = append(done.Missing, Lost{a.Address, Missing{Why: "all folders: " + err.Error()}})
	} else if err != nil {
		return err
	}
	return v.bringFolders(ctx, st, in, a, withInbox(folders), done)
}

// withInbox adds an INBOX where there is none: mail must go somewhere.
func withInbox(all []Folder) []Folder {
	for _, f := range all {
		if f.Role == mailbox.Inbox {
			return all
		}
	}
	return append(all, Folder{Name: "INBOX", Role: mailbox.Inbox, Subscribed: true})
}

func (v *Revival) bringFolders(ctx context.Context, st *store.Store, in *repository.Reader, a AccountEntry, folders []Folder, done *Revived) error {
	f, err := newFilling(ctx, st, in, a.ID, v.Structure)
	if err != nil {
		return err
	}
	defer f.close()
	ids := make([]mailbox.FolderID, len(folders))
	for i, folder := range folders {
		if ids[i], err = f.folder(folder.Name); err != nil {
			return err
		}
		before := done.Messages
		brought, missing, err := f.fill(ids[i], folder, func(n int64) { v.Progress(before+n, v.Snapshot.Messages) })
		done.Messages += brought
		for _, m := range missing {
			done.Missing = append(done.Missing, Lost{a.Address, m})
		}
		if err != nil {
			return fmt.Errorf("folder %q: %w", folder.Name, err)
		}
	}
	err = st.Write(ctx, func(tx *store.Tx) error {
		for i, folder := range folders {
			if err := mailbox.Show(tx, ids[i], mailbox.Folder{
				Account: a.ID, Name: folder.Name, Role: folder.Role, Subscribed: folder.Subscribed, Uncounted: folder.Uncounted,
				Created: store.FromMicros(folder.Created),
			}); err != nil {
				return err
			}
		}
		return f.settle(tx)
	})
	done.Folders += len(folders)
	return err
}
