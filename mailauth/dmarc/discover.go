package dmarc

import (
	"context"
	"errors"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Existence is whether a domain exists in the DNS. The zero value is
// ExistenceUnknown: not asked, or not answered.
type Existence int

// What can be known about it.
const (
	ExistenceUnknown Existence = iota
	Exists
	DoesNotExist
)

// Source is the tag that the policy of a message comes from. The zero value is no
// source: there is no policy.
type Source string

// The sources.
const (
	FromP       Source = "p"
	FromSP      Source = "sp"
	FromNP      Source = "np"
	FromDefault Source = "default" // p is missing or a policy is invalid, but reports are wanted: none
)

// Discovery is what the DNS says about one author domain: the walk, whose record
// speaks, and with which policy.
type Discovery struct {
	Author mail.Domain
	Walk   Walk

	OrgDomain mail.Domain // zero when the walk failed
	Boundary  Boundary    // how it was found

	Step   *Step   // where the record that speaks was found; nil without one
	Record *Record // that record

	Existence    Existence // of the author domain; asked only where np makes a difference
	ExistenceErr error     // why it is not known although it matters

	Policy Policy // as published, before test mode; "" without one or while it is not known
	Source Source // the tag it comes from

	// Err is the failure, temporary or bogus, that leaves open whether there is a
	// policy. A failure further up a tree whose author has a record is in Walk.Err
	// alone.
	Err error
}

// Discover finds the policy for a domain that stands in a From field (RFC 9989
// section 4.10.1): the author's own record, else the organizational domain's, else
// the registry's. It asks at most eight questions, and one more for the existence
// of the name when an np tag makes it matter.
func Discover(ctx context.Context, r world.Resolver, author mail.Domain) Discovery {
	d := Discovery{Author: author, Walk: walk(ctx, stepsOf(r, nil), author)}
	d.OrgDomain, d.Boundary = d.Walk.OrgDomain()
	d.Step = d.Walk.record(author)
	if d.Step == nil {
		d.Err = d.Walk.Err
		d.Step = d.inherited()
	}
	if d.Step == nil {
		return d
	}
	d.Record = d.Step.Record
	d.choose(ctx, r)
	return d
}

// inherited is the record of the organizational domain, or that of the registry
// above it. Records between the author and its organization do not speak.
func (d *Discovery) inherited() *Step {
	if d.Walk.Err != nil {
		return nil
	}
	if s := d.Walk.record(d.OrgDomain); s != nil {
		return s
	}
	if d.Boundary == BoundaryRegistry {
		return d.Walk.Steps[len(d.Walk.Steps)-1]
	}
	return nil
}

// choose takes the policy from p for the author's own record, and from sp or np,
// falling back to p, for an inherited one.
func (d *Discovery) choose(ctx context.Context, r world.Resolver) {
	p, sp, np, ok := d.Record.Effective()
	if !ok {
		return
	}
	d.Policy, d.Source = p, FromP
	if _, hasP := d.Record.Tag("p"); !hasP || d.Record.badPolicy {
		d.Source = FromDefault
		return
	}
	if d.Step.Domain == d.Author {
		return
	}
	if sp != "" {
		d.Policy, d.Source = sp, FromSP
	}
	if np == "" {
		return
	}
	d.Existence, d.ExistenceErr = exists(ctx, r, d.Author)
	switch {
	case d.Existence == DoesNotExist:
		d.Policy, d.Source = np, FromNP
	case d.ExistenceErr != nil && np != d.Policy:
		d.Policy, d.Source = "", ""
	case d.ExistenceErr != nil:
		d.ExistenceErr = nil // either way it is the same policy
	}
}

// exists asks whether a name exists: only NXDOMAIN denies it, for the name and all
// below it (RFC 9989 section 3.2.13, RFC 8020). A CNAME whose target is gone exists.
func exists(ctx context.Context, r world.Resolver, d mail.Domain) (Existence, error) {
	_, err := r.Lookup(ctx, world.NameOf(d), dns.TypeA)
	var denial *world.LookupError
	switch {
	case errors.Is(err, world.ErrNoName) && errors.As(err, &denial) && len(denial.Aliases) > 0:
		return Exists, nil
	case errors.Is(err, world.ErrNoName):
		return DoesNotExist, nil
	case err == nil, errors.Is(err, world.ErrNotFound):
		return Exists, nil
	}
	return ExistenceUnknown, err
}

// HasPolicy reports whether DMARC applies to mail from this author at all.
func (d *Discovery) HasPolicy() bool { return d.Policy != "" }

// PolicyDomain is the domain whose record speaks: the DMARC Policy Domain of
// RFC 9989 section 3.2.5. Zero without one.
func (d *Discovery) PolicyDomain() mail.Domain {
	if d.Step == nil {
		return mail.Domain{}
	}
	return d.Step.Domain
}

// Applied is the policy that the owner wants applied to failing mail: the
// published one, one level lower while the record is in test mode (t=y).
func (d *Discovery) Applied() Policy {
	if d.Record != nil && d.Record.Testing {
		return d.Policy.Lowered()
	}
	return d.Policy
}
