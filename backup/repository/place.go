package repository

import (
	"context"
	"io"
)

// Place is where the files of a repository lie. Names are made of letters, digits,
// "-" and "/".
type Place interface {
	// Put stores a file, durably, which appears whole or not at all. One that is there
	// already has the same octets.
	Put(ctx context.Context, name string, body io.ReadSeeker, size int64) error
	// Open opens a file; ErrMissing when there is none.
	Open(ctx context.Context, name string) (File, error)
	// List calls f with each file whose name begins so, in no order, until f fails.
	List(ctx context.Context, prefix string, f func(name string, size int64) error) error
	// Delete removes a file; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// String says where it is, for people.
	String() string
}

// File is an open file of a place.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
