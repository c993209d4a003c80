package suppression

import (
	"context"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

// Query says which entries: all that is set must hold.
type Query struct {
	Stream string // exactly
	Text   string // a part of the address
	Kind   Kind
}

// Page is a part of a list, in the order of addresses.
type Page struct {
	After Entry // the last one of the page before; zero: from the beginning
	Limit int   // zero: 100
}

const defaultLimit = 100

// List gives the entries that a query asks for.
func List(ctx context.Context, st *store.Store, q Query, p Page) (all []Entry, err error) {
	if p.Limit <= 0 {
		p.Limit = defaultLimit
	}
	after := ""
	if !p.After.Address.IsZero() {
		after = Normal(p.After.Address).String()
	}
	err = st.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Rows(selectEntries+`WHERE (address, stream, kind) > ($1, $2, $3) AND ($4 = '' OR stream = $4) AND ($5 = '' OR kind = $5)
			AND address LIKE $6 ESCAPE '!' ORDER BY address, stream, kind LIMIT $7`,
			after, p.After.Stream, string(p.After.Kind), q.Stream, string(q.Kind), pattern(q.Text), p.Limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scan(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, e)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list who is suppressed: %w", err)
	}
	return all, nil
}

// pattern finds a text anywhere; the letters of patterns stand for themselves.
func pattern(text string) string {
	text = strings.ToLower(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), ""))
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}
