package syntax

import (
	"slices"
	"strconv"
)

// Star stands for "*" in a Range: the largest number in use.
const Star uint32 = 0

// Range is numbers from First to Last, both with it, in either order. A single number is
// its own Last.
type Range struct{ First, Last uint32 }

// Set is message numbers or UIDs, as the client wrote them.
type Set struct {
	Ranges []Range
	Saved  bool // "$": the result of the last SEARCH RETURN (SAVE) (RFC 5182)
}

// set is sequence-set.
func (s *scanner) set() (set Set) {
	if s.take('$') {
		return Set{Saved: true}
	}
	for s.err == nil {
		r := Range{First: s.setNumber()}
		r.Last = r.First
		if s.take(':') {
			r.Last = s.setNumber()
		}
		set.Ranges = append(set.Ranges, r)
		if !s.take(',') {
			break
		}
	}
	return set
}

func (s *scanner) setNumber() uint32 {
	if s.take('*') {
		return Star
	}
	n := s.number()
	if n == 0 {
		s.fail("0 numbers no message")
	}
	return n
}

// Resolve gives the ranges in ascending order, merged, each with First <= Last, and the
// stars replaced by the largest number in use. With largest 0, where nothing is, a star
// stands for nothing, and so does a range with it.
func (set Set) Resolve(largest uint32) []Range {
	all := make([]Range, 0, len(set.Ranges))
	for _, r := range set.Ranges {
		if largest == 0 && (r.First == Star || r.Last == Star) {
			continue
		}
		if r.First == Star {
			r.First = largest
		}
		if r.Last == Star {
			r.Last = largest
		}
		if r.First > r.Last {
			r.First, r.Last = r.Last, r.First // RFC 9051 section 9: seq-range
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Range) int { return int(int64(a.First) - int64(b.First)) })
	merged := all[:0]
	for _, r := range all {
		if n := len(merged); n > 0 && int64(r.First) <= int64(merged[n-1].Last)+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// RangesOf makes ranges of ascending numbers.
func RangesOf[T ~uint32](numbers []T) []Range {
	var all []Range
	for _, n := range numbers {
		n := uint32(n)
		if k := len(all); k > 0 && all[k-1].Last+1 == n {
			all[k-1].Last = n
			continue
		}
		all = append(all, Range{n, n})
	}
	return all
}

// AppendRanges writes ranges as a sequence set: 1:3,5.
func AppendRanges(b []byte, all []Range) []byte {
	for i, r := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last != r.First {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(r.Last), 10)
		}
	}
	return b
}
