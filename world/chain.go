package world

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Zone is one link of the chain of trust: a zone cut and what signs below it.
type Zone struct {
	Name     Name
	Security Security      // Secure, or why the chain ends here
	DS       []*dns.DS     // verified at the parent; the anchors of the topmost zone
	Keys     []*dns.DNSKEY // verified, fit for use; none unless Secure
	Expires  time.Time     // when the first signature over DS and Keys ends; zero unless Secure
	Note     string        // why the zone is not Secure
}

// Chain gives the zones from the trust anchor down to the one that holds a name,
// or to the first that is not secure. When a link is bogus or could not be
// fetched, the chain down to it comes with a *LookupError of ErrBogus or
// ErrTemporary. A world without trust anchors has one zone, Indeterminate.
func (w *World) Chain(ctx context.Context, name Name) ([]Zone, error) {
	c, ok := w.Resolver.(*client)
	if !ok {
		return nil, &LookupError{Name: name, Type: dns.TypeDS, Kind: ErrNoWorld}
	}
	canonical, err := ParseName(string(name))
	if err != nil {
		return nil, &LookupError{Name: name, Type: dns.TypeDS, Kind: ErrNoName, Detail: "it is no possible name"}
	}
	last := c.validator.zone(ctx, canonical)
	var chain []Zone
	for z := last; z != nil; z = z.parent {
		chain = append(chain, z.public())
	}
	slices.Reverse(chain)
	return chain, last.failure(canonical)
}

func (z *zone) public() Zone {
	p := Zone{Name: z.name, Security: z.security, DS: z.ds, Note: z.note}
	if z.isSecure() {
		p.Keys, p.Expires = z.keys, z.expires
	}
	return p
}

func (z *zone) failure(name Name) error {
	var e *LookupError
	switch {
	case z.failed == nil:
		return nil
	case errors.As(z.failed, &e):
		return e
	}
	return &LookupError{Name: name, Type: dns.TypeDS, Kind: ErrBogus, Detail: z.failed.Error()}
}
