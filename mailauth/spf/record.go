package spf

import "net/netip"

// Record is a parsed SPF record. With problems it is still complete as far as it
// could be read, but no receiver evaluates it.
type Record struct {
	Text  string // as published, strings joined
	Terms []Term // in the order written
}

// Kind says which mechanism or modifier a term is.
type Kind string

// The kinds of terms; Unreadable is a term that is neither.
const (
	Unreadable      Kind = ""
	All             Kind = "all"
	Include         Kind = "include"
	A               Kind = "a"
	MX              Kind = "mx"
	PTR             Kind = "ptr"
	IP4             Kind = "ip4"
	IP6             Kind = "ip6"
	Exists          Kind = "exists"
	Redirect        Kind = "redirect"
	Exp             Kind = "exp"
	UnknownModifier Kind = "modifier"
)

// Term is one mechanism or modifier (RFC 7208 section 4.6.1).
type Term struct {
	Kind      Kind
	Text      string       // as written, with its qualifier
	Offset    int          // of Text in the record, in octets
	Name      string       // as written: "IP4", "redirect", or the unknown name
	Qualifier Qualifier    // '+' also when none is written; 0 for modifiers
	Target    MacroString  // the domain-spec, or the value of an unknown modifier; empty without one
	Network   netip.Prefix // of ip4 and ip6, host bits as written
	Bits4     int          // of a and mx: prefix length for IPv4, 32 when none is written
	Bits6     int          // of a and mx: prefix length for IPv6, 128 when none is written
}

// IsMechanism reports whether the term can match an address.
func (t *Term) IsMechanism() bool { return t.Qualifier != 0 && t.Kind != Unreadable }

// CostsLookup reports whether evaluating the term counts against the limit of
// ten (RFC 7208 section 4.6.4).
func (t *Term) CostsLookup() bool {
	switch t.Kind {
	case Include, A, MX, PTR, Exists, Redirect:
		return true
	}
	return false
}

// First is the first term of a kind, nil without one.
func (r *Record) First(k Kind) *Term {
	for i := range r.Terms {
		if r.Terms[i].Kind == k {
			return &r.Terms[i]
		}
	}
	return nil
}

// Redirect is the term that stands for everything not matched, nil when there is
// none or an all makes it void (RFC 7208 section 6.1).
func (r *Record) Redirect() *Term {
	if r.First(All) != nil {
		return nil
	}
	return r.First(Redirect)
}

// AfterAll are the terms that no evaluation ever reaches: mechanisms behind an
// all, and a redirect beside one (RFC 7208 section 5.1).
func (r *Record) AfterAll() []Term {
	var dead []Term
	all := r.First(All)
	for i := range r.Terms {
		t := &r.Terms[i]
		behind := all != nil && t.Offset > all.Offset && t.IsMechanism()
		if behind || all != nil && t.Kind == Redirect {
			dead = append(dead, *t)
		}
	}
	return dead
}
