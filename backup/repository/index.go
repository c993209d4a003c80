package repository

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
)

// index says where every object lies.
type index struct {
	packs   []Digest
	entries []entry // by digest
	files   []string
	covered map[Digest]bool // packs that an index file names, or that are doomed
	damage  []Damage
	lost    bool    // something that should be there is not
	missing []table // of packs that are named and not there
}

// has looks an object up; all places where it lies.
func (x *index) find(d Digest) []entry {
	from := sort.Search(len(x.entries), func(i int) bool { return slices.Compare(x.entries[i].digest[:], d[:]) >= 0 })
	to := from
	for to < len(x.entries) && x.entries[to].digest == d {
		to++
	}
	return x.entries[from:to]
}

// loadIndex reads the index files, and the tables of packs that none of them names.
// What is damaged is noted. Packs that are doomed count for readers only: nothing new
// may rely on them.
func (r *Repository) loadIndex(ctx context.Context, reader bool) (*index, error) {
	x := &index{covered: map[Digest]bool{}}
	there, err := r.listPacks(ctx)
	if err != nil {
		return nil, err
	}
	doomed, damage, err := r.doomed(ctx)
	if err != nil {
		return nil, err
	}
	x.damage = damage
	err = r.place.List(ctx, indexPrefix, func(name string, _ int64) error {
		x.files = append(x.files, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range x.files {
		if err := r.loadIndexFile(ctx, x, name, there); err != nil {
			return nil, err
		}
	}
	for _, d := range doomed {
		x.bury(d, there, reader)
	}
	if err := r.loadFeet(ctx, x, there); err != nil {
		return nil, err
	}
	slices.SortFunc(x.entries, compareEntries)
	return x, nil
}

// listPacks gives the packs that there are, and their sizes.
func (r *Repository) listPacks(ctx context.Context) (map[Digest]int64, error) {
	there := map[Digest]int64{}
	err := r.place.List(ctx, packPrefix, func(name string, size int64) error {
		if d, ok := digestOf(name); ok && name == packName(d) {
			there[d] = size
		}
		return nil
	})
	return there, err
}

func (r *Repository) loadIndexFile(ctx context.Context, x *index, name string, there map[Digest]int64) error {
	plain, err := r.readSealed(ctx, name)
	var tables []table
	if err == nil {
		tables, err = readTables(plain)
	}
	if errors.Is(err, ErrMissing) {
		return nil // somebody has put a newer one in its place
	}
	if errors.Is(err, ErrDamaged) {
		x.note(name, err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, t := range tables {
		x.add(t, there)
	}
	return nil
}

func (x *index) note(file string, err error) {
	x.damage = append(x.damage, Damage{File: file, Err: err})
}

// add takes the table of a pack in, if the pack is there.
func (x *index) add(t table, there map[Digest]int64) {
	if x.covered[t.pack] {
		return
	}
	x.covered[t.pack] = true
	if _, ok := there[t.pack]; !ok {
		x.lost, x.missing = true, append(x.missing, t)
		d := Damage{File: packName(t.pack), Err: ErrMissing}
		for _, e := range t.entries {
			d.Objects = append(d.Objects, e.digest)
		}
		x.damage = append(x.damage, d)
		return
	}
	x.append(t)
}

func (x *index) append(t table) {
	x.packs = append(x.packs, t.pack)
	for _, e := range t.entries {
		e.pack = uint32(len(x.packs) - 1)
		x.entries = append(x.entries, e)
	}
}

// bury takes doomed packs in, for readers; for writers they are not there, also where
// an index that is older still names them.
func (x *index) bury(d doomed, there map[Digest]int64, reader bool) {
	for _, t := range d.tables {
		if x.covered[t.pack] && !reader {
			x.drop(t.pack)
		}
		if _, ok := there[t.pack]; ok && reader && !x.covered[t.pack] {
			x.append(t)
		}
		x.covered[t.pack] = true
	}
}

func (x *index) drop(pack Digest) {
	n := uint32(slices.Index(x.packs, pack))
	x.entries = slices.DeleteFunc(x.entries, func(e entry) bool { return e.pack == n })
}

// loadFeet reads the tables of packs that nothing names: those of a writer that was
// killed or is at work, and those whose index is damaged.
func (r *Repository) loadFeet(ctx context.Context, x *index, there map[Digest]int64) error {
	for d := range there {
		if x.covered[d] {
			continue
		}
		entries, err := r.readFoot(ctx, d)
		switch {
		case err == nil:
			x.append(table{d, entries})
		case errors.Is(err, ErrDamaged):
			x.lost = true
			x.note(packName(d), err)
		case !errors.Is(err, ErrMissing): // removed at this moment
			return err
		}
	}
	return nil
}

// tables gives the index as it is written.
func (x *index) tables() []table {
	all := make([]table, len(x.packs))
	for i, d := range x.packs {
		all[i].pack = d
	}
	for _, e := range x.entries {
		all[e.pack].entries = append(all[e.pack].entries, e)
	}
	for _, t := range all { // in the order in which they lie, for whoever reads them all
		slices.SortFunc(t.entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.within, b.within)) })
	}
	return slices.DeleteFunc(all, func(t table) bool { return len(t.entries) == 0 })
}

// indexEntries is how many entries one index file has, about.
const indexEntries = 1 << 18

// writeIndex writes tables into as many files as it takes.
func (r *Repository) writeIndex(ctx context.Context, tables []table) (names []string, err error) {
	for len(tables) > 0 {
		n, count := 0, 0
		for n < len(tables) && (n == 0 || count+len(tables[n].entries) <= indexEntries) {
			count += len(tables[n].entries)
			n++
		}
		name, err := r.writeSealed(ctx, appendTables(nil, tables[:n]), indexName)
		if err != nil {
			return names, err
		}
		names, tables = append(names, name), tables[n:]
	}
	return names, nil
}

// isIndexFile reports whether a name is an index file's.
func isIndexFile(name string) bool { return strings.HasPrefix(name, indexPrefix) }
