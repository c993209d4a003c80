package spf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/world"
)

// answer is what one term came to.
type answer struct {
	match   bool
	err     Result   // TempError or PermError end the whole evaluation
	reason  string   // of err
	detail  string   // for the trace
	path    []string // of an include: the terms below it
	unasked string   // why its target could not be looked up at all
}

func permanent(reason string) answer { return answer{err: PermError, reason: reason} }

// failed is the answer to a lookup error that is not an absence.
func failed(err error) answer { return answer{err: TempError, reason: err.Error()} }

// match evaluates a mechanism against the client (RFC 7208 section 5).
func (c *check) match(t *Term, at place) answer {
	switch t.Kind {
	case All:
		return answer{match: true}
	case IP4, IP6:
		return answer{match: t.Network.Contains(c.ip)}
	}
	there, a := c.target(t, at)
	if a.err != "" || a.unasked != "" {
		return a
	}
	switch t.Kind {
	case Include:
		return c.include(there)
	case A:
		return c.a(t, there)
	case MX:
		return c.mx(t, there)
	case PTR:
		return c.ptrMatch(there)
	}
	return c.exists(there)
}

// target counts the term and finds the domain that it asks about: its own
// domain-spec, or the domain of the record (RFC 7208 section 4.8).
func (c *check) target(t *Term, at place) (place, answer) {
	if why := c.spend(); why != "" {
		return place{}, permanent(why)
	}
	there := at
	if !t.Target.IsZero() {
		text, err := c.expand(t.Target, at)
		switch {
		case errors.Is(err, errLocalPart):
			return place{}, answer{unasked: localPart, detail: localPart}
		case err != nil:
			return place{}, permanent(err.Error())
		}
		there.text = fitName(text)
		there.name, err = nameOf(there.text)
		if err != nil {
			why := fmt.Sprintf("%.100q is no name that DNS can carry", there.text)
			if t.Kind == Include {
				return place{}, permanent(why) // as none would be, section 5.2
			}
			return place{}, answer{unasked: why, detail: why}
		}
	}
	if t.Kind == Include || t.Kind == Redirect {
		there.depth++
	}
	return there, answer{}
}

// include asks the record of another domain; only its pass is a match (RFC 7208
// section 5.2).
func (c *check) include(there place) answer {
	v := c.host(there)
	switch v.result {
	case Pass:
		return answer{match: true, path: v.path, detail: there.text + " gives pass"}
	case TempError:
		return answer{err: TempError, reason: v.reason}
	case None, PermError:
		return permanent(v.reason)
	}
	return answer{detail: fmt.Sprintf("%s gives %s", there.text, v.result)}
}

// a matches an address of the host (RFC 7208 section 5.3).
func (c *check) a(t *Term, there place) answer {
	ips, err := c.addresses(there.name)
	switch {
	case err != nil && !errors.Is(err, world.ErrNotFound):
		return failed(err)
	case len(ips) == 0:
		return c.nothing(there.text, c.addressType())
	}
	return answer{match: c.within(t, ips), detail: listOf(ips)}
}

// mx matches an address of a mail exchanger (RFC 7208 section 5.4). Hosts without
// addresses are not void lookups: the term has found something.
func (c *check) mx(t *Term, there place) answer {
	mxs, _, err := world.LookupMX(c.ctx, c.resolver, there.name)
	switch {
	case err != nil && !errors.Is(err, world.ErrNotFound):
		return failed(err)
	case len(mxs) == 0:
		return c.nothing(there.text, "MX")
	case len(mxs) > maxNames: // section 4.6.4
		return permanent(fmt.Sprintf("%s has %d mail exchangers; SPF allows %d", there.text, len(mxs), maxNames))
	}
	var all []netip.Addr
	for _, mx := range mxs {
		if mx.Host == world.Root {
			continue // RFC 7505: there is no host
		}
		ips, err := c.addresses(mx.Host)
		if err != nil && !errors.Is(err, world.ErrNotFound) {
			return failed(err)
		}
		if c.within(t, ips) {
			return answer{match: true, detail: mx.Host.Text() + " is " + listOf(ips)}
		}
		all = append(all, ips...)
	}
	return answer{detail: listOf(all)}
}

// exists matches any A record, whatever the client's family (RFC 7208 section 5.7).
func (c *check) exists(there place) answer {
	ips, _, err := world.LookupA(c.ctx, c.resolver, there.name)
	switch {
	case err != nil && !errors.Is(err, world.ErrNotFound):
		return failed(err)
	case len(ips) == 0:
		return c.nothing(there.text, "A")
	}
	return answer{match: true, detail: there.text + " is " + listOf(ips)}
}

// nothing counts a void lookup.
func (c *check) nothing(name, rtype string) answer {
	if why := c.void(); why != "" {
		return permanent(why)
	}
	return answer{detail: name + " has no " + rtype + " record"}
}

func (c *check) addressType() string {
	if c.ip.Is4() {
		return "A"
	}
	return "AAAA"
}

// addresses asks for the addresses of the client's family (RFC 7208 section 5).
func (c *check) addresses(name world.Name) ([]netip.Addr, error) {
	return familyAddresses(c.ctx, c.resolver, name, c.ip.Is4())
}

func familyAddresses(ctx context.Context, r world.Resolver, name world.Name, v4 bool) ([]netip.Addr, error) {
	lookup := world.LookupAAAA
	if v4 {
		lookup = world.LookupA
	}
	ips, _, err := lookup(ctx, r, name)
	return ips, err
}

// within reports whether the client is in the network of one of the addresses.
func (c *check) within(t *Term, ips []netip.Addr) bool {
	for _, ip := range ips {
		if t.networkAround(ip).Contains(c.ip) {
			return true
		}
	}
	return false
}

// networkAround is the network of an a or mx around an address it found.
func (t *Term) networkAround(ip netip.Addr) netip.Prefix {
	if ip.Is4() {
		return netip.PrefixFrom(ip, t.Bits4)
	}
	return netip.PrefixFrom(ip, t.Bits6)
}

// listOf names the first few addresses, for the trace.
func listOf(ips []netip.Addr) string {
	const few = 8
	if len(ips) == 1 {
		return ips[0].String()
	}
	if len(ips) == 0 {
		return "no address"
	}
	var b strings.Builder
	for i, ip := range ips[:min(len(ips), few)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(ip.String())
	}
	if len(ips) > few {
		fmt.Fprintf(&b, " and %d more", len(ips)-few)
	}
	return b.String()
}
