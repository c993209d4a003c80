package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Index finds messages by their words. It is a store of its own beside that of the
// mailboxes, so that what it writes never stands in the way of a delivery: a folder
// within the data folder, or tables with connections of their own on PostgreSQL. All of
// it can be made again from the messages: losing it loses nothing.
//
// Run it in the background. It follows the deliveries; how far it has come is kept for
// each folder, and Search reads for itself what is behind that.
type Index struct {
	main, text *store.Store
	table      textTable
	log        *slog.Logger
}

// IndexOptions say where an index is.
type IndexOptions struct {
	Store      *store.Store // of the mailboxes
	Dir        string       // data folder; the index is in Dir/index
	PostgreSQL string       // connection string, that of Store; empty: SQLite
	Clock      func() time.Time
	Log        *slog.Logger // nil: nowhere
}

// textSchema is the tables of the index.
func textSchema() store.Schema {
	return store.Schema{Name: "mailbox_text", Versions: []store.Version{version("text")}}
}

// OpenIndex opens the index of a store of mailboxes, or begins it. An embedded one that
// is damaged is thrown away and begun again.
func OpenIndex(ctx context.Context, o IndexOptions) (*Index, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	x := &Index{main: o.Store, table: textSQLite{}, log: o.Log}
	where := store.Options{Dir: filepath.Join(o.Dir, "index"), PostgreSQL: o.PostgreSQL,
		Schemas: []store.Schema{textSchema()}, Clock: o.Clock, LogSize: indexLogSize, Cache: indexCache, Log: o.Log}
	var err error
	if x.text, err = store.Open(ctx, where); errors.Is(err, store.ErrCorrupt) && o.PostgreSQL == "" {
		o.Log.Warn("the index of words is damaged and will be made again", slog.Any("error", err))
		if err = os.RemoveAll(where.Dir); err == nil {
			x.text, err = store.Open(ctx, where)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the index of words: %w", err)
	}
	if x.text.Engine() == store.PostgreSQL {
		x.table = textPostgreSQL{}
	}
	return x, nil
}

// NoIndex is an index of nothing: Search reads every message.
func NoIndex(st *store.Store) *Index { return &Index{main: st, log: slog.New(slog.DiscardHandler)} }

// indexLogSize keeps the log of the embedded index small: a batch is some megabytes.
const indexLogSize = 16 << 20

// indexCache is small: the writer of the index appends, and hardly reads.
const indexCache = 4 << 20

// Close closes the index. Run must have ended.
func (x *Index) Close() error {
	if x.text == nil {
		return nil
	}
	return x.text.Close()
}

// Reached gives the UID up to which a folder is indexed; zero: not at all.
func (x *Index) Reached(ctx context.Context, folder FolderID) (uid UID, err error) {
	if x.text == nil {
		return 0, nil
	}
	err = x.text.Read(ctx, func(tx *store.Tx) error {
		p, err := progressOf(tx, folder)
		uid = p.indexed
		return err
	})
	return uid, err
}

// textTable is the index as an engine has it.
type textTable interface {
	// add puts a message into it that is not there.
	add(tx *store.Tx, key int64, d *document) error
	// match gives the keys of the messages of a folder with a phrase, rising; a key may
	// come twice.
	match(tx *store.Tx, folder FolderID, p phrase, in Field) (*store.Rows, error)
	// drop takes out the keys of a range, whether they are there or not.
	drop(tx *store.Tx, first, last int64) error
}

// progress is how far a folder is indexed.
type progress struct {
	validity uint32
	indexed  UID   // up to this one
	cleaned  int64 // MODSEQ
}

// isOf reports whether the progress is that of a folder. A database that was restored
// may have another folder of that number, or an earlier state of it.
func (p progress) isOf(f Folder) bool { return p.validity == f.UIDValidity && p.indexed < f.UIDNext }

// progressOf gives how far a folder is indexed; the zero value where it is not at all.
func progressOf(tx *store.Tx, folder FolderID) (p progress, err error) {
	var validity, indexed int64
	err = tx.Row(`SELECT uidvalidity, indexed, cleaned FROM mailbox_text_folder WHERE folder = $1`, int64(folder)).
		Scan(&validity, &indexed, &p.cleaned)
	if errors.Is(err, store.ErrNoRow) {
		err = nil
	}
	p.validity, p.indexed = uint32(validity), UID(indexed)
	return p, err
}

// advance notes how far a folder is indexed now, unless another process did meanwhile:
// errOvertaken.
func advance(tx *store.Tx, folder FolderID, was, is progress) error {
	if was == (progress{}) {
		n, err := tx.Exec(`INSERT INTO mailbox_text_folder (folder, uidvalidity, indexed, cleaned) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			int64(folder), int64(is.validity), int64(is.indexed), is.cleaned)
		return overtaken(n, err)
	}
	n, err := tx.Exec(`UPDATE mailbox_text_folder SET indexed = $2, cleaned = $3
		WHERE folder = $1 AND uidvalidity = $4 AND indexed = $5 AND cleaned = $6`,
		int64(folder), int64(is.indexed), is.cleaned, int64(was.validity), int64(was.indexed), was.cleaned)
	return overtaken(n, err)
}

var errOvertaken = errors.New("another process has indexed the folder")

func overtaken(n int64, err error) error {
	if err == nil && n == 0 {
		err = errOvertaken
	}
	return err
}
