package store

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
)

// A request is a closure that waits for the writer.
type request struct {
	ctx   context.Context
	f     func(*Tx) error
	state atomic.Int32
	batch *batch // set when taken
	tx    *Tx
	err   error
	done  chan struct{}
}

// The states of a request.
const (
	requestWaits int32 = iota
	requestTaken
	requestWithdrawn
)

// A batch is what shares a commit.
type batch struct {
	requests []*request
	ran      chan struct{} // closed when no closure runs any more; the commit follows
}

const maxBatch = 256 // closures that share a commit

func (e *sqliteEngine) write(ctx context.Context, f func(*Tx) error) error {
	r := &request{ctx: ctx, f: f, done: make(chan struct{})}
	if err := e.enqueue(r); err != nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(requestWaits, requestWithdrawn) {
		return ctx.Err()
	}
	// It runs: what it refers to must live until it has.
	select {
	case <-r.done:
		return r.err
	case <-r.batch.ran:
		return ctx.Err()
	}
}

func (e *sqliteEngine) enqueue(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return ErrClosed
	}
	e.waiting = append(e.waiting, r)
	e.mu.Unlock()
	e.signal()
	return nil
}

// serve is the writer: it commits what waits until the engine is closed and nothing
// waits any more.
func (e *sqliteEngine) serve() {
	defer close(e.done)
	for range e.work {
		for {
			b, closed := e.take()
			if len(b.requests) == 0 {
				if closed {
					return
				}
				break
			}
			e.gate.Lock()
			e.runBatch(b)
			e.gate.Unlock()
			e.log.grown(e.writer.written())
		}
	}
}

// take takes all that waits, up to a bound.
func (e *sqliteEngine) take() (b *batch, closed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b = &batch{ran: make(chan struct{})}
	n := min(len(e.waiting), maxBatch)
	for _, r := range e.waiting[:n] {
		r.batch = b
		if r.state.CompareAndSwap(requestWaits, requestTaken) {
			b.requests = append(b.requests, r)
		}
	}
	rest := copy(e.waiting, e.waiting[n:])
	clear(e.waiting[rest:])
	e.waiting = e.waiting[:rest]
	return b, e.closed
}

// runBatch runs the closures in one transaction and answers them. The first run is
// without savepoints, for nearly all closures succeed; if one fails after it has
// changed something, everything is undone and runs once more, each in a savepoint.
func (e *sqliteEngine) runBatch(b *batch) {
	clean, err := e.runAll(b, false)
	if err == nil && !clean {
		e.count.repeated.Add(int64(len(b.requests)))
		_, err = e.runAll(b, true)
	}
	close(b.ran)
	if err == nil {
		err = e.commit(b)
	}
	if err != nil {
		e.rollback()
		for _, r := range b.requests {
			r.fail(err)
		}
	}
	e.answer(b)
}

// fail makes the error of the batch that of a request that had none.
func (r *request) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// runAll runs the closures of a batch in one new transaction. It is not clean when a
// failed closure has left changes. An error is that of the transaction as a whole.
func (e *sqliteEngine) runAll(b *batch, savepoints bool) (clean bool, err error) {
	if _, err := e.writer.exec("BEGIN IMMEDIATE", nil); err != nil {
		return false, err
	}
	for _, r := range b.requests {
		clean, err := e.runOne(r, savepoints)
		if err != nil {
			return false, err
		}
		if !clean {
			e.rollback()
			return false, nil
		}
	}
	return true, nil
}

// runOne runs one closure. It is clean unless it has failed and its changes stand.
func (e *sqliteEngine) runOne(r *request, savepoint bool) (clean bool, err error) {
	c := e.writer
	if savepoint {
		if _, err := c.exec("SAVEPOINT one", nil); err != nil {
			return false, err
		}
	}
	run := newRun(c)
	r.tx = &Tx{ctx: r.ctx, store: e.store, run: run}
	r.err = guarded(r.f, r.tx)
	run.end()
	if r.err == nil {
		r.err = c.failed
	}
	if !c.inTransaction() { // a full disk or an I/O error has ended it, for all
		return false, r.err
	}
	if savepoint {
		return true, e.endSavepoint(r.err != nil)
	}
	return r.err == nil || !c.wrote, nil
}

func (e *sqliteEngine) endSavepoint(failed bool) error {
	if failed {
		if _, err := e.writer.exec("ROLLBACK TO one", nil); err != nil {
			return err
		}
	}
	_, err := e.writer.exec("RELEASE one", nil)
	return err
}

func (e *sqliteEngine) commit(b *batch) error {
	if _, err := e.writer.exec("COMMIT", nil); err != nil {
		return err
	}
	e.count.commits.Add(1)
	e.count.syncs.Add(1)
	return nil
}

func (e *sqliteEngine) rollback() {
	if e.writer.inTransaction() {
		e.writer.exec("ROLLBACK", nil)
	}
}

// answer tells the waiting how it ended, after what they wanted done after the
// commit.
func (e *sqliteEngine) answer(b *batch) {
	woken := map[string]bool{}
	for _, r := range b.requests {
		if r.err != nil {
			e.count.failed.Add(1)
		} else {
			e.count.transactions.Add(1)
			e.store.afterCommit(r.tx)
			for _, topic := range r.tx.topics {
				if !woken[topic] {
					woken[topic] = true
					e.store.wake(topic)
				}
			}
		}
		close(r.done)
	}
}

// guarded runs a closure and makes its panic an error: it must not end its
// neighbours.
func guarded(f func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return f(tx)
}

// sqliteRun is a transaction on a connection. After a statement has failed it gives
// nothing but that error, as PostgreSQL does.
type sqliteRun struct {
	conn  *sqliteConn
	begin func() error // before the first statement; nil: it has begun
	open  []*sqliteStmt
	ended bool
}

func newRun(c *sqliteConn) *sqliteRun {
	c.failed, c.wrote = nil, false
	return &sqliteRun{conn: c}
}

var errEnded = errors.New("the transaction has ended")

func (r *sqliteRun) usable() error {
	if r.ended {
		return errEnded
	}
	if begin := r.begin; begin != nil {
		r.begin = nil
		if err := begin(); err != nil {
			return err
		}
	}
	return r.conn.failed
}

func (r *sqliteRun) exec(query string, args []any) (int64, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	return r.conn.exec(query, args)
}

func (r *sqliteRun) insert(query string, args []any) (int64, error) {
	if _, err := r.exec(query, args); err != nil {
		return 0, err
	}
	return r.conn.lastID(), nil
}

func (r *sqliteRun) row(query string, args, dest []any) error {
	if err := r.usable(); err != nil {
		return err
	}
	return r.conn.row(query, args, dest)
}

func (r *sqliteRun) rows(query string, args []any) (cursor, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	st, err := r.conn.rows(query, args)
	if err != nil {
		return nil, err
	}
	r.open = append(r.open, st)
	return st, nil
}

func (r *sqliteRun) script(text string) error {
	if err := r.usable(); err != nil {
		return err
	}
	return r.conn.script(text)
}

func (r *sqliteRun) lock(string) error { return r.usable() }

// end closes the rows that the closure forgot.
func (r *sqliteRun) end() {
	r.ended = true
	for _, st := range r.open {
		st.release()
	}
}
