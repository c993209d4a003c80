package store

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// BodyID names a stored body. Zero is none.
type BodyID int64

// PutBody stores what is in a spool with the rest of the transaction. A large body
// must have been placed.
func (tx *Tx) PutBody(sp *Spool) (BodyID, error) {
	if sp.closed {
		return 0, errSpoolDone
	}
	now := tx.store.options.Clock()
	var place, head, data any
	switch {
	case sp.place != "":
		place, head = sp.place, sp.head
	case sp.large():
		return 0, errors.New("put a large body that was not placed")
	default:
		data = pieces(append([][]byte{sp.head}, sp.memory()...))
	}
	id, err := tx.Insert(`INSERT INTO store_body (created, size, place, head, data) VALUES ($1, $2, $3, $4, $5)`,
		now, sp.Size(), place, head, data)
	return BodyID(id), err
}

// HoldBody makes sure that a body is still there, and stays until the transaction
// ends, so that another reference to it can be added. Without it: ErrNoRow.
func (tx *Tx) HoldBody(id BodyID) error {
	query := `SELECT id FROM store_body WHERE id = $1`
	if tx.store.Engine() == PostgreSQL {
		query += ` FOR SHARE`
	}
	return tx.Row(query, id).Scan(&id)
}

// ReleaseBody says that a reference to the body was dropped; when it was the last,
// the next Sweep removes the body.
func (tx *Tx) ReleaseBody(id BodyID) error {
	_, err := tx.Exec(`INSERT INTO store_released (body) VALUES ($1)`, id)
	return err
}

// Body reads a stored body. It is for one goroutine, but for ReadAt. A body stays
// readable while it is open also when it is swept meanwhile, as far as its place
// allows.
type Body struct {
	io.SectionReader
	close func() error
}

// OpenBody opens a body; ErrNoRow when there is none of that name.
func (s *Store) OpenBody(ctx context.Context, id BodyID) (*Body, error) {
	var size int64
	var place *string
	var head, data []byte
	err := s.Read(ctx, func(tx *Tx) error {
		return tx.Row(`SELECT size, place, head, data FROM store_body WHERE id = $1`, id).Scan(&size, &place, &head, &data)
	})
	if err != nil {
		return nil, err
	}
	if place == nil {
		return newBody(data, nil, 0, nil), nil
	}
	tail, err := s.bodies.Open(ctx, *place)
	if err != nil {
		return nil, err
	}
	return newBody(head, tail, size-int64(len(head)), tail.Close), nil
}

// newBody joins a head and a tail of a known size.
func newBody(head []byte, tail io.ReaderAt, size int64, close func() error) *Body {
	var all io.ReaderAt = bytes.NewReader(head)
	if tail != nil {
		all = headed{head: head, tail: tail}
	}
	return &Body{SectionReader: *io.NewSectionReader(all, 0, int64(len(head))+size), close: close}
}

// Close frees what the body held open. It may be called twice.
func (b *Body) Close() error {
	f := b.close
	b.close = nil
	if f == nil {
		return nil
	}
	return f()
}

// headed reads a head and then a tail.
type headed struct {
	head []byte
	tail io.ReaderAt
}

// ReadAt reads from any place.
func (h headed) ReadAt(p []byte, at int64) (n int, err error) {
	if at < int64(len(h.head)) {
		n = copy(p, h.head[at:])
		at += int64(n)
	}
	if n == len(p) {
		return n, nil
	}
	m, err := h.tail.ReadAt(p[n:], at-int64(len(h.head)))
	return n + m, err
}
