package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// maxSealed bounds what is opened at once: the index of twenty million objects.
const maxSealed = 1 << 30

// seal compresses and encrypts a small file.
func (k Key) seal(plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.identity.Recipient())
	if err != nil {
		return nil, err
	}
	z, err := newEncoder(w)
	if err != nil {
		return nil, err
	}
	_, err = z.Write(plain)
	err = errors.Join(err, z.Close(), w.Close())
	return out.Bytes(), err
}

// open is the other way. Everything that can be wrong with it is damage.
func (k Key) open(sealed io.Reader) ([]byte, error) {
	r, err := age.Decrypt(sealed, k.identity)
	if err != nil {
		return nil, damaged(err)
	}
	z, err := newDecoder(r)
	if err != nil {
		return nil, damaged(err)
	}
	defer z.Close()
	plain, err := io.ReadAll(io.LimitReader(z, maxSealed))
	return plain, damaged(err)
}

// newEncoder compresses with the memory that a small server can spare.
func newEncoder(w io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(blockSize), zstd.WithLowerEncoderMem(true))
}

func newDecoder(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxSealed))
}

// damaged says ErrDamaged of an error in what was read, unless reading itself failed.
func damaged(err error) error {
	if err == nil || errors.Is(err, ErrPlace) || errors.Is(err, ErrMissing) || errors.Is(err, ErrDamaged) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// readSealed reads a small file of a place whole.
func (r *Repository) readSealed(ctx context.Context, name string) ([]byte, error) {
	f, err := r.place.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return r.key.open(io.NewSectionReader(f, 0, f.Size()))
}

// writeSealed stores a small file under the name that name makes of its digest.
func (r *Repository) writeSealed(ctx context.Context, plain []byte, name func(Digest) string) (string, error) {
	sealed, err := r.key.seal(plain)
	if err != nil {
		return "", err
	}
	as := name(Sum(sealed))
	return as, r.place.Put(ctx, as, bytes.NewReader(sealed), int64(len(sealed)))
}
