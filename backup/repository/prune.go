package repository

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Grace is for how long packs are kept after nothing was found to refer to them. No
// backup may take longer: what it relies on could go meanwhile.
const Grace = 24 * time.Hour

// doomed are packs that wait for their end.
type doomed struct {
	name   string
	since  time.Time
	tables []table
}

// doomed reads what is condemned. A damaged file of this kind is as good as none: its
// packs are found again by what they say of themselves.
func (r *Repository) doomed(ctx context.Context) (all []doomed, damage []Damage, err error) {
	var names []string
	err = r.place.List(ctx, doomedPrefix, func(name string, _ int64) error {
		names = append(names, name)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		plain, err := r.readSealed(ctx, name)
		if err == nil && len(plain) < 8 {
			err = fmt.Errorf("%w: it is cut off", ErrDamaged)
		}
		d := doomed{name: name}
		if err == nil {
			d.since = time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)
			d.tables, err = readTables(plain[8:])
		}
		switch {
		case errors.Is(err, ErrMissing): // its time was over at this moment
		case errors.Is(err, ErrDamaged):
			damage = append(damage, Damage{File: name, Err: err})
		case err != nil:
			return nil, nil, err
		default:
			all = append(all, d)
		}
	}
	return all, damage, nil
}

func (r *Repository) condemn(ctx context.Context, now time.Time, tables []table) error {
	if len(tables) == 0 {
		return nil
	}
	plain := appendTables(binary.BigEndian.AppendUint64(nil, uint64(now.Unix())), tables)
	_, err := r.writeSealed(ctx, plain, func(d Digest) string { return doomedPrefix + d.String() })
	return err
}

// Reach walks from the root of a snapshot over every object that it needs and calls
// see with each; see reports whether it was new, so that what is below must be walked.
type Reach func(ctx context.Context, in *Reader, root []byte, see func(Digest) bool) error

// Pruned is what a Prune did.
type Pruned struct {
	Doomed    int   // packs that go in a day
	Rewritten int   // packs of which less than half was needed
	Removed   int   // packs that are gone
	Bytes     int64 // of those
}

// Prune frees the room of what no snapshot refers to any more, in two steps: it dooms
// packs of which nothing is needed, which takes them out of the index that writers rely
// on, and removes those that were doomed a day ago, unless a snapshot published
// meanwhile refers to them after all. Packs of which less than half is needed are
// written anew. It fails where a snapshot cannot be read, for then nobody knows what it
// needs. Run one at a time.
func (r *Repository) Prune(ctx context.Context, dir string, now time.Time, reach Reach) (done Pruned, err error) {
	in, err := r.NewReader(ctx)
	if err != nil {
		return done, err
	}
	defer in.Close()
	p := &pruning{r: r, in: in, now: now, needed: map[Digest]bool{}}
	if err := p.mark(ctx, reach); err != nil {
		return done, fmt.Errorf("find out what is needed: %w", err)
	}
	if err := p.judge(ctx); err != nil {
		return done, err
	}
	if err := p.rewrite(ctx, dir); err != nil {
		return done, fmt.Errorf("write packs anew: %w", err)
	}
	if err := p.reindex(ctx); err != nil {
		return done, fmt.Errorf("write the index anew: %w", err)
	}
	err = p.remove(ctx)
	return p.done, err
}

// pruning is one Prune.
type pruning struct {
	r      *Repository
	in     *Reader
	now    time.Time
	needed map[Digest]bool
	old    []doomed
	broken []Damage // lists of doomed packs that nobody can read: judged anew
	keep   []table  // packs that stay in the index
	poor   []table  // packs to write anew
	doom   []table  // packs to condemn
	gone   []table  // packs that are needed and not there
	done   Pruned
}

// mark finds every object that any snapshot needs.
func (p *pruning) mark(ctx context.Context, reach Reach) error {
	snapshots, err := p.r.Snapshots(ctx)
	if err != nil {
		return err
	}
	see := func(d Digest) bool {
		if p.needed[d] {
			return false
		}
		p.needed[d] = true
		return true
	}
	for _, s := range snapshots {
		root, err := p.r.Root(ctx, s.Name)
		if err != nil {
			return err
		}
		if err := reach(ctx, p.in, root, see); err != nil {
			return fmt.Errorf("snapshot %s: %w", s.Name, err)
		}
	}
	return nil
}

// judge sorts the packs. Of an object that lies in several, the first counts.
func (p *pruning) judge(ctx context.Context) (err error) {
	if p.old, p.broken, err = p.r.doomed(ctx); err != nil {
		return err
	}
	condemned := map[Digest]bool{}
	for _, d := range p.old {
		for _, t := range d.tables {
			condemned[t.pack] = true
		}
	}
	tables := p.in.index.tables()
	// What is doomed counts last: an object that lies elsewhere needs it no more.
	slices.SortStableFunc(tables, func(a, b table) int { return order(condemned[a.pack]) - order(condemned[b.pack]) })
	taken := map[Digest]bool{}
	for _, t := range tables {
		var all, used int64
		for _, e := range t.entries {
			all += 1 + int64(e.size) // an empty one is one, too
			if p.needed[e.digest] && !taken[e.digest] {
				taken[e.digest] = true
				used += 1 + int64(e.size)
			}
		}
		switch {
		case used == 0 && condemned[t.pack]: // its time goes on
		case used == 0:
			p.doom = append(p.doom, t)
		case used*2 < all && !condemned[t.pack]:
			p.poor = append(p.poor, t)
		default:
			p.keep = append(p.keep, t)
		}
	}
	p.remember(taken)
	return nil
}

// remember keeps the tables of packs that are gone in the index as long as a snapshot
// needs what no other pack has: the writers behind this Prune must know that it has to
// be put again.
func (p *pruning) remember(there map[Digest]bool) {
	for _, t := range p.in.index.missing {
		if slices.ContainsFunc(t.entries, func(e entry) bool { return p.needed[e.digest] && !there[e.digest] }) {
			p.gone = append(p.gone, t)
		}
	}
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// rewrite copies what is needed out of poor packs into new ones.
func (p *pruning) rewrite(ctx context.Context, dir string) error {
	w := &Writer{r: p.r, dir: dir, index: &index{}, fresh: map[Digest]bool{}}
	defer w.Close()
	for _, t := range p.poor {
		if err := p.copyNeeded(ctx, w, t); err != nil {
			if !IsDamage(err) {
				return err
			}
			p.keep = append(p.keep, t) // as it is; Verify tells
			continue
		}
		p.doom = append(p.doom, t)
		p.done.Rewritten++
	}
	if err := w.ship(ctx); err != nil {
		return err
	}
	p.keep = append(p.keep, w.tables...)
	return nil
}

func (p *pruning) copyNeeded(ctx context.Context, w *Writer, t table) error {
	for _, e := range t.entries {
		if !p.needed[e.digest] || w.Has(e.digest) {
			continue
		}
		if e.size > blockSize {
			if err := p.copyLarge(ctx, w, e); err != nil {
				return err
			}
			continue
		}
		data, err := p.in.Get(ctx, e.digest)
		if err != nil {
			return err
		}
		if _, err := w.Put(ctx, data); err != nil {
			return err
		}
	}
	return nil
}

func (p *pruning) copyLarge(ctx context.Context, w *Writer, e entry) error {
	o, err := p.in.Open(ctx, e.digest)
	if err != nil {
		return err
	}
	defer o.Close()
	_, err = w.putStream(ctx, e.digest, o.Size, func() (io.Reader, error) { return o, nil })
	return err
}

// reindex writes one index of what stays, condemns the rest, and removes the older
// index files. Killed in between, it leaves packs named twice, which hurts nobody.
func (p *pruning) reindex(ctx context.Context) error {
	if err := p.r.condemn(ctx, p.now, p.doom); err != nil {
		return err
	}
	p.done.Doomed = len(p.doom)
	names, err := p.r.writeIndex(ctx, slices.Concat(p.keep, p.gone))
	if err != nil {
		return err
	}
	for _, name := range p.in.index.files {
		if slices.Contains(names, name) || !isIndexFile(name) {
			continue
		}
		if err := p.r.place.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// remove ends what was doomed long enough. A pack that is needed after all is in the
// index again.
func (p *pruning) remove(ctx context.Context) error {
	saved := map[Digest]bool{}
	for _, t := range p.keep {
		saved[t.pack] = true
	}
	var errs []error
	for _, d := range p.broken {
		errs = append(errs, p.r.place.Delete(ctx, d.File))
	}
	for _, d := range p.old {
		if p.now.Sub(d.since) < Grace {
			continue
		}
		var failed bool
		for _, t := range d.tables {
			if saved[t.pack] {
				continue
			}
			size := p.sizeOf(ctx, t.pack)
			if err := p.r.place.Delete(ctx, packName(t.pack)); err != nil {
				errs, failed = append(errs, err), true
				continue
			}
			p.done.Removed++
			p.done.Bytes += size
		}
		if !failed {
			errs = append(errs, p.r.place.Delete(ctx, d.name))
		}
	}
	return errors.Join(errs...)
}

// sizeOf is the size of a pack, 0 when it is gone already.
func (p *pruning) sizeOf(ctx context.Context, pack Digest) int64 {
	f, err := p.r.place.Open(ctx, packName(pack))
	if err != nil {
		return 0
	}
	defer f.Close()
	return f.Size()
}
