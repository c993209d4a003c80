package spf

import (
	"net/netip"
	"slices"
)

// maxAuthorized bounds the list of networks of one tree.
const maxAuthorized = 20_000

// listing collects what a tree gives pass to.
type listing struct {
	tree *Tree
	seen map[*Node]bool
}

// list adds the networks of a node that is reached by terms that give pass. Below
// an include a term only counts when it is a pass itself (RFC 7208 section 5.2);
// a redirect stands for the record it is in.
func (l *listing) list(n *Node, via []string) {
	if l.seen[n] {
		return
	}
	l.seen[n] = true
	for i := range n.Terms {
		r := &n.Terms[i]
		if r.Term.Kind != Redirect && r.Term.Qualifier != '+' {
			continue
		}
		switch {
		case r.Open != "":
			l.tree.Unlisted = append(l.tree.Unlisted, Unlisted{n.Domain, r.Term.Text, r.Open})
		case r.Child != nil:
			l.list(r.Child, append(slices.Clone(via), r.Term.Text))
		default:
			l.networks(n, r, via)
		}
	}
}

func (l *listing) networks(n *Node, r *Resolved, via []string) {
	add := func(p netip.Prefix) {
		if len(l.tree.Authorized) == maxAuthorized {
			l.tree.Cut = true
			return
		}
		l.tree.Authorized = append(l.tree.Authorized, Authorized{p.Masked(), n.Domain, r.Term.Text, via})
	}
	switch r.Term.Kind {
	case All:
		add(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		add(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	case IP4, IP6:
		add(r.Term.Network)
	case A, MX:
		for _, ip := range r.Addresses {
			add(r.Term.networkAround(ip))
		}
	}
}
