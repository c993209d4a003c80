package spf

import (
	"context"
	"net/netip"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Bounds limit what Expand reads; zero fields take the defaults. They lie far
// above what any receiver follows, so that a tree too large is seen as it is.
type Bounds struct {
	Records int // distinct domains whose records are read; 100
	Queries int // questions asked in all; 500
}

// A tree can cost more than any number and its records can hold more terms than
// memory: costs stop growing here, and no more terms than this are kept.
const (
	maxCount = 10_000
	maxTerms = 50_000
)

// Tree is everything a domain's record leads to.
type Tree struct {
	Root       *Node
	Nodes      []*Node // each domain once, as first met
	Lookups    int     // what a receiver counts when no address matches; over 10 is a permerror
	Voids      int     // of them void, for a client with an IPv4 address; over 2 is a permerror
	VoidsIPv6  int     // of them void, for a client with an IPv6 address
	Authorized []Authorized
	Unlisted   []Unlisted
	Loops      []Link // includes and redirects that lead back to where they stand
	Duplicates []Link // includes and redirects of a domain that was reached before
	Missing    []Link // includes and redirects of a domain without exactly one record
	Cut        bool   // the bounds ended it: everything above is a part of the truth
}

// Unread is why records of the tree were not read: a temporary or bogus answer, or
// the bounds; nil when all were. Lookups and the shape of the tree are then the
// least that can be. What does not exist was read.
func (t *Tree) Unread() error {
	for _, n := range t.Nodes {
		if n.Err != nil && !isAbsence(n.Err) {
			return n.Err
		}
	}
	if t.Cut {
		return errCut
	}
	return nil
}

// Unseen is Unread, or why the hosts of a term were not found out: then voids and
// networks too are the least that can be.
func (t *Tree) Unseen() error {
	for _, n := range t.Nodes {
		for _, r := range n.Terms {
			if r.Err != nil && !isAbsence(r.Err) {
				return r.Err
			}
		}
	}
	return t.Unread()
}

// Node is one domain of a tree and its record.
type Node struct {
	Domain string // no final dot
	Fetched
	Terms []Resolved // of Record up to its all, modifiers too; empty when the record has problems
}

// Resolved is a term and what it led to.
type Resolved struct {
	Term       *Term
	Target     string       // the domain it asks about; "" when it asks about none, or hangs on the mail
	Child      *Node        // of include and redirect; shared when several lead there
	Addresses  []netip.Addr // of a and mx, both families
	Exchangers []world.MX   // of mx
	Err        error        // of the lookup; an absence is world.ErrNotFound
	VoidIPv4   bool         // finds nothing for a client with an IPv4 address
	VoidIPv6   bool         // finds nothing for a client with an IPv6 address
	Open       string       // why its addresses cannot be listed; "" when they can
}

// Link is an include or redirect by the domain it stands at.
type Link struct{ From, Term, To string }

// Authorized is a network that gets pass. A term before it may except a part of
// it ("-ip4:..."): for one address, ask Evaluate.
type Authorized struct {
	Prefix netip.Prefix
	Domain string   // whose record lists it
	Term   string   // that lists it
	Via    []string // the includes and redirects that lead there from the root
}

// Unlisted is a term that may give pass to addresses nobody can list.
type Unlisted struct{ Domain, Term, Why string }

// Expand follows a domain's record through all its includes and redirects, asks
// for all its hosts, and counts what that costs a receiver. Each domain is read
// once, however often it is included; lookups run side by side.
func Expand(ctx context.Context, r world.Resolver, domain mail.Domain, b Bounds) *Tree {
	x := newExpansion(ctx, r, domain, b)
	root := x.run(place{text: domain.String(), name: world.NameOf(domain)})
	t := &Tree{Root: root, Cut: x.cut}
	s := survey{tree: t, costs: map[*Node]cost{}, active: map[*Node]bool{}}
	c := s.walk(root)
	t.Lookups, t.Voids, t.VoidsIPv6 = c.lookups, c.voids, c.voidsIPv6
	if s.usesClientName {
		t.Lookups++ // the one PTR lookup of %{p}
	}
	l := listing{tree: t, seen: map[*Node]bool{}}
	l.list(root, nil)
	return t
}

// cost is what evaluating a record to its end takes, includes and all.
type cost struct{ lookups, voids, voidsIPv6 int }

func (c cost) plus(d cost) cost {
	return cost{
		min(c.lookups+d.lookups, maxCount), min(c.voids+d.voids, maxCount), min(c.voidsIPv6+d.voidsIPv6, maxCount),
	}
}

// survey walks a resolved tree: counts, and finds what is wrong with its shape.
type survey struct {
	tree           *Tree
	costs          map[*Node]cost // of the nodes done
	active         map[*Node]bool // above the one being walked
	usesClientName bool
}

func (s *survey) walk(n *Node) cost {
	s.tree.Nodes = append(s.tree.Nodes, n)
	s.active[n] = true
	defer delete(s.active, n)
	var sum cost
	for i := range n.Terms {
		sum = sum.plus(s.term(n, &n.Terms[i]))
	}
	s.costs[n] = sum
	return sum
}

func (s *survey) term(n *Node, r *Resolved) cost {
	if !r.Term.CostsLookup() {
		return cost{}
	}
	s.usesClientName = s.usesClientName || r.Term.Target.Uses("p")
	c := cost{lookups: 1}
	if r.VoidIPv4 {
		c.voids = 1
	}
	if r.VoidIPv6 {
		c.voidsIPv6 = 1
	}
	if r.Child == nil {
		return c
	}
	if isAbsence(r.Child.Err) {
		c.voids, c.voidsIPv6 = 1, 1
	}
	link := Link{n.Domain, r.Term.Text, r.Target}
	known, done := s.costs[r.Child]
	switch {
	case s.active[r.Child]:
		s.tree.Loops = append(s.tree.Loops, link)
		return c // once round; a receiver goes on to its limit
	case done:
		s.tree.Duplicates = append(s.tree.Duplicates, link)
	default:
		if r.Child.Record == nil && (r.Child.Err == nil || isAbsence(r.Child.Err)) {
			s.tree.Missing = append(s.tree.Missing, link)
		}
		known = s.walk(r.Child)
	}
	return c.plus(known)
}
