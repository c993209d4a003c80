package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	sweepGrace = 24 * time.Hour // for bodies on their way into a transaction
	sweepStep  = 200            // bodies per transaction: others want to write too
)

// Sweep removes bodies that nobody refers to: those released, those whose row was
// never referred to within a day, and those placed more than a day ago that have no
// row. It says how many, also with an error. Run it now and then, once at a time.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	total := 0
	for _, sweep := range []func(context.Context) (int, error){s.sweepReleased, s.sweepForgotten, s.sweepOrphans} {
		n, err := sweep(ctx)
		total += n
		if err != nil {
			return total, fmt.Errorf("sweep bodies: %w", err)
		}
	}
	if e, ok := s.engine.(*sqliteEngine); ok {
		return total, e.giveBack(ctx)
	}
	return total, nil
}

// sweepReleased looks at the bodies that lost a reference.
func (s *Store) sweepReleased(ctx context.Context) (total int, err error) {
	for {
		n, done, err := s.sweepSome(ctx, func(tx *Tx) ([]BodyID, error) {
			ids, err := bodyIDs(tx, `SELECT DISTINCT body FROM store_released ORDER BY body LIMIT $1`, sweepStep)
			for _, id := range ids {
				if _, err := tx.Exec(`DELETE FROM store_released WHERE body = $1`, id); err != nil {
					return nil, err
				}
			}
			return ids, err
		})
		total += n
		if err != nil || done {
			return total, err
		}
	}
}

// sweepForgotten looks once at each body that is older than the grace: after that
// it loses references only by ReleaseBody.
func (s *Store) sweepForgotten(ctx context.Context) (total int, err error) {
	before := s.options.Clock().Add(-sweepGrace)
	for {
		n, done, err := s.sweepSome(ctx, func(tx *Tx) ([]BodyID, error) {
			ids, err := bodyIDs(tx, `SELECT id FROM store_body WHERE id > (SELECT body FROM store_swept) AND created < $1 ORDER BY id LIMIT $2`,
				before, sweepStep)
			if len(ids) > 0 {
				_, err = tx.Exec(`UPDATE store_swept SET body = $1`, ids[len(ids)-1])
			}
			return ids, err
		})
		total += n
		if err != nil || done {
			return total, err
		}
	}
}

// sweepSome removes those of some bodies that nobody refers to, then what they have
// beside the database. It is done when there were none to look at.
func (s *Store) sweepSome(ctx context.Context, choose func(*Tx) ([]BodyID, error)) (removed int, done bool, err error) {
	var places []string
	err = s.Write(ctx, func(tx *Tx) error {
		removed, places = 0, nil
		ids, err := choose(tx)
		if err != nil {
			return err
		}
		highest := BodyID(0)
		done = len(ids) == 0
		for _, id := range ids {
			place, err := s.removeUnreferenced(tx, id)
			if errors.Is(err, ErrNoRow) {
				continue
			}
			if err != nil {
				return err
			}
			removed++
			highest = max(highest, id)
			if place != nil {
				places = append(places, *place)
			}
		}
		return s.keepNumber(tx, highest)
	})
	if err != nil {
		return 0, false, err
	}
	for _, place := range places {
		if err := s.bodies.Delete(ctx, place); err != nil {
			return removed, done, err
		}
	}
	return removed, done, nil
}

// removeUnreferenced removes a body's row; ErrNoRow when it is referred to.
func (s *Store) removeUnreferenced(tx *Tx, id BodyID) (place *string, err error) {
	if s.Engine() == PostgreSQL {
		// Whoever holds the body adds a reference: wait, then look.
		if err := tx.Row(`SELECT id FROM store_body WHERE id = $1 FOR UPDATE`, id).Scan(&id); err != nil {
			return nil, err
		}
	}
	var query strings.Builder
	query.WriteString(`DELETE FROM store_body WHERE id = $1`)
	for _, schema := range s.schemas {
		for _, reference := range schema.References {
			table, column, _ := strings.Cut(reference, ".")
			fmt.Fprintf(&query, ` AND NOT EXISTS (SELECT 1 FROM %s WHERE %s = $1)`, table, column)
		}
	}
	query.WriteString(` RETURNING place`)
	err = tx.Row(query.String(), id).Scan(&place)
	return place, err
}

// keepNumber has an empty body stand above a highest one that was removed, where the
// engine would give its number to the next: a session or a backup that still has the
// number would read somebody else's mail. It is swept in a day itself, and followed by
// another as long as nothing else came.
func (s *Store) keepNumber(tx *Tx, removed BodyID) error {
	if s.Engine() == PostgreSQL || removed == 0 { // a sequence never goes back
		return nil
	}
	_, err := tx.Exec(`INSERT INTO store_body (id, created, size, data) SELECT $1 + 1, $2, 0, x''
		WHERE NOT EXISTS (SELECT 1 FROM store_body WHERE id > $1)`, removed, s.options.Clock())
	return err
}

// sweepOrphans removes what lies in the place of bodies and has no row.
func (s *Store) sweepOrphans(ctx context.Context) (total int, err error) {
	before := s.options.Clock().Add(-sweepGrace)
	err = s.bodies.List(ctx, before, func(name string) error {
		err := s.Read(ctx, func(tx *Tx) error {
			var id BodyID
			return tx.Row(`SELECT id FROM store_body WHERE place = $1`, name).Scan(&id)
		})
		if !errors.Is(err, ErrNoRow) {
			return err
		}
		total++
		return s.bodies.Delete(ctx, name)
	})
	return total, err
}

func bodyIDs(tx *Tx, query string, args ...any) (ids []BodyID, err error) {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id BodyID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

const freePages = 1000 // pages given back per transaction

// giveBack gives free pages back to the file system, a few at a time.
func (e *sqliteEngine) giveBack(ctx context.Context) error {
	for {
		var before, after int
		err := e.write(ctx, func(tx *Tx) error {
			if err := tx.Row(`PRAGMA freelist_count`).Scan(&before); err != nil {
				return err
			}
			if _, err := tx.Exec(fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, freePages)); err != nil {
				return err
			}
			return tx.Row(`PRAGMA freelist_count`).Scan(&after)
		})
		if err != nil || after == 0 || after >= before {
			return err
		}
	}
}
