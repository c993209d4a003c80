package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of the embedded engine.
const (
	sqliteReaders   = 4
	writerCache     = 24 << 20 // bytes
	readerCacheKiB  = 2 << 10
	sqlitePageBytes = 8192 // 4 KB costs a fifth more time with bodies of 50 KB, 16 KB doubles what a small commit writes
)

// sqliteEngine is the embedded database: one writer, a few readers, one that copies
// the log.
type sqliteEngine struct {
	store *Store
	file  string

	mu      sync.Mutex
	waiting []*request
	closed  bool
	work    chan struct{} // something waits, or closed
	done    chan struct{} // the writer has ended

	gate    sync.Mutex // held by a commit, and by the end of a checkpoint
	writer  *sqliteConn
	readers chan *sqliteConn // nil: not yet opened
	count   counters
	log     *checkpointer
}

// counters are the parts of Stats that the writer counts.
type counters struct {
	transactions, commits, failed, repeated, syncs atomic.Int64
	checkpoints, checkpointTime, checkpointPause   atomic.Int64
}

func openSQLite(s *Store, file string) (engine, error) {
	e := &sqliteEngine{store: s, file: file, work: make(chan struct{}, 1), done: make(chan struct{}),
		readers: make(chan *sqliteConn, sqliteReaders)}
	err := keepPrivate(file)
	if err != nil {
		return nil, err
	}
	// The page size and auto_vacuum hold for a file that is made now; FULL syncs the
	// log at each commit; checkpoints are made beside the writer, see checkpointer.
	if e.writer, err = e.connect(int(cmp.Or(s.options.Cache, writerCache)>>10), "auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = FULL"); err != nil {
		return nil, err
	}
	if err := e.prepareLog(); err != nil {
		e.writer.close()
		return nil, err
	}
	if e.log, err = startCheckpointer(e); err != nil {
		e.writer.close()
		return nil, err
	}
	for range sqliteReaders {
		e.readers <- nil
	}
	go e.serve()
	return e, nil
}

// keepPrivate makes the file, or what an older version made, readable for its owner only;
// its log and index get the same mode from SQLite. The folder is closed anyway, and copies
// keep the mode.
func keepPrivate(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return err
	}
	for _, beside := range []string{file + "-wal", file + "-shm"} {
		if err := os.Chmod(beside, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (e *sqliteEngine) connect(cacheKiB int, pragmas ...string) (*sqliteConn, error) {
	return openConn(e.file, append([]string{
		fmt.Sprintf("page_size = %d", sqlitePageBytes),
		fmt.Sprintf("cache_size = -%d", cacheKiB),
		"temp_store = MEMORY",
		"foreign_keys = ON",
		"trusted_schema = OFF",
		"wal_autocheckpoint = 0",
	}, pragmas...)...)
}

// prepareLog makes sure that there is a log, and has it written in few pieces.
func (e *sqliteEngine) prepareLog() error {
	if err := e.mustBe("journal_mode", "wal"); err != nil {
		return err
	}
	return errors.Join(e.writer.openLog(), joinLog(e.writer))
}

// mustBe checks a pragma that SQLite may silently not follow.
func (e *sqliteEngine) mustBe(pragma, want string) error {
	var have string
	if err := e.writer.row("PRAGMA "+pragma, nil, []any{&have}); err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%s is %q, not %q: does the file system have shared memory and locks?", pragma, have, want)
	}
	return nil
}

func (e *sqliteEngine) kind() Engine { return SQLite }

func (e *sqliteEngine) notify(string) {} // there is no other process

// exclusively is a Write: no other process works in the folder.
func (e *sqliteEngine) exclusively(ctx context.Context, f func(*Tx) error) error {
	return e.write(ctx, f)
}

func (e *sqliteEngine) read(ctx context.Context, f func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := e.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { e.readers <- c }()
	return e.snapshot(ctx, c, f)
}

// interruptedBy lets the end of a context interrupt what runs on a connection, until
// the function it gives is called.
func interruptedBy(ctx context.Context, c *sqliteConn) (done func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	over, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		for {
			c.interrupt()
			// Between two statements that does nothing: again, until it need not.
			select {
			case <-over:
				return
			case <-time.After(interruptEvery):
			}
		}
	})
	return func() {
		close(over)
		if !stop() {
			<-ended // it must not hit whoever is next
		}
	}
}

const interruptEvery = 10 * time.Millisecond

// reader takes a reading connection, which goes back into e.readers.
func (e *sqliteEngine) reader(ctx context.Context) (c *sqliteConn, err error) {
	var open bool
	select {
	case c, open = <-e.readers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !open {
		return nil, ErrClosed
	}
	if c == nil {
		c, err = e.connect(readerCacheKiB, "query_only = ON")
	}
	if err != nil {
		e.readers <- nil
		return nil, err
	}
	return c, nil
}

func (e *sqliteEngine) snapshot(ctx context.Context, c *sqliteConn, f func(*Tx) error) error {
	run := newRun(c)
	done := func() {}
	run.begin = func() error { // with the first statement: many closures find what they want in memory
		if _, err := c.exec("BEGIN", nil); err != nil {
			return err
		}
		done = interruptedBy(ctx, c)
		return nil
	}
	err := guarded(f, &Tx{ctx: ctx, store: e.store, run: run})
	run.end()
	done() // the end of the snapshot must not be interrupted: it would stay, and the log with it
	if c.inTransaction() {
		_, end := c.exec("ROLLBACK", nil)
		if err == nil {
			err = end
		}
	}
	if ctx.Err() != nil && err != nil {
		return ctx.Err() // what was interrupted says so in many ways
	}
	return err
}

func (e *sqliteEngine) close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.signal()
	<-e.done
	e.log.stop()
	for range sqliteReaders { // each comes back when its reader ends
		if c := <-e.readers; c != nil {
			c.close()
		}
	}
	close(e.readers)
	return e.writer.close()
}

func (e *sqliteEngine) signal() {
	select {
	case e.work <- struct{}{}:
	default:
	}
}
