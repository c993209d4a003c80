package imap

import (
	"slices"
	"strconv"
)

// byReferences is the algorithm REFERENCES (RFC 5256 section 3): who answers whom is
// said by identifiers, and where those are lost by subjects.
func byReferences(all []letter) []*knot {
	t := threading{knots: make(map[string]*knot, len(all)), order: make([]*knot, 0, len(all))}
	for i := range all {
		t.link(&all[i])
	}
	roots := prune(t.roots()) // steps 2 and 3
	for _, n := range roots {
		n.sort() // step 4
	}
	sortNodes(roots)
	roots = gather(roots) // step 5
	for _, n := range roots {
		n.sort() // step 6
	}
	sortNodes(roots)
	return roots
}

// threading is step 1: the knots by their identifiers.
type threading struct {
	knots map[string]*knot
	order []*knot // as they came up
}

// at is the knot of an identifier.
func (t *threading) at(id string) *knot {
	n := t.knots[id]
	if n == nil {
		n = &knot{}
		t.knots[id] = n
		t.order = append(t.order, n)
	}
	return n
}

// link puts a letter in its place. An identifier that another letter has already is as
// good as none.
func (t *threading) link(l *letter) {
	id := l.id
	if id == "" || t.knots[id] != nil && t.knots[id].letter != nil {
		id = "\x00" + strconv.Itoa(int(l.number)) // nobody refers to it
	}
	n := t.at(id)
	n.letter = l
	var parent *knot
	for _, ref := range l.references { // step 1A
		next := t.at(ref)
		if parent != nil && next.parent == nil && next != parent {
			parent.adopt(next)
		}
		parent = next
	}
	n.leave() // step 1B: what the letter itself says counts most
	if parent != nil {
		parent.adopt(n)
	}
}

// roots are the knots without a parent.
func (t *threading) roots() (roots []*knot) {
	for _, n := range t.order {
		if n.parent == nil {
			roots = append(roots, n)
		}
	}
	return roots
}

// prune takes out the knots without a letter: those below have their children in their
// place, those at the top only where that is one (step 3). From the leaves up, for
// threads can be deep.
func prune(roots []*knot) []*knot {
	order := slices.Clone(roots)
	for i := 0; i < len(order); i++ {
		order = append(order, order[i].children...)
	}
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		var kept []*knot
		for _, c := range n.children {
			if c.letter == nil {
				kept = append(kept, c.children...)
			} else {
				kept = append(kept, c)
			}
		}
		n.children = kept
		for _, c := range kept {
			c.parent = n
		}
	}
	var kept []*knot
	for _, n := range roots {
		switch {
		case n.letter != nil || len(n.children) > 1:
			kept = append(kept, n)
		case len(n.children) == 1:
			n.children[0].parent = nil
			kept = append(kept, n.children[0])
		}
	}
	return kept
}

// sort orders everything below a knot by when it was sent.
func (n *knot) sort() {
	order := []*knot{n}
	for i := 0; i < len(order); i++ {
		order = append(order, order[i].children...)
	}
	for i := len(order) - 1; i >= 0; i-- {
		sortNodes(order[i].children)
	}
}

// gather joins threads of one subject (step 5).
func gather(roots []*knot) []*knot {
	table := map[string]*knot{}
	for _, n := range roots { // step 5B
		subject, isReply := n.first().subject, n.first().isReply
		if subject == "" {
			continue
		}
		old := table[subject]
		switch {
		case old == nil,
			n.letter == nil && old.letter != nil,
			old.letter != nil && n.letter != nil && old.letter.isReply && !isReply:
			table[subject] = n
		}
	}
	all := slices.Clone(roots)
	for _, n := range roots { // step 5C
		if other := table[n.first().subject]; other != nil && other != n {
			if dummy := other.join(n); dummy != nil {
				table[n.first().subject] = dummy
				all = append(all, dummy)
			}
		}
	}
	return slices.DeleteFunc(all, func(n *knot) bool { return n.parent != nil || n.letter == nil && len(n.children) == 0 })
}

// join puts a thread beside or below another of the same subject; what stands for both
// is returned when it is new.
func (n *knot) join(current *knot) (dummy *knot) {
	switch {
	case current.letter == nil && n.letter == nil:
		for _, c := range current.children {
			c.parent = n
		}
		n.children = append(n.children, current.children...)
		current.children = nil
		return nil
	case n.letter == nil, current.letter != nil && current.letter.isReply && !n.letter.isReply:
		n.children = append(n.children, current)
		current.parent = n
		return nil
	}
	dummy = &knot{children: []*knot{n, current}}
	n.parent, current.parent = dummy, dummy
	return dummy
}
