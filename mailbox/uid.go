package mailbox

import (
	"cmp"
	"iter"
	"slices"
)

// UID names a message within its folder (RFC 9051 section 2.3.1.1).
type UID uint32

// UIDRange is the UIDs from First to Last, both included.
type UIDRange struct{ First, Last UID }

// Len is the number of UIDs in the range.
func (r UIDRange) Len() int { return int(r.Last) - int(r.First) + 1 }

// UIDSet is a set of UIDs, kept as the ranges it consists of: a folder of a hundred
// thousand messages of which few were expunged takes as much as a small one. The zero
// value is empty. It is for one goroutine.
type UIDSet struct {
	ranges []UIDRange // rising, none touches the next
	before []uint32   // how many UIDs stand before each range
}

// NewUIDSet is the set of all UIDs in some ranges, which may overlap and come in any
// order; a range with First behind Last is empty.
func NewUIDSet(ranges ...UIDRange) UIDSet {
	s := UIDSet{ranges: merge(ranges)}
	s.count(0)
	return s
}

// Ranges turns UIDs in any order, some perhaps twice, into ranges that rise and do not
// touch.
func Ranges(uids []UID) []UIDRange {
	ranges := make([]UIDRange, 0, 8)
	if !slices.IsSorted(uids) {
		uids = slices.Clone(uids)
		slices.Sort(uids)
	}
	for _, uid := range uids {
		ranges = appendUID(ranges, uid)
	}
	return ranges
}

// appendUID adds a UID that is not below those before it.
func appendUID(ranges []UIDRange, uid UID) []UIDRange {
	if n := len(ranges); n > 0 && uint64(uid) <= uint64(ranges[n-1].Last)+1 {
		ranges[n-1].Last = uid
		return ranges
	}
	return append(ranges, UIDRange{uid, uid})
}

// merge sorts ranges and joins those that touch. It may give back its argument.
func merge(ranges []UIDRange) []UIDRange {
	if isMerged(ranges) {
		return ranges
	}
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b UIDRange) int { return cmp.Compare(a.First, b.First) })
	merged := sorted[:0]
	for _, r := range sorted {
		switch n := len(merged); {
		case r.Last < r.First:
		case n > 0 && uint64(r.First) <= uint64(merged[n-1].Last)+1:
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
		default:
			merged = append(merged, r)
		}
	}
	return merged
}

func isMerged(ranges []UIDRange) bool {
	for i, r := range ranges {
		if r.Last < r.First || i > 0 && uint64(r.First) <= uint64(ranges[i-1].Last)+1 {
			return false
		}
	}
	return true
}

// count makes s.before true from the range i on.
func (s *UIDSet) count(i int) {
	s.before = slices.Grow(s.before[:min(i, len(s.before))], len(s.ranges)-i)[:len(s.ranges)]
	n := uint32(0)
	if i > 0 {
		n = s.before[i-1] + uint32(s.ranges[i-1].Len())
	}
	for ; i < len(s.ranges); i++ {
		s.before[i] = n
		n += uint32(s.ranges[i].Len())
	}
}

// Len is the number of UIDs.
func (s *UIDSet) Len() int {
	n := len(s.ranges)
	if n == 0 {
		return 0
	}
	return int(s.before[n-1]) + s.ranges[n-1].Len()
}

// Max is the highest UID, zero of an empty set.
func (s *UIDSet) Max() UID {
	if len(s.ranges) == 0 {
		return 0
	}
	return s.ranges[len(s.ranges)-1].Last
}

// At is the UID at an index from 0; IMAP's message sequence number is the index plus
// one. Like that of a slice, the index must be there.
func (s *UIDSet) At(i int) UID {
	n, found := slices.BinarySearchFunc(s.before, i, func(before uint32, i int) int { return cmp.Compare(int(before), i) })
	if !found {
		n--
	}
	return s.ranges[n].First + UID(i-int(s.before[n]))
}

// find gives the first range that ends at or behind a UID.
func (s *UIDSet) find(uid UID) int {
	n, _ := slices.BinarySearchFunc(s.ranges, uid, func(r UIDRange, uid UID) int { return cmp.Compare(r.Last, uid) })
	return n
}

// Index gives the index of a UID, or, when it is not there, the one it would have.
func (s *UIDSet) Index(uid UID) (i int, found bool) {
	n := s.find(uid)
	switch {
	case n == len(s.ranges):
		return s.Len(), false
	case uid < s.ranges[n].First:
		return int(s.before[n]), false
	}
	return int(s.before[n]) + int(uid-s.ranges[n].First), true
}

// Has reports whether a UID is in the set.
func (s *UIDSet) Has(uid UID) bool {
	n := s.find(uid)
	return n < len(s.ranges) && s.ranges[n].First <= uid
}

// Ranges are the ranges the set consists of, rising. They are the set's own: do not
// change them.
func (s *UIDSet) Ranges() []UIDRange { return s.ranges }

// All yields the UIDs in their order.
func (s *UIDSet) All() iter.Seq[UID] {
	return func(yield func(UID) bool) {
		for _, r := range s.ranges {
			for uid := uint64(r.First); uid <= uint64(r.Last); uid++ {
				if !yield(UID(uid)) {
					return
				}
			}
		}
	}
}

// Clone is a copy that shares nothing.
func (s *UIDSet) Clone() UIDSet {
	return UIDSet{slices.Clone(s.ranges), slices.Clone(s.before)}
}

// Add puts the UIDs of ranges into the set.
func (s *UIDSet) Add(ranges ...UIDRange) {
	for _, r := range ranges {
		s.add(r)
	}
}

func (s *UIDSet) add(r UIDRange) {
	if r.Last < r.First {
		return
	}
	from := s.find(r.First)
	if from > 0 && uint64(s.ranges[from-1].Last)+1 == uint64(r.First) {
		from--
	}
	to := from // behind the last range that r touches
	for to < len(s.ranges) && uint64(s.ranges[to].First) <= uint64(r.Last)+1 {
		r.First, r.Last = min(r.First, s.ranges[to].First), max(r.Last, s.ranges[to].Last)
		to++
	}
	s.ranges = slices.Replace(s.ranges, from, to, r)
	s.count(from)
}

// Remove takes the UIDs of ranges out of the set.
func (s *UIDSet) Remove(ranges ...UIDRange) {
	for _, r := range ranges {
		s.remove(r)
	}
}

func (s *UIDSet) remove(r UIDRange) {
	if r.Last < r.First {
		return
	}
	from := s.find(r.First)
	to := from
	var rest []UIDRange
	for ; to < len(s.ranges) && s.ranges[to].First <= r.Last; to++ {
		if have := s.ranges[to]; have.First < r.First {
			rest = append(rest, UIDRange{have.First, r.First - 1})
		}
		if have := s.ranges[to]; have.Last > r.Last {
			rest = append(rest, UIDRange{r.Last + 1, have.Last})
		}
	}
	if from == to {
		return
	}
	s.ranges = slices.Replace(s.ranges, from, to, rest...)
	s.count(from)
}

// Intersect gives the ranges of the UIDs that are both in the set and in ranges, which
// rise and do not touch, as Ranges makes them.
func (s *UIDSet) Intersect(ranges []UIDRange) (both []UIDRange) {
	for _, r := range ranges {
		for n := s.find(r.First); n < len(s.ranges) && s.ranges[n].First <= r.Last; n++ {
			both = append(both, UIDRange{max(r.First, s.ranges[n].First), min(r.Last, s.ranges[n].Last)})
		}
	}
	return both
}
