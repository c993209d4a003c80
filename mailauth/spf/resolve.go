package spf

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// errCut stands where the bounds of an expansion left a lookup undone.
var errCut = errors.New("the bounds of the expansion were reached")

// sideBySide is how many lookups of one expansion run at once.
const sideBySide = 16

// expansion reads the records of a tree and asks for their hosts.
type expansion struct {
	ctx      context.Context
	resolver world.Resolver
	macros   check // only for %{d} and %{o}
	bounds   Bounds
	slots    chan struct{}
	lookups  sync.WaitGroup // every goroutine of the expansion

	mu      sync.Mutex // guards what follows
	nodes   map[world.Name]*Node
	queries int
	terms   int
	cut     bool
}

func newExpansion(ctx context.Context, r world.Resolver, domain mail.Domain, b Bounds) *expansion {
	if b.Records == 0 {
		b.Records = 100
	}
	if b.Queries == 0 {
		b.Queries = 500
	}
	return &expansion{
		ctx: ctx, resolver: r, bounds: b, nodes: map[world.Name]*Node{}, slots: make(chan struct{}, sideBySide),
		macros: check{sender: mail.Address{Domain: domain}},
	}
}

// run reads everything below a domain and returns when all lookups are done.
func (x *expansion) run(at place) *Node {
	root := x.node(at)
	x.lookups.Wait()
	return root
}

// node is the node of a domain; the first to ask for it has it read. It is nil
// when the bounds are reached.
func (x *expansion) node(at place) *Node {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n, ok := x.nodes[at.name]; ok {
		return n
	}
	if len(x.nodes) >= x.bounds.Records || !x.reserve(1) {
		x.cut = true
		return nil
	}
	n := &Node{Domain: at.text, Fetched: Fetched{Name: at.name}}
	x.nodes[at.name] = n
	x.lookups.Go(func() { x.read(n, at) })
	return n
}

// reserve takes questions out of the bounds; x.mu is held. Whoever starts a
// goroutine has reserved a question first, so their number is bounded too.
func (x *expansion) reserve(questions int) bool {
	if x.queries+questions > x.bounds.Queries {
		x.cut = true
		return false
	}
	x.queries += questions
	return true
}

func (x *expansion) mayAsk(questions int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.reserve(questions)
}

// ask runs one lookup when a slot is free.
func (x *expansion) ask(lookup func()) {
	x.slots <- struct{}{}
	defer func() { <-x.slots }()
	lookup()
}

// read fetches the record of a node and resolves its terms.
func (x *expansion) read(n *Node, at place) {
	x.ask(func() { n.Fetched = Fetch(x.ctx, x.resolver, n.Name) })
	if n.Record == nil || len(n.Problems) > 0 || !x.keeps(n.Record) {
		return
	}
	all := n.Record.First(All)
	for i := range n.Record.Terms {
		t := &n.Record.Terms[i]
		if all != nil && (t.Kind == Redirect || t.IsMechanism() && t.Offset > all.Offset) {
			continue // never reached, section 5.1
		}
		n.Terms = append(n.Terms, Resolved{Term: t})
	}
	for i := range n.Terms {
		x.resolve(&n.Terms[i], at)
	}
}

// keeps counts the terms of a record, and drops them when the tree has too many.
func (x *expansion) keeps(r *Record) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.terms+len(r.Terms) > maxTerms {
		x.cut = true
		r.Terms = nil
		return false
	}
	x.terms += len(r.Terms)
	return true
}

// resolve finds out what a term leads to. It returns at once; goroutines fill in
// what has to be asked for.
func (x *expansion) resolve(r *Resolved, at place) {
	if !r.Term.CostsLookup() {
		return
	}
	if r.Term.Kind == PTR {
		r.Open = "any address whose owner gives it such a name"
		return
	}
	there, ok := x.target(r, at)
	if !ok {
		return
	}
	r.Target = there.text
	switch r.Term.Kind {
	case Include, Redirect:
		if r.Child = x.node(there); r.Child == nil {
			r.Err = errCut
		}
	case A:
		x.spawn(r, 2, func() { x.hosts(r, there.name) })
	case MX:
		x.spawn(r, 1, func() { x.exchangers(r, there.name) })
	case Exists:
		// What a name without macros answers does not depend on the address.
		x.spawn(r, 1, func() { x.exists(r, there.name) })
	}
}

// target expands the domain of a term as far as it does not hang on the mail.
func (x *expansion) target(r *Resolved, at place) (place, bool) {
	m := r.Term.Target
	if m.IsZero() {
		return at, true
	}
	if m.Uses("slipvhcrt") {
		r.Open = "the name it asks about hangs on the mail"
		return place{}, false
	}
	there := place{text: fitName(x.macros.expandText(m, at))}
	var err error
	if there.name, err = nameOf(there.text); err != nil {
		r.Err = err
		return place{}, false
	}
	return there, true
}

func (x *expansion) spawn(r *Resolved, questions int, work func()) {
	if !x.mayAsk(questions) {
		r.Err = errCut
		return
	}
	x.lookups.Go(work)
}

// hosts asks for both families at one name. What matters for a void lookup is the
// family of the client.
func (x *expansion) hosts(r *Resolved, name world.Name) {
	v4, err4 := x.family(name, true)
	v6, err6 := x.family(name, false)
	r.Addresses = append(v4, v6...)
	r.VoidIPv4, r.VoidIPv6 = isAbsence(err4), isAbsence(err6)
	switch {
	case err4 != nil && !isAbsence(err4):
		r.Err = err4
	case err6 != nil && !isAbsence(err6):
		r.Err = err6
	case len(r.Addresses) == 0:
		r.Err = err4
	}
}

func (x *expansion) family(name world.Name, v4 bool) (ips []netip.Addr, err error) {
	x.ask(func() { ips, err = familyAddresses(x.ctx, x.resolver, name, v4) })
	return ips, err
}

func (x *expansion) exchangers(r *Resolved, name world.Name) {
	x.ask(func() { r.Exchangers, _, r.Err = world.LookupMX(x.ctx, x.resolver, name) })
	if r.Err != nil {
		r.VoidIPv4, r.VoidIPv6 = isAbsence(r.Err), isAbsence(r.Err)
		return
	}
	for i, mx := range r.Exchangers {
		if mx.Host == world.Root {
			continue
		}
		if i >= maxNames || !x.mayAsk(2) {
			return
		}
		v4, err4 := x.family(mx.Host, true)
		v6, err6 := x.family(mx.Host, false)
		r.Addresses = append(append(r.Addresses, v4...), v6...)
		for _, err := range []error{err4, err6} {
			if err != nil && !isAbsence(err) {
				r.Err = err
			}
		}
	}
}

func (x *expansion) exists(r *Resolved, name world.Name) {
	ips, err := x.family(name, true)
	r.Err = err
	r.VoidIPv4, r.VoidIPv6 = isAbsence(err), isAbsence(err)
	if len(ips) > 0 {
		r.Open = "it matches every address"
	}
}

func isAbsence(err error) bool { return errors.Is(err, world.ErrNotFound) }
