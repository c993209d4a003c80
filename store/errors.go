package store

import (
	"errors"
	"fmt"
)

// The errors that callers tell apart, with errors.Is.
var (
	// ErrNoRow: a query that must give a row gave none.
	ErrNoRow = errors.New("no such row")
	// ErrConflict: a unique, foreign key or check constraint refused the change.
	ErrConflict = errors.New("constraint violated")
	// ErrFull: no room, on the disk or below the watermark. Temporary: it goes when
	// there is room again.
	ErrFull = errors.New("no room left")
	// ErrBusy: a lock was not had in time. Temporary.
	ErrBusy = errors.New("busy")
	// ErrCorrupt: the database is damaged. Restore a backup.
	ErrCorrupt = errors.New("database damaged")
	// ErrUnreachable: the database or the place of bodies does not answer, or the
	// answer was lost. Temporary; what was written may or may not be stored.
	ErrUnreachable = errors.New("storage unreachable")
	// ErrInUse: another process works on the data folder.
	ErrInUse = errors.New("data folder in use")
	// ErrNewer: the database was written by a newer version of this program.
	ErrNewer = errors.New("database is newer than this program")
	// ErrUnsafe: the database server is set up to lose what it confirmed.
	ErrUnsafe = errors.New("database would not survive a power cut")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrReadOnly: a change was tried in a Read.
	ErrReadOnly = errors.New("change within a Read")
)

// Temporary reports whether the same may succeed later: no room, busy, or
// unreachable.
func Temporary(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, ErrBusy) || errors.Is(err, ErrUnreachable)
}

// A panicError is what Write returns for a closure that panicked.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("panic in a transaction: %v\n%s", e.value, e.stack)
}
