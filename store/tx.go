package store

import (
	"context"
	"errors"
	"slices"
)

// Tx is one transaction, valid only within the closure of Write or Read and on its
// goroutine.
type Tx struct {
	ctx    context.Context
	store  *Store
	run    runner
	after  []func()
	topics []string
	open   *Rows
}

var errOpenRows = errors.New("rows are open: close them before the next statement")

// ready refuses a statement while rows are open, which PostgreSQL could not run.
func (tx *Tx) ready() error {
	if tx.open != nil && !tx.open.closed {
		return errOpenRows
	}
	return nil
}

// runner is what an engine does for a transaction.
type runner interface {
	// exec runs a statement and gives the number of rows changed.
	exec(query string, args []any) (int64, error)
	// row runs a query and scans its first row; ErrNoRow when there is none.
	row(query string, args, dest []any) error
	// rows runs a query.
	rows(query string, args []any) (cursor, error)
	// insert runs an INSERT into a table with an id and gives the new one.
	insert(query string, args []any) (int64, error)
	// lock serialises transactions that lock the same name.
	lock(name string) error
}

// cursor walks over the rows of a query.
type cursor interface {
	next() (bool, error)
	scan(dest []any) error
	close() error
}

// Context is the one given to Write or Read.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Engine says what keeps the tables, for statements that only one of them does well.
func (tx *Tx) Engine() Engine { return tx.store.Engine() }

// Exec runs one statement that gives no rows, and says how many it changed.
func (tx *Tx) Exec(query string, args ...any) (affected int64, err error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	return tx.run.exec(query, args)
}

// Insert runs an INSERT of one row into a table whose key is an integer column named
// id, given by the database, and says which it gave. It is the cheaper way to say
// RETURNING id, for which SQLite makes a temporary table. It is not for INSERT ... ON
// CONFLICT.
func (tx *Tx) Insert(query string, args ...any) (id int64, err error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	return tx.run.insert(query, args)
}

// Row prepares a query for one row; it runs when Scan is called.
func (tx *Tx) Row(query string, args ...any) *Row {
	return &Row{tx: tx, query: query, args: args}
}

// Row is a query for one row.
type Row struct {
	tx    *Tx
	query string
	args  []any
}

// Scan runs the query and copies its first row into dest: pointers to integers,
// floats, strings, []byte, bool, time.Time (of microseconds), any, pointers to such
// pointers (nil for NULL), or a sql.Scanner. Without a row it gives ErrNoRow, also
// for INSERT or UPDATE with RETURNING.
func (r *Row) Scan(dest ...any) error {
	if err := r.tx.ready(); err != nil {
		return err
	}
	return r.tx.run.row(r.query, r.args, dest)
}

// Rows runs a query for any number of rows. Close them before the next
// statement.
func (tx *Tx) Rows(query string, args ...any) (*Rows, error) {
	if err := tx.ready(); err != nil {
		return nil, err
	}
	c, err := tx.run.rows(query, args)
	if err != nil {
		return nil, err
	}
	tx.open = &Rows{c: c}
	return tx.open, nil
}

// Rows walks over the result of a query.
type Rows struct {
	c      cursor
	err    error
	closed bool
}

// Next goes to the next row; false at the end and after an error, and then the Rows
// are closed.
func (r *Rows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	more, err := r.c.next()
	if err != nil || !more {
		r.err = err
		r.Close()
	}
	return more && err == nil
}

// Scan copies the row into dest, see Row.Scan.
func (r *Rows) Scan(dest ...any) error { return r.c.scan(dest) }

// Err is what ended the walk early, nil at the natural end.
func (r *Rows) Err() error { return r.err }

// Close ends the walk. It may be called twice.
func (r *Rows) Close() error {
	if r.closed {
		return r.err
	}
	r.closed = true
	if err := r.c.close(); r.err == nil {
		r.err = err
	}
	return r.err
}

// Lock makes transactions with the same name run one after the other, to their
// ends. On the embedded engine writers do so anyway.
func (tx *Tx) Lock(name string) error { return tx.run.lock(name) }

// AfterCommit calls f once, after the commit and before Write returns; not at all
// when there is no commit. It must be quick and must not write.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Wake wakes the watchers of a topic, in this and all other processes, after the
// commit.
func (tx *Tx) Wake(topic string) {
	if !slices.Contains(tx.topics, topic) {
		tx.topics = append(tx.topics, topic)
	}
}
