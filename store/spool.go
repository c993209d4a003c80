package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"
)

const (
	chunkSize   = 16 << 10
	spoolMemory = 1 << 20   // bytes kept in memory; more goes into a file
	allSpools   = 32 << 20  // bytes of all spools in memory, above which only what is stored inline stays there
	inlineBody  = 128 << 10 // unless Options.InlineBody says otherwise: bytes up to which a body stands in the database, see docs/decisions/0008-where-bodies-live.md
)

// Spool takes a body in, before it is known whether it will be stored. It holds 1 MB
// in memory, less when many do, and what is larger in a file. It is for one goroutine; its readers may
// be used beside one another once writing has ended.
type Spool struct {
	store  *Store
	head   []byte
	chunks []*[chunkSize]byte // the body, or with a file what is not yet written to it
	size   int64              // without the head
	file   *os.File
	path   string // of the file; empty once it is placed or removed
	place  string // where Place has put it
	closed bool
}

// NewSpool makes an empty spool. Close it.
func (s *Store) NewSpool() *Spool { return &Spool{store: s} }

// Size is the number of octets, head included.
func (sp *Spool) Size() int64 { return int64(len(sp.head)) + sp.size }

// SetHead puts octets in front, in place of those set before: the trace fields. They
// may come after the body, for only then all is known that they say.
func (sp *Spool) SetHead(head []byte) { sp.head = head }

var errSpoolDone = errors.New("the spool is placed or closed")

// Write takes in a part of the body.
func (sp *Spool) Write(p []byte) (int, error) {
	if sp.closed || sp.place != "" {
		return 0, errSpoolDone
	}
	if sp.file == nil && sp.size+int64(len(p)) > sp.store.spoolRoom() {
		if err := sp.moveToFile(); err != nil {
			return 0, err
		}
	}
	if sp.file != nil {
		n, err := sp.file.Write(p)
		sp.size += int64(n)
		return n, diskError(err)
	}
	for rest := p; len(rest) > 0; {
		used := int(sp.size % chunkSize)
		if used == 0 {
			sp.chunks = append(sp.chunks, sp.store.chunks.Get().(*[chunkSize]byte))
			sp.store.spooled.Add(chunkSize)
		}
		n := copy(sp.chunks[len(sp.chunks)-1][used:], rest)
		rest = rest[n:]
		sp.size += int64(n)
	}
	return len(p), nil
}

// WriteString is Write without a copy.
func (sp *Spool) WriteString(s string) (int, error) {
	return sp.Write(unsafe.Slice(unsafe.StringData(s), len(s))) // which neither keeps nor changes it
}

// spoolRoom is up to how many bytes a spool stays in memory now: strangers decide how many
// messages come in at a time. What is to stand in the database is never in a file.
func (s *Store) spoolRoom() int64 {
	if s.spooled.Load() > allSpools {
		return s.inline
	}
	return spoolMemory
}

func (sp *Spool) moveToFile() error {
	f, err := os.CreateTemp(sp.store.spoolFolder(), "")
	if err != nil {
		return diskError(err)
	}
	sp.file, sp.path = f, f.Name()
	for _, p := range sp.memory() {
		if _, err := f.Write(p); err != nil {
			return diskError(err)
		}
	}
	sp.freeChunks()
	return nil
}

// memory are the parts of the body that are in memory.
func (sp *Spool) memory() [][]byte {
	parts := make([][]byte, 0, len(sp.chunks)+1)
	for i, c := range sp.chunks {
		parts = append(parts, c[:min(chunkSize, sp.size-int64(i)*chunkSize)])
	}
	return parts
}

func (sp *Spool) freeChunks() {
	for _, c := range sp.chunks {
		sp.store.chunks.Put(c)
		sp.store.spooled.Add(-chunkSize)
	}
	sp.chunks = nil
}

// Open reads the spool from its beginning, head included; it also is an io.ReaderAt.
// Readers end with the spool.
func (sp *Spool) Open() (io.ReadSeekCloser, error) {
	if sp.closed {
		return nil, errSpoolDone
	}
	return newBody(sp.head, sp.tail(), sp.size, nil), nil
}

// tail reads what follows the head.
func (sp *Spool) tail() io.ReaderAt {
	if sp.file != nil {
		return sp.file
	}
	return chunkReader{sp}
}

// chunkReader reads the memory of a spool.
type chunkReader struct{ sp *Spool }

// ReadAt reads from any place.
func (r chunkReader) ReadAt(p []byte, at int64) (n int, err error) {
	sp := r.sp
	for n < len(p) && at < sp.size {
		end := min(chunkSize, sp.size-at/chunkSize*chunkSize)
		m := copy(p[n:], sp.chunks[at/chunkSize][at%chunkSize:end])
		n, at = n+m, at+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// large reports whether the body goes beside the database.
func (sp *Spool) large() bool { return sp.Size() > sp.store.inline }

// Place puts a large body where it will stay and syncs it; for a small one it does
// nothing. Call it after the last Write and SetHead, before the transaction of
// PutBody. What is placed and never put is swept after a day.
func (sp *Spool) Place(ctx context.Context) error {
	if sp.closed {
		return errSpoolDone
	}
	if sp.place != "" || !sp.large() {
		return nil
	}
	key := newPlace()
	if err := sp.putAway(ctx, key); err != nil {
		return fmt.Errorf("place a body of %d bytes: %w", sp.Size(), err)
	}
	sp.place = key
	return nil
}

func (sp *Spool) putAway(ctx context.Context, key string) error {
	if folder, ok := sp.store.bodies.(*folder); ok && sp.file != nil {
		if err := folder.adopt(key, sp.file, sp.path); err != nil {
			return err
		}
		sp.path = "" // no longer ours to remove
		return nil
	}
	return sp.store.bodies.Put(ctx, key, io.NewSectionReader(sp.tail(), 0, sp.size), sp.size)
}

// newPlace is a name nobody else gives.
func newPlace() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Close frees what is not placed. It may be called twice.
func (sp *Spool) Close() error {
	if sp.closed {
		return nil
	}
	sp.closed = true
	sp.freeChunks()
	if sp.file == nil {
		return nil
	}
	err := sp.file.Close()
	if sp.path != "" {
		err = errors.Join(err, os.Remove(sp.path))
	}
	return err
}
