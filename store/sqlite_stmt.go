package store

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// sqliteStmt is a prepared statement of a connection.
type sqliteStmt struct {
	conn     *sqliteConn
	p        uintptr
	order    []int // argument of each parameter
	args     int   // arguments wanted
	columns  int
	readOnly bool
	busy     bool // between bind and release
	once     bool // not kept

	// C memory for the texts and blobs bound. It is kept from run to run when it is
	// small: malloc is a lock and a search.
	buffer     uintptr
	bufferSize int
}

const keptBuffer = 16 << 10

func newStmt(c *sqliteConn, p uintptr) (*sqliteStmt, error) {
	st := &sqliteStmt{conn: c, p: p}
	st.columns = int(lib.Xsqlite3_column_count(c.tls, p))
	st.readOnly = lib.Xsqlite3_stmt_readonly(c.tls, p) != 0
	// SQLite numbers $1, $2 by their first appearance; we, by what they say.
	for i := range int(lib.Xsqlite3_bind_parameter_count(c.tls, p)) {
		name := libc.GoString(lib.Xsqlite3_bind_parameter_name(c.tls, p, int32(i+1)))
		n, err := strconv.Atoi(name[min(1, len(name)):])
		if err != nil || n < 1 || name[0] != '$' {
			st.finalize()
			return nil, fmt.Errorf("parameter %q is not a number behind a dollar sign", name)
		}
		st.order = append(st.order, n-1)
		st.args = max(st.args, n)
	}
	return st, nil
}

func (st *sqliteStmt) finalize() {
	lib.Xsqlite3_finalize(st.conn.tls, st.p)
	st.freeBuffer()
}

func (st *sqliteStmt) freeBuffer() {
	if st.buffer != 0 {
		libc.Xfree(st.conn.tls, st.buffer)
		st.buffer, st.bufferSize = 0, 0
	}
}

// release makes the statement ready for its next run.
func (st *sqliteStmt) release() {
	if !st.busy {
		return
	}
	st.busy = false
	if st.once {
		st.finalize()
		return
	}
	lib.Xsqlite3_reset(st.conn.tls, st.p)
	if st.bufferSize > keptBuffer {
		lib.Xsqlite3_clear_bindings(st.conn.tls, st.p)
		st.freeBuffer()
	}
}

// bind copies the arguments to C memory and binds them.
func (st *sqliteStmt) bind(args []any) error {
	if len(args) != st.args {
		return fmt.Errorf("%d arguments for %d parameters", len(args), st.args)
	}
	args, err := plainAll(args)
	if err != nil {
		return err
	}
	size := 1 // an empty text is not NULL and needs an address
	for _, n := range st.order {
		size += sizeOf(args[n])
	}
	if err := st.grow(size); err != nil {
		return err
	}
	next := st.buffer
	for i, n := range st.order {
		if rc := st.bindOne(int32(i+1), args[n], next); rc != lib.SQLITE_OK {
			return st.conn.failure(rc)
		}
		next += uintptr(copyTo(unsafe.Slice((*byte)(at(next)), sizeOf(args[n])), args[n]))
	}
	return nil
}

// plainAll makes all arguments plain.
func plainAll(args []any) ([]any, error) {
	own := false
	for i := range args {
		switch v := args[i].(type) {
		case nil, int64, int, float64, []byte, pieces:
		default:
			if s, ok := v.(string); ok && text(s) == s {
				continue
			}
			p, err := plain(v)
			if err != nil {
				return nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
			if !own {
				args, own = slices.Clone(args), true
			}
			args[i] = p
		}
	}
	return args, nil
}

func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	case pieces:
		return v.size()
	}
	return 0
}

func (st *sqliteStmt) grow(size int) error {
	if size <= st.bufferSize {
		return nil
	}
	st.freeBuffer()
	size = (size + 255) &^ 255
	if st.buffer = libc.Xmalloc(st.conn.tls, libc.Tsize_t(size)); st.buffer == 0 {
		return errors.New("sqlite: no memory for the arguments")
	}
	st.bufferSize = size
	return nil
}

func copyTo(to []byte, arg any) (n int) {
	switch v := arg.(type) {
	case string:
		return copy(to, v)
	case []byte:
		return copy(to, v)
	case pieces:
		for _, b := range v {
			n += copy(to[n:], b)
		}
	}
	return n
}

// bindOne binds a plain argument, whose bytes stand at p until the next bind.
func (st *sqliteStmt) bindOne(i int32, arg any, p uintptr) int32 {
	tls := st.conn.tls
	switch v := arg.(type) {
	case int64:
		return lib.Xsqlite3_bind_int64(tls, st.p, i, v)
	case int:
		return lib.Xsqlite3_bind_int64(tls, st.p, i, int64(v))
	case float64:
		return lib.Xsqlite3_bind_double(tls, st.p, i, v)
	case string:
		return lib.Xsqlite3_bind_text(tls, st.p, i, p, int32(len(v)), 0)
	case []byte:
		if v != nil {
			return lib.Xsqlite3_bind_blob(tls, st.p, i, p, int32(len(v)), 0)
		}
	case pieces:
		return lib.Xsqlite3_bind_blob(tls, st.p, i, p, int32(v.size()), 0)
	}
	return lib.Xsqlite3_bind_null(tls, st.p, i)
}

// step goes to the next row; false at the end.
func (st *sqliteStmt) step() (bool, error) {
	if !st.readOnly {
		st.conn.wrote = true
	}
	switch rc := lib.Xsqlite3_step(st.conn.tls, st.p); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		return false, st.conn.failure(rc)
	}
}

// drain steps to the end.
func (st *sqliteStmt) drain() error {
	for {
		if more, err := st.step(); err != nil || !more {
			return err
		}
	}
}

func (st *sqliteStmt) next() (bool, error) { return st.step() }

func (st *sqliteStmt) close() error {
	st.release()
	return nil
}

// scan copies the row into dest.
func (st *sqliteStmt) scan(dest []any) error {
	if len(dest) != st.columns {
		return fmt.Errorf("scan %d columns into %d places", st.columns, len(dest))
	}
	for i, d := range dest {
		if err := st.scanOne(int32(i), d); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// scanOne copies a column; the usual pairs need no detour through a value.
func (st *sqliteStmt) scanOne(i int32, dest any) error {
	tls := st.conn.tls
	kind := lib.Xsqlite3_column_type(tls, st.p, i)
	switch d := dest.(type) {
	case *int64:
		if kind == lib.SQLITE_INTEGER {
			*d = lib.Xsqlite3_column_int64(tls, st.p, i)
			return nil
		}
	case *int:
		if kind == lib.SQLITE_INTEGER {
			*d = int(lib.Xsqlite3_column_int64(tls, st.p, i))
			return nil
		}
	case *string:
		if kind == lib.SQLITE_TEXT {
			*d = string(st.bytes(i))
			return nil
		}
	}
	return assign(dest, st.value(i, kind))
}

// bytes are the column's text or blob, valid until the next step.
func (st *sqliteStmt) bytes(i int32) []byte {
	p := lib.Xsqlite3_column_blob(st.conn.tls, st.p, i)
	n := lib.Xsqlite3_column_bytes(st.conn.tls, st.p, i)
	if p == 0 || n == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(at(p)), n)
}

func (st *sqliteStmt) value(i, kind int32) any {
	switch kind {
	case lib.SQLITE_INTEGER:
		return lib.Xsqlite3_column_int64(st.conn.tls, st.p, i)
	case lib.SQLITE_FLOAT:
		return lib.Xsqlite3_column_double(st.conn.tls, st.p, i)
	case lib.SQLITE_TEXT:
		return string(st.bytes(i))
	case lib.SQLITE_BLOB:
		return append([]byte{}, st.bytes(i)...)
	}
	return nil
}
