package repository

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Reader gives objects back. It is for one goroutine. Close it.
type Reader struct {
	r      *Repository
	index  *index
	zip    *zstd.Decoder
	packs  []*openPack // the last used ones, newest last
	blocks []block     // likewise
}

const (
	keptPacks  = 4
	keptBlocks = 8
)

// openPack is an open file and what it says, opened.
type openPack struct {
	n     uint32
	file  File
	plain io.ReaderAt
	size  int64
}

// block is an opened block of small objects.
type block struct {
	pack, at uint32
	data     []byte
}

// NewReader reads the index. What is damaged in it is told by Damage; the rest can be
// read.
func (r *Repository) NewReader(ctx context.Context) (*Reader, error) {
	x, err := r.loadIndex(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("read the index of %s: %w", r, err)
	}
	return r.newReader(x)
}

func (r *Repository) newReader(x *index) (*Reader, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(4*blockSize))
	if err != nil {
		return nil, err
	}
	return &Reader{r: r, index: x, zip: z}, nil
}

// Damage is what was found damaged or gone while the index was read.
func (in *Reader) Damage() []Damage { return in.index.damage }

// Size gives the size of an object; false when there is none.
func (in *Reader) Size(d Digest) (int64, bool) {
	found := in.index.find(d)
	if len(found) == 0 {
		return 0, false
	}
	return int64(found[0].size), true
}

// Close frees what is held open.
func (in *Reader) Close() error {
	var errs []error
	for _, p := range in.packs {
		errs = append(errs, p.file.Close())
	}
	in.packs, in.blocks = nil, nil
	in.zip.Close()
	return errors.Join(errs...)
}

// Get gives an object, compared with its digest. The octets must not be changed. A
// *Damage says that it cannot be read.
func (in *Reader) Get(ctx context.Context, d Digest) ([]byte, error) {
	return fromAny(in, d, func(e entry) ([]byte, error) {
		if e.size > blockSize {
			o, err := in.openLarge(ctx, e)
			if err != nil {
				return nil, err
			}
			defer o.Close()
			return io.ReadAll(o)
		}
		return in.readSmall(ctx, e)
	})
}

// Object is an open object. Reading it ends with ErrDamaged in place of io.EOF when the
// octets are not those of its digest.
type Object struct {
	io.Reader
	Size  int64
	close func()
}

// Close frees what it held.
func (o *Object) Close() {
	if o.close != nil {
		o.close()
		o.close = nil
	}
}

// Open opens an object; a large one is not held in memory. Close it before the next is
// asked for.
func (in *Reader) Open(ctx context.Context, d Digest) (*Object, error) {
	return fromAny(in, d, func(e entry) (*Object, error) {
		if e.size > blockSize {
			return in.openLarge(ctx, e)
		}
		data, err := in.readSmall(ctx, e)
		if err != nil {
			return nil, err
		}
		return &Object{Reader: bytes.NewReader(data), Size: int64(len(data))}, nil
	})
}

// fromAny tries every place where an object lies.
func fromAny[T any](in *Reader, d Digest, read func(entry) (T, error)) (got T, err error) {
	err = &Damage{File: "object " + d.String(), Objects: []Digest{d}, Err: ErrMissing}
	for _, e := range in.index.find(d) {
		if got, err = read(e); err == nil {
			return got, nil
		}
		if !IsDamage(err) {
			return got, err
		}
		err = &Damage{File: packName(in.index.packs[e.pack]), Objects: []Digest{d}, Err: err}
	}
	return got, err
}

// readSmall gives an object out of a block.
func (in *Reader) readSmall(ctx context.Context, e entry) ([]byte, error) {
	data, err := in.block(ctx, e)
	if err != nil {
		return nil, err
	}
	end := uint64(e.within) + uint64(e.size)
	if end > uint64(len(data)) {
		return nil, fmt.Errorf("%w: its block is too short", ErrDamaged)
	}
	data = data[e.within:end:end]
	if Sum(data) != e.digest {
		return nil, fmt.Errorf("%w: its digest is another", ErrDamaged)
	}
	return data, nil
}

// block gives an opened block, often one that was opened before.
func (in *Reader) block(ctx context.Context, e entry) ([]byte, error) {
	if i := slices.IndexFunc(in.blocks, func(b block) bool { return b.pack == e.pack && b.at == e.at }); i >= 0 {
		b := in.blocks[i]
		in.blocks = append(slices.Delete(in.blocks, i, i+1), b)
		return b.data, nil
	}
	p, err := in.pack(ctx, e.pack)
	if err != nil {
		return nil, err
	}
	if e.length > 2*blockSize {
		return nil, fmt.Errorf("%w: a block of %d octets", ErrDamaged, e.length)
	}
	compressed := make([]byte, e.length)
	if _, err := p.plain.ReadAt(compressed, int64(e.at)); err != nil {
		return nil, damaged(err)
	}
	data, err := in.zip.DecodeAll(compressed, nil)
	if err != nil {
		return nil, damaged(err)
	}
	if len(in.blocks) >= keptBlocks {
		in.blocks = slices.Delete(in.blocks, 0, 1)
	}
	in.blocks = append(in.blocks, block{e.pack, e.at, data})
	return data, nil
}

// pack opens a pack, often one that is open.
func (in *Reader) pack(ctx context.Context, n uint32) (*openPack, error) {
	if i := slices.IndexFunc(in.packs, func(p *openPack) bool { return p.n == n }); i >= 0 {
		p := in.packs[i]
		in.packs = append(slices.Delete(in.packs, i, i+1), p)
		return p, nil
	}
	p, err := in.r.openPack(ctx, in.index.packs[n])
	if err != nil {
		return nil, err
	}
	p.n = n
	if len(in.packs) >= keptPacks {
		_ = in.packs[0].file.Close() // it was only read
		in.packs = slices.Delete(in.packs, 0, 1)
	}
	in.packs = append(in.packs, p)
	return p, nil
}

func (r *Repository) openPack(ctx context.Context, d Digest) (*openPack, error) {
	f, err := r.place.Open(ctx, packName(d))
	if err != nil {
		return nil, err
	}
	p := &openPack{file: f}
	p.plain, p.size, err = age.DecryptReaderAt(f, f.Size(), r.key.identity)
	if IsDamage(damaged(err)) {
		p.plain, err = openCut(f, r.key)
	}
	if err != nil {
		return nil, errors.Join(damaged(err), f.Close())
	}
	return p, nil
}

// cut reads a pack whose end is damaged, so that age does not open it at any place: from
// its beginning, as far as it goes.
type cut struct {
	file File
	key  Key
	in   io.Reader
	at   int64
}

func openCut(f File, key Key) (*cut, error) {
	c := &cut{file: f, key: key}
	return c, c.rewind()
}

func (c *cut) rewind() (err error) {
	c.at = 0
	c.in, err = age.Decrypt(io.NewSectionReader(c.file, 0, c.file.Size()), c.key.identity)
	return err
}

// ReadAt reads what lies further on, or begins again.
func (c *cut) ReadAt(p []byte, at int64) (int, error) {
	if at < c.at {
		if err := c.rewind(); err != nil {
			return 0, err
		}
	}
	skipped, err := io.CopyN(io.Discard, c.in, at-c.at)
	c.at += skipped
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(c.in, p)
	c.at += int64(n)
	return n, err
}

// maxFoot bounds the table of one pack, compressed.
const maxFoot = 64 << 20

// readFoot reads the table at the end of a pack.
func (r *Repository) readFoot(ctx context.Context, d Digest) ([]entry, error) {
	p, err := r.openPack(ctx, d)
	if err != nil {
		return nil, err
	}
	defer p.file.Close()
	foot := make([]byte, footSize)
	if p.size < int64(footSize) {
		return nil, fmt.Errorf("%w: it is cut off", ErrDamaged)
	}
	if _, err := p.plain.ReadAt(foot, p.size-int64(footSize)); err != nil && !errors.Is(err, io.EOF) {
		return nil, damaged(err)
	}
	size := int64(binary.BigEndian.Uint32(foot))
	if string(foot[4:]) != packMagic || size > maxFoot || size > p.size-int64(footSize) {
		return nil, fmt.Errorf("%w: it has no table", ErrDamaged)
	}
	compressed := io.NewSectionReader(p.plain, p.size-int64(footSize)-size, size)
	z, err := newDecoder(compressed)
	if err != nil {
		return nil, damaged(err)
	}
	defer z.Close()
	plain, err := io.ReadAll(z)
	if err != nil {
		return nil, damaged(err)
	}
	return readEntries(plain, 0)
}

// openLarge reads an object that has a block of its own, as it comes.
func (in *Reader) openLarge(ctx context.Context, e entry) (*Object, error) {
	p, err := in.pack(ctx, e.pack)
	if err != nil {
		return nil, err
	}
	z, err := newDecoder(io.NewSectionReader(p.plain, int64(e.at), int64(e.length)))
	if err != nil {
		return nil, damaged(err)
	}
	checked := &checkedReader{in: interruptible{ctx, z}, sum: sha256.New(), want: e.digest, left: int64(e.size)}
	return &Object{Reader: checked, Size: int64(e.size), close: z.Close}, nil
}

// checkedReader compares what went through it with a digest.
type checkedReader struct {
	in   io.Reader
	sum  hash.Hash
	want Digest
	left int64
}

// Read reads; at the end it compares.
func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.sum.Write(p[:n])
	if c.left -= int64(n); c.left < 0 {
		return n, fmt.Errorf("%w: it is too long", ErrDamaged)
	}
	if errors.Is(err, io.EOF) {
		if Digest(c.sum.Sum(nil)) != c.want {
			return n, fmt.Errorf("%w: its digest is another", ErrDamaged)
		}
		return n, io.EOF
	}
	return n, damaged(err)
}

// Reader reads what the writer found when it began; not what it has put itself.
func (w *Writer) Reader() (*Reader, error) { return w.r.newReader(w.index) }
