package store

import (
	"context"
	"fmt"
	"io"
	"time"
)

// rowsPlace keeps large bodies in the database, in pieces, so that reading one holds
// one piece in memory. It is the place where nodes share a database and nothing else.
type rowsPlace struct{ store *Store }

const pieceSize = 256 << 10

// Put stores the pieces, each in a transaction of its own.
func (p rowsPlace) Put(ctx context.Context, name string, body io.Reader, size int64) error {
	piece := make([]byte, min(pieceSize, size))
	for n := int64(0); n*pieceSize < size; n++ {
		part := piece[:min(pieceSize, size-n*pieceSize)]
		if _, err := io.ReadFull(body, part); err != nil {
			return err
		}
		err := p.store.Write(ctx, func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO store_piece (place, n, created, data) VALUES ($1, $2, $3, $4)`,
				name, n, p.store.options.Clock(), part)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Open looks for the first piece.
func (p rowsPlace) Open(ctx context.Context, name string) (PlacedBody, error) {
	ctx = context.WithoutCancel(ctx) // the body outlives the call
	return openPieces(pieceSize, func(n int64) (piece []byte, err error) {
		err = p.store.Read(ctx, func(tx *Tx) error {
			return tx.Row(`SELECT data FROM store_piece WHERE place = $1 AND n = $2`, name, n).Scan(&piece)
		})
		if err != nil {
			return nil, fmt.Errorf("piece %d of body %s: %w", n, name, err)
		}
		return piece, nil
	})
}

// Delete removes the pieces.
func (p rowsPlace) Delete(ctx context.Context, name string) error {
	return p.store.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`DELETE FROM store_piece WHERE place = $1`, name)
		return err
	})
}

// List walks over the first pieces.
func (p rowsPlace) List(ctx context.Context, before time.Time, f func(name string) error) error {
	for last := ""; ; {
		var names []string
		err := p.store.Read(ctx, func(tx *Tx) error {
			rows, err := tx.Rows(`SELECT place FROM store_piece WHERE n = 0 AND created < $1 AND place > $2 ORDER BY place LIMIT $3`,
				before, last, sweepStep)
			if err != nil {
				return err
			}
			defer rows.Close()
			names = nil
			for rows.Next() {
				var name string
				if err := rows.Scan(&name); err != nil {
					return err
				}
				names = append(names, name)
			}
			return rows.Err()
		})
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			if err := f(name); err != nil {
				return err
			}
		}
		last = names[len(names)-1]
	}
}
