package testaddress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/store"
)

const (
	judges   = 2               // messages at a time
	maxFresh = 64              // messages that wait for one, with their results
	lease    = 5 * time.Minute // longer than any judgement: then its process is gone
	lookFor  = time.Minute     // messages whose process is gone
)

// fresh is a message whose session is remembered.
type fresh struct {
	row   int64
	known *mailauth.Results
}

// hand gives a message to whoever judges. When too many wait it is found later, without
// what the session knew.
func (b *Book) hand(f fresh) {
	select {
	case b.fresh <- f:
	default:
	}
}

// Run judges until the context ends.
func (b *Book) Run(ctx context.Context) error {
	var all errgroup.Group
	for range judges {
		all.Go(func() error { return b.judgeAll(ctx) })
	}
	return all.Wait()
}

func (b *Book) judgeAll(ctx context.Context) error {
	tick := time.NewTicker(lookFor)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case f := <-b.fresh:
			err = b.judge(ctx, f)
		case <-tick.C:
			err = b.judgeLeft(ctx)
		}
		if err != nil && ctx.Err() == nil {
			b.o.Log.Warn("a test message waits for its verdict", "error", err)
		}
	}
}

// judgeLeft judges what a process took that is gone.
func (b *Book) judgeLeft(ctx context.Context) error {
	for {
		var row int64
		err := b.o.Store.Write(ctx, func(tx *store.Tx) error {
			now := b.o.Now()
			return tx.Row(`UPDATE testaddress_message SET claimed = $1 WHERE id = (SELECT id FROM testaddress_message
				WHERE body IS NOT NULL AND claimed < $2 ORDER BY claimed LIMIT 1) AND claimed < $2 RETURNING id`,
				store.Micros(now), store.Micros(now.Add(-lease))).Scan(&row)
		})
		if errors.Is(err, store.ErrNoRow) {
			return nil
		}
		if err == nil {
			err = b.judge(ctx, fresh{row: row})
		}
		if err != nil {
			return err
		}
	}
}

// judge judges one message and keeps the verdict instead of it.
func (b *Book) judge(ctx context.Context, f fresh) error {
	a, raw, err := b.open(ctx, f.row)
	if errors.Is(err, errJudged) {
		return nil // it waited so long that somebody else took it
	}
	if err != nil {
		return fmt.Errorf("read the test message: %w", err)
	}
	a.known = f.known
	verdict, err := b.o.Judge(ctx, a, raw)
	if err == nil {
		err = ctx.Err() // what was cut short is no verdict
	}
	if err != nil {
		return fmt.Errorf("judge test message %s: %w", a.Trace, err)
	}
	text, err := json.Marshal(verdict)
	if err != nil {
		return err
	}
	again := 0
	if f.known == nil && a.Client.IsValid() {
		again = 1
	}
	return b.o.Store.Write(ctx, func(tx *store.Tx) error {
		if err := release(tx, f.row); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE testaddress_message SET verdict = $1, again = $2, body = NULL WHERE id = $3`, string(text), again, f.row)
		tx.Wake(Topic)
		return err
	})
}

// release lets the body of a message go.
func release(tx *store.Tx, row int64) error {
	var body *int64
	err := tx.Row(`SELECT body FROM testaddress_message WHERE id = $1`, row).Scan(&body)
	if errors.Is(err, store.ErrNoRow) || err == nil && body == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.ReleaseBody(store.BodyID(*body))
}

var errJudged = errors.New("it is judged already")

// open reads a message that is to be judged.
func (b *Book) open(ctx context.Context, row int64) (*Arrival, []byte, error) {
	var arrival string
	var body *int64
	err := b.o.Store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT arrival, body FROM testaddress_message WHERE id = $1`, row).Scan(&arrival, &body)
	})
	if err != nil {
		return nil, nil, err
	}
	a := &Arrival{}
	if err := json.Unmarshal([]byte(arrival), a); err != nil {
		return nil, nil, err
	}
	if body == nil {
		return nil, nil, errJudged
	}
	in, err := b.o.Store.OpenBody(ctx, store.BodyID(*body))
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	raw, err := io.ReadAll(in)
	return a, raw, err
}

// sweepStep is how many addresses go in one transaction.
const sweepStep = 100

// Sweep forgets addresses whose time is over, and what came to them.
func (b *Book) Sweep(ctx context.Context) error {
	for {
		var gone int
		err := b.o.Store.Write(ctx, func(tx *store.Tx) (err error) {
			gone, err = sweepSome(tx, b.o.Now())
			return err
		})
		if err != nil || gone < sweepStep {
			return err
		}
	}
}

func sweepSome(tx *store.Tx, now time.Time) (int, error) {
	ids, err := column[string](tx, `SELECT id FROM testaddress_address WHERE ends <= $1 ORDER BY ends LIMIT $2`, store.Micros(now), sweepStep)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		rows, err := column[int64](tx, `SELECT id FROM testaddress_message WHERE address = $1`, id)
		if err != nil {
			return 0, err
		}
		for _, row := range rows {
			if err := release(tx, row); err != nil {
				return 0, err
			}
		}
		if _, err := tx.Exec(`DELETE FROM testaddress_message WHERE address = $1`, id); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(`DELETE FROM testaddress_address WHERE id = $1`, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// column is the one column of a query.
func column[T any](tx *store.Tx, query string, args ...any) (all []T, err error) {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
