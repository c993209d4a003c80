package store

import (
	"errors"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// joinedFile stands between SQLite and its log. SQLite writes that frame by frame,
// header and page apart, although nobody may look at them before they are synced; so
// what is written side by side is kept until then, and goes out in one system call.
// And it syncs the data only: SQLite as it is compiled for Go asks for the times of
// the file too, for which a file system writes its journal each time.
//
// That holds for a connection with synchronous = FULL, which syncs before it tells
// anybody of frames, and reads them itself through here. It does not hold for the
// database: of pages that a checkpoint has copied SQLite tells before it syncs them,
// and readers take them from the file at once.
type joinedFile struct {
	fd      int
	was     lib.Tsqlite3_io_methods
	table   uintptr // ours, in C memory
	methods joinedMethods

	waiting []byte // written by SQLite, not yet by us
	from    int64  // where it goes
	synced  bool   // once, as SQLite does it
	spares  bool   // every later sync: another connection writes the file, and syncs it
}

// joinedMethods are kept here for as long as C memory refers to them.
type joinedMethods struct {
	close    func(*libc.TLS, uintptr) int32
	read     func(*libc.TLS, uintptr, uintptr, int32, int64) int32
	write    func(*libc.TLS, uintptr, uintptr, int32, int64) int32
	truncate func(*libc.TLS, uintptr, int64) int32
	sync     func(*libc.TLS, uintptr, int32) int32
	size     func(*libc.TLS, uintptr, uintptr) int32
}

// joinedSize is how much waits at the most: a commit of some dozen messages.
const joinedSize = 256 << 10

// joinWrites puts a joinedFile before the log of the connection.
func (c *sqliteConn) joinWrites(spares bool) error {
	name, err := libc.CString("main")
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, name)
	if rc := lib.Xsqlite3_file_control(c.tls, c.db, name, lib.SQLITE_FCNTL_JOURNAL_POINTER, c.out); rc != lib.SQLITE_OK {
		return c.failure(rc)
	}
	file := *(*uintptr)(at(c.out))
	if file == 0 || *(*uintptr)(at(file)) == 0 {
		return errors.New("sqlite: the file is not open")
	}
	table := libc.Xmalloc(c.tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))
	if table == 0 {
		return errors.New("sqlite: no memory")
	}
	methods := (*uintptr)(at(file))
	j := &joinedFile{table: table, spares: spares, fd: int((*lib.TunixFile)(at(file)).Fh), was: *(*lib.Tsqlite3_io_methods)(at(*methods))}
	j.methods = joinedMethods{close: j.close, read: j.read, write: j.write, truncate: j.truncate, sync: j.sync, size: j.size}
	own := j.was
	own.FxClose, own.FxRead, own.FxWrite = address(&j.methods.close), address(&j.methods.read), address(&j.methods.write)
	own.FxTruncate, own.FxSync, own.FxFileSize = address(&j.methods.truncate), address(&j.methods.sync), address(&j.methods.size)
	*(*lib.Tsqlite3_io_methods)(at(table)) = own
	*methods = table
	c.joined = j
	return nil
}

func joinLog(c *sqliteConn) error { return c.joinWrites(false) }

// spareLog is for a connection that reads the log and never writes it. Before it copies
// frames, SQLite syncs them once more. That is needed for those which an earlier process
// has left; what the writer of this one tells of is synced already.
func spareLog(c *sqliteConn) error { return c.joinWrites(true) }

// free gives the table back, after the connection was closed.
func (j *joinedFile) free(tls *libc.TLS) { libc.Xfree(tls, j.table) }

// address is a function as C code refers to it.
func address[F any](f *F) uintptr { return *(*uintptr)(unsafe.Pointer(f)) }

// function is what C code refers to.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

func (j *joinedFile) write(_ *libc.TLS, _, p uintptr, n int32, offset int64) int32 {
	if j.waiting == nil {
		j.waiting = make([]byte, 0, joinedSize)
	}
	if len(j.waiting) > 0 && (offset != j.from+int64(len(j.waiting)) || len(j.waiting)+int(n) > joinedSize) {
		if rc := j.flush(); rc != lib.SQLITE_OK {
			return rc
		}
	}
	if len(j.waiting) == 0 {
		j.from = offset
	}
	j.waiting = append(j.waiting, unsafe.Slice((*byte)(at(p)), n)...)
	return lib.SQLITE_OK
}

// flush writes what waits. What could not be written is forgotten: SQLite undoes it.
func (j *joinedFile) flush() int32 {
	rest, offset := j.waiting, j.from
	j.waiting = j.waiting[:0]
	for len(rest) > 0 {
		n, err := syscall.Pwrite(j.fd, rest, offset)
		switch {
		case err == syscall.EINTR:
		case err == syscall.ENOSPC, err == syscall.EDQUOT, err == nil && n == 0:
			return lib.SQLITE_FULL
		case err != nil:
			return lib.SQLITE_IOERR_WRITE
		default:
			rest, offset = rest[n:], offset+int64(n)
		}
	}
	return lib.SQLITE_OK
}

func (j *joinedFile) sync(tls *libc.TLS, file uintptr, flags int32) int32 {
	if rc := j.flush(); rc != lib.SQLITE_OK {
		return rc
	}
	if !j.synced { // the first sync of a new file is one of its folder too
		rc := function[func(*libc.TLS, uintptr, int32) int32](j.was.FxSync)(tls, file, flags)
		j.synced = rc == lib.SQLITE_OK
		return rc
	}
	if j.spares {
		return lib.SQLITE_OK
	}
	for {
		switch err := syscall.Fdatasync(j.fd); err {
		case nil:
			return lib.SQLITE_OK
		case syscall.EINTR:
		default:
			return lib.SQLITE_IOERR_FSYNC
		}
	}
}

func (j *joinedFile) read(tls *libc.TLS, file, p uintptr, n int32, offset int64) int32 {
	if offset < j.from+int64(len(j.waiting)) && offset+int64(n) > j.from {
		if rc := j.flush(); rc != lib.SQLITE_OK {
			return rc
		}
	}
	return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](j.was.FxRead)(tls, file, p, n, offset)
}

func (j *joinedFile) truncate(tls *libc.TLS, file uintptr, size int64) int32 {
	if rc := j.flush(); rc != lib.SQLITE_OK {
		return rc
	}
	return function[func(*libc.TLS, uintptr, int64) int32](j.was.FxTruncate)(tls, file, size)
}

func (j *joinedFile) size(tls *libc.TLS, file, size uintptr) int32 {
	if rc := j.flush(); rc != lib.SQLITE_OK {
		return rc
	}
	return function[func(*libc.TLS, uintptr, uintptr) int32](j.was.FxFileSize)(tls, file, size)
}

func (j *joinedFile) close(tls *libc.TLS, file uintptr) int32 {
	rc := j.flush()
	if end := function[func(*libc.TLS, uintptr) int32](j.was.FxClose)(tls, file); end != lib.SQLITE_OK {
		rc = end
	}
	return rc
}
