package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// BodyPlace keeps large bodies under names that are used once. What Put has stored
// survives a power cut when Put returns.
type BodyPlace interface {
	// Put stores size bytes under a new name.
	Put(ctx context.Context, name string, body io.Reader, size int64) error
	// Open reads a body; ErrNoRow when there is none.
	Open(ctx context.Context, name string) (PlacedBody, error)
	// Delete removes a body; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// List calls f with each body that was put before a time, until f fails.
	List(ctx context.Context, before time.Time, f func(name string) error) error
}

// PlacedBody is an open body in its place.
type PlacedBody interface {
	io.ReaderAt
	io.Closer
}

// folder is the place for one machine: a file per body, in 256 folders.
type folder struct{ dir string }

func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &folder{dir: dir}, syncFolder(filepath.Dir(dir))
}

func (p *folder) path(name string) string { return filepath.Join(p.dir, name[:2], name) }

// Put writes a file, syncs it, gives it its name and syncs the folder.
func (p *folder) Put(_ context.Context, name string, body io.Reader, _ int64) error {
	unfinished := filepath.Join(p.dir, name+".part")
	f, err := os.OpenFile(unfinished, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return diskError(err)
	}
	defer f.Close()
	if _, err = io.CopyBuffer(onlyWriter{f}, body, make([]byte, 128<<10)); err == nil {
		err = p.adopt(name, f, unfinished)
	}
	if err != nil {
		os.Remove(unfinished)
	}
	return diskError(err)
}

// onlyWriter hides ReadFrom, which would ask the kernel to copy from what is no file.
type onlyWriter struct{ io.Writer }

// adopt makes a written file of the same file system the body.
func (p *folder) adopt(name string, f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return diskError(err)
	}
	err := os.Rename(path, p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		if err := p.makeSubfolder(name); err != nil {
			return diskError(err)
		}
		err = os.Rename(path, p.path(name))
	}
	if err != nil {
		return diskError(err)
	}
	return diskError(syncFolder(filepath.Dir(p.path(name))))
}

// makeSubfolder makes the folder for the first body that goes into it.
func (p *folder) makeSubfolder(name string) error {
	if err := os.Mkdir(filepath.Dir(p.path(name)), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(p.dir)
}

// Open opens the file.
func (p *folder) Open(_ context.Context, name string) (PlacedBody, error) {
	f, err := os.Open(p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNoRow, err)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Delete removes the file; that may be undone by a power cut, and then by the next
// sweep.
func (p *folder) Delete(_ context.Context, name string) error {
	if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List walks over the files, and removes those that a crash left half-written.
func (p *folder) List(ctx context.Context, before time.Time, f func(name string) error) error {
	return filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !info.ModTime().Before(before):
			return nil
		case filepath.Ext(path) == ".part":
			return os.Remove(path)
		}
		return f(d.Name())
	})
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// diskError says ErrFull for a full disk or an exhausted quota.
func diskError(err error) error {
	if err == nil || errors.Is(err, ErrFull) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
