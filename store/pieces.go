package store

import (
	"errors"
	"io"
	"sync"
)

// pieceReader reads a body that comes in pieces of one size, with one of them in
// memory.
type pieceReader struct {
	size int64
	load func(n int64) ([]byte, error) // ErrNoRow behind the last

	mu    sync.Mutex
	n     int64
	piece []byte
}

// openPieces loads the first piece.
func openPieces(size int64, load func(n int64) ([]byte, error)) (*pieceReader, error) {
	first, err := load(0)
	if err != nil {
		return nil, err
	}
	return &pieceReader{size: size, load: load, piece: first}, nil
}

// ReadAt reads from any place.
func (r *pieceReader) ReadAt(p []byte, at int64) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n < len(p) {
		if err := r.turnTo(at / r.size); err != nil {
			return n, err
		}
		offset := at % r.size
		if offset >= int64(len(r.piece)) {
			return n, io.EOF
		}
		m := copy(p[n:], r.piece[offset:])
		n, at = n+m, at+int64(m)
	}
	return n, nil
}

func (r *pieceReader) turnTo(n int64) error {
	if n == r.n && r.piece != nil {
		return nil
	}
	piece, err := r.load(n)
	if errors.Is(err, ErrNoRow) {
		return io.EOF
	}
	if err != nil {
		return err
	}
	r.n, r.piece = n, piece
	return nil
}

// Close frees the piece.
func (r *pieceReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.piece = nil
	return nil
}
