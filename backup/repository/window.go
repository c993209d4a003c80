package repository

import "io"

// windowSize is how much a file far away is read at once.
const windowSize = 1 << 20

// window reads a file far away in pieces, one of them in memory. It is for one
// goroutine.
type window struct {
	size  int64
	load  func(at int64, piece []byte) error
	at    int64
	piece []byte
}

// Size is the number of octets.
func (w *window) Size() int64 { return w.size }

// ReadAt reads from any place.
func (w *window) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		if at >= w.size {
			return n, io.EOF
		}
		if at < w.at || at >= w.at+int64(len(w.piece)) {
			if err := w.turnTo(at, len(p)-n); err != nil {
				return n, err
			}
		}
		m := copy(p[n:], w.piece[at-w.at:])
		n, at = n+m, at+int64(m)
	}
	return n, nil
}

// turnTo loads the piece that begins here.
func (w *window) turnTo(at int64, want int) error {
	size := min(max(int64(want), windowSize), w.size-at)
	piece := w.piece[:0]
	if int64(cap(piece)) < size {
		piece = make([]byte, size)
	}
	piece = piece[:size]
	w.piece = nil
	if err := w.load(at, piece); err != nil {
		return err
	}
	w.at, w.piece = at, piece
	return nil
}

// Close frees the piece.
func (w *window) Close() error {
	w.piece = nil
	return nil
}
