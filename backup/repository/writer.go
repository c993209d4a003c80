package repository

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"
)

// Writer puts objects into packs and, at the end, publishes a snapshot. It is for one
// goroutine. Several writers may work in one repository, in one or in many processes.
type Writer struct {
	// PackSize is the number of octets after which a pack is stored. Zero: 16 MB.
	PackSize int64

	r      *Repository
	dir    string
	index  *index
	fresh  map[Digest]bool // put by this writer
	pack   *pack
	tables []table
	count  Written
}

// Written is what a writer has done.
type Written struct {
	Objects int64 // that were not there yet
	Bytes   int64 // of those
	Stored  int64 // bytes of the packs they are in
}

// NewWriter makes a writer that prepares packs in a folder on this machine.
func (r *Repository) NewWriter(ctx context.Context, dir string) (*Writer, error) {
	x, err := r.loadIndex(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("read the index of %s: %w", r, err)
	}
	return &Writer{r: r, dir: dir, index: x, fresh: map[Digest]bool{}}, nil
}

// Whole reports whether everything that the index names was there. When it is not, what
// earlier snapshots refer to may be gone, so that it has to be put again.
func (w *Writer) Whole() bool { return !w.index.lost }

// Has reports whether an object is there, so that nobody has to put it.
func (w *Writer) Has(d Digest) bool { return w.fresh[d] || len(w.index.find(d)) > 0 }

// Written says what was done so far.
func (w *Writer) Written() Written { return w.count }

// Put stores an object unless it is there.
func (w *Writer) Put(ctx context.Context, data []byte) (Digest, error) {
	d := Sum(data)
	if w.Has(d) {
		return d, nil
	}
	if len(data) > blockSize {
		return w.putStream(ctx, d, int64(len(data)), func() (io.Reader, error) { return newBytesReader(data), nil })
	}
	if err := w.ready(ctx); err != nil {
		return d, err
	}
	if err := w.pack.add(d, data); err != nil {
		return d, fmt.Errorf("write an object: %w", err)
	}
	w.note(d, int64(len(data)))
	return d, nil
}

// PutStream stores a large object unless it is there. It is read once to learn its
// digest, and a second time where it is new.
func (w *Writer) PutStream(ctx context.Context, size int64, open func() (io.Reader, error)) (Digest, error) {
	in, err := open()
	if err != nil {
		return Digest{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, interruptible{ctx, in})
	d := Digest(sum.Sum(nil))
	switch {
	case err != nil:
		return d, err
	case n != size:
		return d, fmt.Errorf("an object of %d octets has %d", size, n)
	case w.Has(d):
		return d, nil
	}
	return w.putStream(ctx, d, size, open)
}

func (w *Writer) putStream(ctx context.Context, d Digest, size int64, open func() (io.Reader, error)) (Digest, error) {
	if size > maxObject {
		return d, fmt.Errorf("an object of %d octets is too large: at most %d", size, maxObject)
	}
	in, err := open()
	if err != nil {
		return d, err
	}
	if err := w.ready(ctx); err != nil {
		return d, err
	}
	if err := w.pack.addStream(d, size, interruptible{ctx, in}); err != nil {
		return d, fmt.Errorf("write an object: %w", err)
	}
	w.note(d, size)
	return d, nil
}

func (w *Writer) note(d Digest, size int64) {
	w.fresh[d] = true
	w.count.Objects++
	w.count.Bytes += size
}

// ready makes sure that there is a pack with room.
func (w *Writer) ready(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.pack != nil && w.pack.size() >= cmp.Or(w.PackSize, packSize) {
		if err := w.ship(ctx); err != nil {
			return err
		}
	}
	if w.pack == nil {
		w.pack, err = newPack(w.dir, w.r.key)
	}
	return err
}

// ship stores the pack.
func (w *Writer) ship(ctx context.Context) error {
	if w.pack == nil {
		return nil
	}
	d, size, err := w.pack.finish()
	if err == nil {
		err = w.r.place.Put(ctx, packName(d), w.pack.file, size)
	}
	if err != nil {
		return fmt.Errorf("store a pack: %w", err)
	}
	w.tables = append(w.tables, table{d, w.pack.entries})
	w.count.Stored += size
	err = w.pack.close()
	w.pack = nil
	return err
}

// Flush stores everything that was put, so that it outlives this process. Without a
// snapshot nothing refers to it, but whoever writes next finds it.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.ship(ctx); err != nil {
		return err
	}
	_, err := w.r.writeIndex(ctx, w.tables)
	if err == nil {
		w.tables = nil
	}
	return err
}

// Publish stores what is left, and then the root of a snapshot: from now on it is
// there. Its name is returned.
func (w *Writer) Publish(ctx context.Context, at time.Time, root []byte) (string, error) {
	if err := w.Flush(ctx); err != nil {
		return "", fmt.Errorf("publish a snapshot: %w", err)
	}
	return w.r.writeSnapshot(ctx, at, root)
}

// Close frees what was not stored. It may be called twice.
func (w *Writer) Close() error {
	if w.pack == nil {
		return nil
	}
	err := w.pack.close()
	w.pack = nil
	return errors.Join(err)
}
