package repository

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// entry says where an object lies in a pack: in which block, and where in that.
// Positions count the octets of a pack as they were before it was encrypted.
type entry struct {
	digest Digest
	pack   uint32 // its number in an index
	at     uint32 // where the block begins
	length uint32 // of the block, compressed
	within uint32 // where the object begins in the block, opened
	size   uint32 // of the object
}

// maxObject bounds an object, so that every position fits.
const maxObject = 1 << 30

// entrySize is the size of an entry in a table.
const entrySize = len(Digest{}) + 4*4

// appendEntries writes a table, the pack left out.
func appendEntries(table []byte, entries []entry) []byte {
	for _, e := range entries {
		table = append(table, e.digest[:]...)
		for _, n := range []uint32{e.at, e.length, e.within, e.size} {
			table = binary.BigEndian.AppendUint32(table, n)
		}
	}
	return table
}

// readEntries reads a table of entries of one pack.
func readEntries(table []byte, pack uint32) ([]entry, error) {
	if len(table)%entrySize != 0 {
		return nil, fmt.Errorf("%w: a table of %d octets", ErrDamaged, len(table))
	}
	all := make([]entry, 0, len(table)/entrySize)
	for ; len(table) > 0; table = table[entrySize:] {
		e := entry{digest: Digest(table[:len(Digest{})]), pack: pack}
		for i, to := range []*uint32{&e.at, &e.length, &e.within, &e.size} {
			*to = binary.BigEndian.Uint32(table[len(Digest{})+4*i:])
		}
		all = append(all, e)
	}
	return all, nil
}

func compareEntries(a, b entry) int {
	return cmp.Or(slices.Compare(a.digest[:], b.digest[:]), cmp.Compare(a.pack, b.pack), cmp.Compare(a.at, b.at))
}

// table is the entries of one pack, as an index file has them.
type table struct {
	pack    Digest // the SHA-256 of the file
	entries []entry
}

// appendTables writes tables one after the other.
func appendTables(out []byte, tables []table) []byte {
	for _, t := range tables {
		out = append(out, t.pack[:]...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(t.entries)))
		out = appendEntries(out, t.entries)
	}
	return out
}

func readTables(in []byte) (all []table, err error) {
	const head = len(Digest{}) + 4
	for len(in) > 0 {
		if len(in) < head {
			return nil, fmt.Errorf("%w: a table is cut off", ErrDamaged)
		}
		t, n := table{pack: Digest(in)}, int(binary.BigEndian.Uint32(in[len(Digest{}):]))
		in = in[head:]
		if n > len(in)/entrySize {
			return nil, fmt.Errorf("%w: a table is cut off", ErrDamaged)
		}
		if t.entries, err = readEntries(in[:n*entrySize], 0); err != nil {
			return nil, err
		}
		all, in = append(all, t), in[n*entrySize:]
	}
	return all, nil
}
