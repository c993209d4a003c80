package repository

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Verified is what a Verify has read.
type Verified struct {
	Files   int
	Objects int
	Bytes   int64 // of all files
}

// Verify reads every file, compares it with its name, opens every object and compares
// it with its digest. What is wrong is given to found, one file at a time, with the
// objects in it that nobody can read any more. The error is about reading itself.
func (r *Repository) Verify(ctx context.Context, found func(Damage), progress func(done, of int)) (v Verified, err error) {
	in, err := r.NewReader(ctx)
	if err != nil {
		return v, err
	}
	defer in.Close()
	for _, d := range in.Damage() {
		if len(d.Objects) == 0 || !inPack(d.File) {
			found(d)
			continue
		}
		if d.Objects = in.unreadable(ctx, d.Objects); len(d.Objects) > 0 {
			found(d)
		}
	}
	if err := r.verifySnapshots(ctx, &v, found); err != nil {
		return v, err
	}
	v.Files += len(in.index.files)
	tables := in.index.tables()
	for i, t := range tables {
		progress(i, len(tables))
		v.Files++
		v.Objects += len(t.entries)
		d, err := in.verifyPack(ctx, t, &v)
		if err != nil {
			return v, err
		}
		if d != nil {
			found(*d)
		}
	}
	return v, nil
}

func inPack(name string) bool {
	return len(name) > len(packPrefix) && name[:len(packPrefix)] == packPrefix
}

func (r *Repository) verifySnapshots(ctx context.Context, v *Verified, found func(Damage)) error {
	head, err := readHead(ctx, r.place)
	if err == nil && r.id == "" {
		err = ErrDamaged
	}
	v.Files++
	v.Bytes += int64(len(head))
	if IsDamage(err) {
		found(Damage{File: headName, Err: err})
	} else if err != nil {
		return err
	}
	all, err := r.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		v.Files++
		root, err := r.Root(ctx, s.Name)
		v.Bytes += int64(len(root))
		var d *Damage
		switch {
		case err == nil:
		case errors.As(err, &d) && IsDamage(err):
			found(*d)
		default:
			return err
		}
	}
	return nil
}

// unreadable are those objects of some that no pack gives any more.
func (in *Reader) unreadable(ctx context.Context, objects []Digest) (gone []Digest) {
	for _, d := range objects {
		if !in.readable(ctx, d) {
			gone = append(gone, d)
		}
	}
	return gone
}

// readable reads an object and throws it away.
func (in *Reader) readable(ctx context.Context, d Digest) bool {
	o, err := in.Open(ctx, d)
	if err != nil {
		return false
	}
	defer o.Close()
	_, err = io.Copy(io.Discard, o)
	return err == nil
}

// verifyPack reads a pack twice: as a file, and object by object. Nil is sound.
func (in *Reader) verifyPack(ctx context.Context, t table, v *Verified) (*Damage, error) {
	d := &Damage{File: packName(t.pack)}
	size, err := in.r.sumOf(ctx, t.pack)
	v.Bytes += size
	if err != nil {
		if !IsDamage(err) {
			return nil, err
		}
		d.Err = err
	}
	for _, e := range t.entries {
		err := in.verifyEntry(ctx, e)
		if err == nil {
			continue
		}
		if !IsDamage(err) {
			return nil, err
		}
		if d.Err == nil {
			d.Err = err
		}
		if !in.readable(ctx, e.digest) {
			d.Objects = append(d.Objects, e.digest)
		}
	}
	if d.Err == nil {
		return nil, nil
	}
	return d, nil
}

// verifyEntry reads one object where it lies in one pack.
func (in *Reader) verifyEntry(ctx context.Context, e entry) error {
	if e.size <= blockSize {
		_, err := in.readSmall(ctx, e)
		return err
	}
	o, err := in.openLarge(ctx, e)
	if err != nil {
		return err
	}
	defer o.Close()
	_, err = io.Copy(io.Discard, o)
	return err
}

// sumOf compares the file of a pack with its name.
func (r *Repository) sumOf(ctx context.Context, pack Digest) (int64, error) {
	f, err := r.place.Open(ctx, packName(pack))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, interruptible{ctx, io.NewSectionReader(f, 0, f.Size())}, make([]byte, windowSize))
	if err == nil && Digest(sum.Sum(nil)) != pack {
		err = fmt.Errorf("%w: its SHA-256 is not its name", ErrDamaged)
	}
	return n, err
}
