package exhibit

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed schema.sqlite.sql
var tablesSQLite string

//go:embed schema.postgresql.sql
var tablesPostgreSQL string

// Schema is what is kept, in backups too: others were told where it is.
var Schema = store.Schema{
	Name:     "exhibit",
	Versions: []store.Version{{SQLite: tablesSQLite, PostgreSQL: tablesPostgreSQL}},
	Kept:     []string{"exhibit_exhibit"},
}

// Bounds of what is kept.
const (
	Keeps   = 30 * 24 * time.Hour
	MaxSize = 1 << 20 // octets of one document
	most    = 2000    // exhibits at a time
)

// The errors that callers tell apart. All others are temporary.
var (
	ErrNone  = errors.New("there is no such result, or its thirty days are over")
	ErrLarge = errors.New("the result is too large to be shared")
	ErrFull  = errors.New("too many results are shared: try again in some days")
)

// Kind says what a document is.
type Kind string

// The kinds of documents.
const (
	Check Kind = "check" // a finding.Report
	Test  Kind = "test"  // a testaddress.Message
)

// Exhibit is one result.
type Exhibit struct {
	ID       string          `json:"id"`
	Kind     Kind            `json:"kind"`
	Title    string          `json:"title"`
	Document json.RawMessage `json:"document"`
	Made     time.Time       `json:"made"`
	Ends     time.Time       `json:"ends"`
}

// Put keeps a result and gives it its id and times. The error is ErrLarge, ErrFull or
// temporary.
func Put(ctx context.Context, st *store.Store, now time.Time, e Exhibit) (Exhibit, error) {
	if len(e.Document) > MaxSize {
		return e, ErrLarge
	}
	e.ID = strings.ToLower(rand.Text()) // 130 bits
	e.Made = now.UTC().Truncate(time.Microsecond)
	e.Ends = e.Made.Add(Keeps)
	err := st.Write(ctx, func(tx *store.Tx) error {
		var kept int
		if err := tx.Row(`SELECT COUNT(*) FROM exhibit_exhibit`).Scan(&kept); err != nil {
			return err
		}
		if kept >= most {
			return ErrFull
		}
		_, err := tx.Exec(`INSERT INTO exhibit_exhibit (id, kind, title, document, made, ends) VALUES ($1, $2, $3, $4, $5, $6)`,
			e.ID, string(e.Kind), e.Title, string(e.Document), store.Micros(e.Made), store.Micros(e.Ends))
		return err
	})
	if err != nil {
		return e, fmt.Errorf("keep the result: %w", err)
	}
	return e, nil
}

// Get is the result of an id. The error is ErrNone or temporary.
func Get(ctx context.Context, st *store.Store, now time.Time, id string) (Exhibit, error) {
	e := Exhibit{ID: id}
	var document string
	var made, ends int64
	err := st.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT kind, title, document, made, ends FROM exhibit_exhibit WHERE id = $1 AND ends > $2`, id, store.Micros(now)).
			Scan((*string)(&e.Kind), &e.Title, &document, &made, &ends)
	})
	switch {
	case errors.Is(err, store.ErrNoRow):
		return e, ErrNone
	case err != nil:
		return e, fmt.Errorf("read the result: %w", err)
	}
	e.Document, e.Made, e.Ends = json.RawMessage(document), store.FromMicros(made).UTC(), store.FromMicros(ends).UTC()
	return e, nil
}

// Sweep forgets what is over.
func Sweep(ctx context.Context, st *store.Store, now time.Time) error {
	return st.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM exhibit_exhibit WHERE ends <= $1`, store.Micros(now))
		return err
	})
}
