package store

import (
	"errors"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// sqliteConn is a connection to an SQLite file, for one goroutine at a time. It calls
// the C interface as modernc.org/sqlite/lib has it in Go: a statement of a
// transaction costs half of what it costs through database/sql, whose
// allocations and locks serve many connections, and here there is one writer.
type sqliteConn struct {
	tls   *libc.TLS
	db    uintptr
	out   uintptr // C memory for results by pointer
	stmts map[string]*sqliteStmt

	joined *joinedFile // through which it writes the log; nil: as SQLite does it

	wrote  bool  // a statement that changes something ran since this was set to false
	failed error // what SQLite last refused since this was set to nil
}

const (
	outSize      = 64
	maxStmts     = 512     // prepared statements kept per connection
	maxStmtBytes = 1 << 20 // of SQL text, a bound no own statement comes near
)

// at is the memory at an address that C code gave. It lies outside the Go heap.
func at(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// openConn opens a file and applies pragmas.
func openConn(file string, pragmas ...string) (*sqliteConn, error) {
	c := &sqliteConn{tls: libc.NewTLS(), stmts: map[string]*sqliteStmt{}}
	c.out = libc.Xmalloc(c.tls, outSize)
	name, err := libc.CString(file)
	if err != nil || c.out == 0 {
		return nil, errors.New("no memory")
	}
	defer libc.Xfree(c.tls, name)
	// NOMUTEX: SQLite need not lock what one goroutine at a time uses.
	rc := lib.Xsqlite3_open_v2(c.tls, name, c.out, lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_CREATE|lib.SQLITE_OPEN_NOMUTEX, 0)
	c.db = *(*uintptr)(at(c.out))
	if rc != lib.SQLITE_OK {
		err := c.failure(rc)
		c.close()
		return nil, err
	}
	lib.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	lib.Xsqlite3_busy_timeout(c.tls, c.db, 5000)
	for _, p := range pragmas {
		if err := c.script("PRAGMA " + p); err != nil {
			c.close()
			return nil, fmt.Errorf("PRAGMA %s: %w", p, err)
		}
	}
	return c, nil
}

func (c *sqliteConn) close() error {
	c.dropStmts()
	var err error
	if c.db != 0 {
		if rc := lib.Xsqlite3_close_v2(c.tls, c.db); rc != lib.SQLITE_OK {
			err = c.failure(rc)
		}
		c.db = 0
	}
	if c.joined != nil {
		c.joined.free(c.tls)
	}
	libc.Xfree(c.tls, c.out)
	c.tls.Close()
	return err
}

// dropStmts forgets the prepared statements that are not at work.
func (c *sqliteConn) dropStmts() {
	for query, st := range c.stmts {
		if !st.busy {
			st.finalize()
			delete(c.stmts, query)
		}
	}
}

// statement gives a prepared statement, usually one prepared before.
func (c *sqliteConn) statement(query string) (*sqliteStmt, error) {
	if st := c.stmts[query]; st != nil && !st.busy {
		st.busy = true
		return st, nil
	}
	st, rest, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	if st == nil || rest != "" && !onlySpace(rest) {
		if st != nil {
			st.finalize()
		}
		return nil, fmt.Errorf("%q is not one statement", query)
	}
	st.busy = true
	if c.stmts[query] != nil { // at work further up: this one is for now only
		st.once = true
		return st, nil
	}
	if len(c.stmts) >= maxStmts {
		c.dropStmts()
	}
	c.stmts[query] = st
	return st, nil
}

func onlySpace(s string) bool {
	for _, r := range s {
		if r != ' ' && r != '\n' && r != '\t' && r != '\r' && r != ';' {
			return false
		}
	}
	return true
}

// prepare compiles the first statement of a script and gives the rest. A nil
// statement is an empty one.
func (c *sqliteConn) prepare(query string) (_ *sqliteStmt, rest string, err error) {
	if len(query) > maxStmtBytes {
		return nil, "", errors.New("the statement is too long")
	}
	text, err := libc.CString(query)
	if err != nil {
		return nil, "", err
	}
	defer libc.Xfree(c.tls, text)
	rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(query)+1), lib.SQLITE_PREPARE_PERSISTENT, c.out, c.out+8)
	if rc != lib.SQLITE_OK {
		return nil, "", fmt.Errorf("%w, in: %s", c.failure(rc), query)
	}
	p, tail := *(*uintptr)(at(c.out)), *(*uintptr)(at(c.out + 8))
	rest = query[min(int(tail-text), len(query)):]
	if p == 0 {
		return nil, rest, nil
	}
	st, err := newStmt(c, p)
	return st, rest, err
}

// script runs many statements without parameters.
func (c *sqliteConn) script(text string) error {
	for text != "" {
		st, rest, err := c.prepare(text)
		if err != nil {
			return err
		}
		text = rest
		if st == nil {
			continue
		}
		err = st.drain()
		st.finalize()
		if err != nil {
			return err
		}
	}
	return nil
}

// exec runs one statement to its end.
func (c *sqliteConn) exec(query string, args []any) (int64, error) {
	st, err := c.statement(query)
	if err != nil {
		return 0, err
	}
	defer st.release()
	if err := st.bind(args); err != nil {
		return 0, err
	}
	if err := st.drain(); err != nil {
		return 0, err
	}
	if st.readOnly {
		return 0, nil
	}
	return int64(lib.Xsqlite3_changes64(c.tls, c.db)), nil
}

// row runs a query and scans its first row.
func (c *sqliteConn) row(query string, args, dest []any) error {
	st, err := c.statement(query)
	if err != nil {
		return err
	}
	defer st.release()
	if err := st.bind(args); err != nil {
		return err
	}
	more, err := st.step()
	if err != nil {
		return err
	}
	if !more {
		return ErrNoRow
	}
	if err := st.scan(dest); err != nil || st.readOnly {
		return err
	}
	return st.drain() // what RETURNING gives is not all of the statement's work
}

// rows runs a query.
func (c *sqliteConn) rows(query string, args []any) (*sqliteStmt, error) {
	st, err := c.statement(query)
	if err != nil {
		return nil, err
	}
	if err := st.bind(args); err != nil {
		st.release()
		return nil, err
	}
	return st, nil
}

// inTransaction reports whether BEGIN has run and its transaction still lives: a
// full disk or an I/O error ends it by itself.
func (c *sqliteConn) inTransaction() bool { return lib.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// lastID is the key that the last INSERT was given.
func (c *sqliteConn) lastID() int64 { return lib.Xsqlite3_last_insert_rowid(c.tls, c.db) }

// written is the number of pages written since the connection was opened, in WAL
// mode each a frame of the log.
func (c *sqliteConn) written() int64 {
	lib.Xsqlite3_db_status(c.tls, c.db, lib.SQLITE_DBSTATUS_CACHE_WRITE, c.out, c.out+8, 0)
	return int64(*(*int32)(at(c.out)))
}

// openLog makes sure that the connection has opened the log: the first to read does.
func (c *sqliteConn) openLog() error { return c.script("SELECT COUNT(*) FROM sqlite_schema") }

// checkpoint copies the log into the database as far as nobody has to wait for it,
// and says how many frames the log has and how many of them are copied.
func (c *sqliteConn) checkpoint() (log, copied int64, err error) {
	rc := lib.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, lib.SQLITE_CHECKPOINT_PASSIVE, c.out, c.out+8)
	if rc != lib.SQLITE_OK {
		return 0, 0, c.failure(rc)
	}
	return int64(*(*int32)(at(c.out))), int64(*(*int32)(at(c.out + 8))), nil
}

// interrupt makes the running statement fail; any goroutine may call it.
func (c *sqliteConn) interrupt() {
	tls := libc.NewTLS() // c.tls is at work on another goroutine
	defer tls.Close()
	lib.Xsqlite3_interrupt(tls, c.db)
}

// failure is what SQLite says about a result code, as one of the errors that callers
// tell apart.
func (c *sqliteConn) failure(rc int32) error {
	text := libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 {
		if more := libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db)); more != text {
			text += ": " + more
		}
	}
	err := fmt.Errorf("sqlite: %s (%d)", text, rc)
	if kind := sqliteKind(rc); kind != nil {
		err = fmt.Errorf("%w: %w", kind, err)
	}
	c.failed = err
	return err
}

func sqliteKind(rc int32) error {
	switch rc & 0xff {
	case lib.SQLITE_FULL:
		return ErrFull
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return ErrBusy
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return ErrCorrupt
	case lib.SQLITE_CONSTRAINT:
		return ErrConflict
	case lib.SQLITE_READONLY:
		return ErrReadOnly
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
		return ErrUnreachable
	}
	return nil
}
