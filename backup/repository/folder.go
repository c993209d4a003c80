package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder is a place in the file system, such as a mounted disk.
type folder struct{ dir string }

// NewFolder is the place in a folder, which is made, 0700, when something is stored.
func NewFolder(dir string) Place { return &folder{dir} }

// String is the path.
func (p *folder) String() string { return p.dir }

func (p *folder) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

// unfinished ends the names of files on their way.
const unfinished = ".part"

// Put writes a file, syncs it, gives it its name and syncs the folders.
func (p *folder) Put(ctx context.Context, name string, body io.ReadSeeker, _ int64) error {
	path := p.path(name)
	if err := p.makeFolders(filepath.Dir(path)); err != nil {
		return placeError(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "*"+unfinished) // mode 0600
	if err != nil {
		return placeError(err)
	}
	_, err = body.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(onlyWriter{f}, interruptible{ctx, body})
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return placeError(errors.Join(err, os.Remove(f.Name())))
	}
	return placeError(syncFolder(filepath.Dir(path)))
}

// makeFolders makes what is missing and syncs each name that it made.
func (p *folder) makeFolders(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = p.makeFolders(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// onlyWriter hides ReadFrom, which would ask the kernel to copy from what is no file.
type onlyWriter struct{ io.Writer }

// interruptible ends a copy with its context.
type interruptible struct {
	ctx context.Context
	io.Reader
}

// Read reads unless the context has ended.
func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// openFile is a file and its size.
type openFile struct {
	*os.File
	size int64
}

// Size is the number of octets.
func (f openFile) Size() int64 { return f.size }

// Open opens the file.
func (p *folder) Open(_ context.Context, name string) (File, error) {
	f, err := os.Open(p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, name)
	}
	if err != nil {
		return nil, placeError(err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, placeError(errors.Join(err, f.Close()))
	}
	return openFile{f, info.Size()}, nil
}

// List walks over the files.
func (p *folder) List(ctx context.Context, prefix string, f func(name string, size int64) error) error {
	if _, err := os.Stat(p.dir); err != nil {
		return placeError(err) // a disk that is not mounted is no empty repository
	}
	return filepath.WalkDir(p.path(prefix), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return placeError(err)
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() || strings.HasSuffix(path, unfinished):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil // it went away
		}
		name, err := filepath.Rel(p.dir, path)
		if err != nil {
			return err
		}
		return f(filepath.ToSlash(name), info.Size())
	})
}

// Delete removes the file.
func (p *folder) Delete(_ context.Context, name string) error {
	if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return placeError(err)
	}
	return nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// placeError says ErrPlace.
func placeError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPlace, err)
}
