package repository

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

const (
	blockSize = 1 << 20  // octets of small objects that are compressed together
	packSize  = 16 << 20 // octets after which a pack is full
	packMagic = "agpack1\n"
)

// footSize is what follows the table of a pack: its length and the magic.
const footSize = 4 + len(packMagic)

// pack is one that is being written, into a file of ours. The last thing in it is the
// table of what it holds.
type pack struct {
	file    *os.File
	sum     hash.Hash
	sealed  io.WriteCloser // the file, encrypted
	zip     *zstd.Encoder
	at      int64 // octets written into sealed
	entries []entry
	block   []byte  // objects that wait to be compressed together
	waiting []entry // theirs
}

// newPack begins a pack in a folder.
func newPack(dir string, key Key) (*pack, error) {
	f, err := os.CreateTemp(dir, "backup-*")
	if err != nil {
		return nil, err
	}
	p := &pack{file: f, sum: sha256.New()}
	if p.sealed, err = age.Encrypt(io.MultiWriter(f, p.sum), key.identity.Recipient()); err == nil {
		p.zip, err = newEncoder(nil)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// add takes an object in.
func (p *pack) add(d Digest, data []byte) error {
	if len(p.block)+len(data) > blockSize {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.waiting = append(p.waiting, entry{digest: d, within: uint32(len(p.block)), size: uint32(len(data))})
	p.block = append(p.block, data...)
	return nil
}

// flush compresses the objects that wait, as one block.
func (p *pack) flush() error {
	if len(p.waiting) == 0 {
		return nil
	}
	return p.writeBlock(func(w io.Writer) error {
		_, err := w.Write(p.zip.EncodeAll(p.block, nil))
		return err
	})
}

// addStream takes a large object in, as a block of its own, without holding it.
func (p *pack) addStream(d Digest, size int64, data io.Reader) error {
	if err := p.flush(); err != nil {
		return err
	}
	p.waiting = append(p.waiting, entry{digest: d, size: uint32(size)})
	return p.writeBlock(func(w io.Writer) error {
		p.zip.Reset(w)
		sum := sha256.New()
		n, err := io.Copy(p.zip, io.TeeReader(io.LimitReader(data, size+1), sum))
		if err = errors.Join(err, p.zip.Close()); err != nil {
			return err
		}
		if n != size || Digest(sum.Sum(nil)) != d {
			return fmt.Errorf("the object %s changed while it was read", d)
		}
		return nil
	})
}

// writeBlock writes what compress gives, and notes where it stands. After an error the
// pack can still be used, unless writing itself failed.
func (p *pack) writeBlock(compress func(io.Writer) error) error {
	out := &counter{w: p.sealed}
	err := compress(out)
	if err == nil {
		for _, e := range p.waiting {
			e.at, e.length = uint32(p.at), uint32(out.n)
			p.entries = append(p.entries, e)
		}
	}
	p.at += out.n // after an error, too: what was written stays, and nothing refers to it
	p.block, p.waiting = p.block[:0], p.waiting[:0]
	return err
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

// Write writes and counts.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// size is how large the pack is, about.
func (p *pack) size() int64 { return p.at + int64(len(p.block)) }

// finish writes the table and gives the digest and the size of the file, which is
// then ready to be read from its beginning.
func (p *pack) finish() (d Digest, size int64, err error) {
	if err := p.flush(); err != nil {
		return d, 0, err
	}
	foot := p.zip.EncodeAll(appendEntries(nil, p.entries), nil)
	foot = binary.BigEndian.AppendUint32(foot, uint32(len(foot)))
	if _, err := p.sealed.Write(append(foot, packMagic...)); err != nil {
		return d, 0, err
	}
	if err := p.sealed.Close(); err != nil {
		return d, 0, err
	}
	size, err = p.file.Seek(0, io.SeekCurrent)
	return Digest(p.sum.Sum(nil)), size, err
}

// close removes the file. It may be called twice.
func (p *pack) close() error {
	if p.file == nil {
		return nil
	}
	name := p.file.Name()
	err := errors.Join(p.file.Close(), os.Remove(name))
	p.file = nil
	if p.zip != nil {
		p.zip.Close()
	}
	return err
}
