package spf

import (
	"errors"
	"slices"

	"github.com/allgreen-mail/allgreen/world"
)

// pointers are the names of the client's address, asked for once.
type pointers struct {
	names     []world.Name        // the first ten
	err       error               // of the lookup, when it is not an absence
	validated map[world.Name]bool // by forward lookups made so far
}

// pointers asks for the PTR records of the client. More than ten are ignored
// (RFC 7208 section 4.6.4).
func (c *check) pointers() *pointers {
	if c.ptr != nil {
		return c.ptr
	}
	names, _, err := world.LookupPTR(c.ctx, c.resolver, c.ip)
	p := &pointers{names: names[:min(len(names), maxNames)], validated: map[world.Name]bool{}}
	if err != nil && !errors.Is(err, world.ErrNotFound) {
		p.err = err
	}
	c.ptr = p
	return p
}

// validates reports whether a name leads back to the client. A name whose lookup
// fails is passed over (RFC 7208 section 5.5).
func (c *check) validates(name world.Name) bool {
	valid, known := c.ptr.validated[name]
	if !known {
		ips, err := c.addresses(name)
		valid = err == nil && slices.Contains(ips, c.ip)
		c.ptr.validated[name] = valid
	}
	return valid
}

// ptrMatch matches when a validated name of the client is the target or lies
// below it. Only names that could match are validated: the result is the same
// and fewer questions are asked.
func (c *check) ptrMatch(there place) answer {
	p := c.pointers()
	if p.err != nil {
		return answer{detail: p.err.Error()} // section 5.5: fails to match, no error
	}
	if len(p.names) == 0 {
		return c.nothing(c.ip.String(), "PTR")
	}
	for _, name := range p.names {
		if name.IsWithin(there.name) && c.validates(name) {
			return answer{match: true, detail: c.ip.String() + " is " + name.Text()}
		}
	}
	return answer{detail: "no validated name of the client lies within " + there.text}
}

// clientName is %{p}: a validated name of the client, best the domain itself,
// then one below it, then any; otherwise "unknown" (RFC 7208 section 7.3).
func (c *check) clientName(domain world.Name) string {
	p := c.pointers()
	nearness := func(name world.Name) int {
		switch {
		case name == domain:
			return 0
		case name.IsWithin(domain):
			return 1
		}
		return 2
	}
	names := slices.Clone(p.names)
	slices.SortStableFunc(names, func(a, b world.Name) int { return nearness(a) - nearness(b) })
	for _, name := range names {
		if c.validates(name) {
			return name.Text()
		}
	}
	return "unknown"
}
