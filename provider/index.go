package provider

import (
	"math/bits"
	"slices"
)

// index finds in one pass over a reply which rules could fit it at all, and which
// providers it names: nearly two hundred regular expressions, one after the
// other, would be far too slow. It is the machine of Aho and Corasick over words
// that a rule cannot do without (needs).
type index struct {
	class  [256]uint8 // of a byte; letters of both cases share one, 0 is in no word
	width  int
	next   []uint16   // [state*width+class]
	out    [][]uint16 // entries by state
	always bitset     // rules that need no word
	rules  int        // entries from here on are providers
}

// findings is what index.look found.
type findings struct{ rules, providers bitset }

// bitset is a set of small numbers.
type bitset [4]uint64

const bitsetSize = 4 * 64

func (b *bitset) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b *bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// each goes over the members in order.
func (b *bitset) each(yield func(int) bool) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if !yield(i*64 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

// word is something to look for, and who asked for it.
type word struct {
	text  string // lower case
	entry uint16
}

func newIndex(rules []rule, providers []Provider) *index {
	if len(rules) > bitsetSize || len(providers) > bitsetSize {
		panic("provider: more rules than a bitset holds")
	}
	x := &index{rules: len(rules)}
	var words []word
	for i := range rules {
		needed := needs(rules[i].Pattern.String())
		if len(needed) == 0 {
			x.always.add(i)
		}
		for _, text := range needed {
			words = append(words, word{text, uint16(i)})
		}
	}
	for i := range providers {
		for _, text := range providers[i].Words {
			words = append(words, word{text, uint16(len(rules) + i)})
		}
	}
	x.alphabet(words)
	x.link(x.plant(words))
	return x
}

// alphabet gives a class to each byte that occurs in a word.
func (x *index) alphabet(words []word) {
	x.width = 1
	for _, w := range words {
		for _, b := range []byte(w.text) {
			if x.class[b] == 0 {
				x.class[b] = uint8(x.width)
				x.width++
			}
		}
	}
	for b := byte('a'); b <= 'z'; b++ {
		x.class[b-'a'+'A'] = x.class[b]
	}
}

// plant makes the tree of all words; it returns the states by depth.
func (x *index) plant(words []word) (order []uint16) {
	x.next, x.out = make([]uint16, x.width), make([][]uint16, 1)
	depth := []int{0}
	for _, w := range words {
		state := 0
		for i, b := range []byte(w.text) {
			at := state*x.width + int(x.class[b])
			if x.next[at] == 0 {
				x.next[at] = uint16(len(x.out))
				x.next = append(x.next, make([]uint16, x.width)...)
				x.out, depth = append(x.out, nil), append(depth, i+1)
			}
			state = int(x.next[at])
		}
		x.out[state] = append(x.out[state], w.entry)
	}
	for s := range x.out {
		order = append(order, uint16(s))
	}
	slices.SortStableFunc(order, func(a, b uint16) int { return depth[a] - depth[b] })
	return order
}

// link lets every state go on where its longest ending would.
func (x *index) link(order []uint16) {
	fail := make([]uint16, len(x.out))
	for _, s := range order {
		for c := range x.width {
			at := int(s)*x.width + c
			back := uint16(0)
			if s != 0 {
				back = x.next[int(fail[s])*x.width+c]
			}
			child := x.next[at]
			if child == 0 {
				x.next[at] = back
				continue
			}
			fail[child] = back
			x.out[child] = append(x.out[child], x.out[back]...)
		}
	}
}

// look goes once over a text.
func (x *index) look(text string) findings {
	f := findings{rules: x.always}
	state := 0
	for i := range len(text) {
		state = int(x.next[state*x.width+int(x.class[text[i]])])
		for _, entry := range x.out[state] {
			if int(entry) < x.rules {
				f.rules.add(int(entry))
			} else {
				f.providers.add(int(entry) - x.rules)
			}
		}
	}
	return f
}
