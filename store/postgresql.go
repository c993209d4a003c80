package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	pgConns         = 32 // unless pool_max_conns in the connection string says otherwise
	pgRepeats       = 12 // of a transaction that met others
	pgReconnects    = 2  // of a transaction whose connection was lost before the commit
	pgCommitTime    = 30 * time.Second
	pgVersion       = 150000
	pgMigrationLock = 0x616c6c677265656e // any number that is always the same
)

// pgEngine is a PostgreSQL database, which many processes share.
type pgEngine struct {
	store   *Store
	pool    *pgxpool.Pool
	commits sync.WaitGroup // commits nobody waits for any more
	count   counters
	others  *notifier
}

func openPostgreSQL(ctx context.Context, s *Store) (engine, error) {
	config, err := pgxpool.ParseConfig(s.options.PostgreSQL)
	if err != nil {
		return nil, err // pgx keeps the password out of it
	}
	if !asksForConns(config) {
		config.MaxConns = pgConns
	}
	config.AfterConnect = refuseUnsafe
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	e := &pgEngine{store: s, pool: pool}
	if err := e.pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, pgError(ctx, err)
	}
	e.others = startNotifier(s, config.ConnConfig)
	return e, nil
}

// asksForConns reports whether the connection string sets the size of the pool; pgx
// takes the parameter out, and gives small machines four.
func asksForConns(c *pgxpool.Config) bool { return c.MaxConns > pgConns || c.MaxConns < 4 }

// refuseUnsafe looks at each new connection, for a server may be restarted with
// other settings, and a role may have its own.
func refuseUnsafe(ctx context.Context, c *pgx.Conn) error {
	var version int
	var encoding string
	settings := map[string]*string{"fsync": new(string), "full_page_writes": new(string), "synchronous_commit": new(string)}
	err := c.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
		current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')`).
		Scan(&version, &encoding, settings["fsync"], settings["full_page_writes"], settings["synchronous_commit"])
	if err != nil {
		return err
	}
	for name, value := range settings {
		if *value == "off" {
			return fmt.Errorf("%w: PostgreSQL runs with %s = off: switch it on", ErrUnsafe, name)
		}
	}
	if version < pgVersion {
		return fmt.Errorf("PostgreSQL has version %d, and 15 is needed", version/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has encoding %s, and UTF8 is needed", encoding)
	}
	return nil
}

func (e *pgEngine) kind() Engine { return PostgreSQL }

func (e *pgEngine) notify(topic string) { e.others.send(topic) }

func (e *pgEngine) stats() Stats { return e.count.stats() }

func (e *pgEngine) close() error {
	e.commits.Wait()
	e.others.stop()
	e.pool.Close()
	return nil
}

func (e *pgEngine) exclusively(ctx context.Context, f func(*Tx) error) error {
	return e.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`SELECT pg_advisory_xact_lock($1)`, int64(pgMigrationLock)); err != nil {
			return err
		}
		return f(tx)
	})
}

// write runs the transaction until it meets no others.
func (e *pgEngine) write(ctx context.Context, f func(*Tx) error) error {
	lost := 0
	for n := 0; ; n++ {
		again, err := e.try(ctx, f)
		if again == pgAgainFresh {
			lost++
		}
		if err == nil || again == pgNotAgain || n == pgRepeats || lost > pgReconnects || ctx.Err() != nil {
			return err
		}
		e.count.repeated.Add(1)
		if err := pause(ctx, time.Duration(1+rand.IntN(4<<min(n, 7)))*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pgAgain says whether a failed transaction may be run again.
type pgAgain int

const (
	pgNotAgain   pgAgain = iota
	pgAgainSoon          // it met another one
	pgAgainFresh         // its connection was lost before the commit was asked for
)

// try runs the transaction once.
func (e *pgEngine) try(ctx context.Context, f func(*Tx) error) (pgAgain, error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return pgNotAgain, pgError(ctx, err)
	}
	run := &pgRun{ctx: ctx, conn: conn.Conn()}
	tx := &Tx{ctx: ctx, store: e.store, run: run}
	if err = run.simple("BEGIN"); err == nil {
		err = guarded(f, tx)
		run.end()
	}
	if err == nil {
		err = run.failed
	}
	if err != nil {
		run.rollback()
		conn.Release()
		e.count.failed.Add(1)
		return run.again(), err
	}
	return e.commit(ctx, conn, run, tx)
}

// commit commits, and lets a caller go whose context ends meanwhile.
func (e *pgEngine) commit(ctx context.Context, conn *pgxpool.Conn, run *pgRun, tx *Tx) (pgAgain, error) {
	type outcome struct {
		err   error
		again pgAgain
	}
	done := make(chan outcome, 1)
	e.commits.Go(func() {
		err := run.commit()
		conn.Release()
		if err != nil {
			e.count.failed.Add(1)
			done <- outcome{err, run.againAfterCommit()}
			return
		}
		e.count.transactions.Add(1)
		e.count.commits.Add(1)
		e.store.afterCommit(tx)
		for _, topic := range tx.topics {
			e.store.wake(topic)
		}
		done <- outcome{}
	})
	select {
	case o := <-done:
		return o.again, o.err
	case <-ctx.Done():
		return pgNotAgain, ctx.Err()
	}
}

// read runs f on one snapshot.
func (e *pgEngine) read(ctx context.Context, f func(*Tx) error) error {
	for lost := 0; ; lost++ {
		conn, err := e.pool.Acquire(ctx)
		if err != nil {
			return pgError(ctx, err)
		}
		run := &pgRun{ctx: ctx, conn: conn.Conn()}
		if err = run.simple("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err == nil {
			err = guarded(f, &Tx{ctx: ctx, store: e.store, run: run})
			run.end()
		}
		if err == nil {
			err = run.failed
		}
		run.rollback()
		conn.Release()
		if run.again() != pgAgainFresh || lost == pgReconnects || ctx.Err() != nil {
			return err
		}
	}
}

// errUncertain is what a lost commit is: done or not.
var errUncertain = errors.New("the answer to a commit was lost")
