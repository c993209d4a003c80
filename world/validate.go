package world

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// verdict is what validation found about one link of a lookup, or about all.
type verdict struct {
	security Security
	note     string // why it is not Secure
	kind     error  // of a denial: ErrNoName or ErrNoData, as proven
	ttl      time.Duration
	expires  time.Time // of a Secure one: the first signature to end
}

// and joins the verdicts of two links: the weaker security, the earlier end.
func (a verdict) and(b verdict) verdict {
	if b.security < a.security {
		a.security, a.note = b.security, b.note
	}
	a.kind = b.kind
	a.ttl = min(a.ttl, b.ttl)
	a.expires = earlier(a.expires, b.expires)
	return a
}

// earlier is the earlier of two times, the zero time being none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// validate judges every link of a lookup; the whole is as good as the weakest. Its
// error is a falsity, or a *LookupError where a proof could not be fetched.
func (v *validator) validate(ctx context.Context, t *trail) (verdict, error) {
	whole := verdict{security: Secure, ttl: maxTTL}
	e := newEffort()
	for i := range t.links {
		one, err := v.judge(ctx, &t.links[i], e)
		if err != nil {
			return verdict{}, err
		}
		whole = whole.and(one)
	}
	if whole.security != Secure {
		whole.expires = time.Time{}
	}
	return whole, nil
}

func (v *validator) judge(ctx context.Context, l *link, e *effort) (verdict, error) {
	switch {
	case l.said.authentic:
		return verdict{security: Secure, kind: l.absence(), ttl: maxTTL}, nil
	case len(v.anchors) == 0 && l.said.refused != "":
		return verdict{}, bogus("the resolver says %s", l.said.refused)
	case len(v.anchors) == 0:
		return verdict{note: "no trust anchor", kind: l.absence(), ttl: maxTTL}, nil
	case l.qtype == dns.TypeANY || l.qtype == dns.TypeRRSIG:
		return verdict{note: TypeName(l.qtype) + " cannot be validated", kind: l.absence(), ttl: maxTTL}, nil
	case l.said.stripped:
		return verdict{note: l.said.whyStripped(), kind: l.absence(), ttl: bogusTTL}, nil
	}
	z := v.zoneOf(ctx, l)
	if len(l.records) == 0 {
		return v.denied(z, l, e)
	}
	return v.vouch(z, l, e)
}

// absence is the kind of a link without records, as the response code has it.
func (l *link) absence() error {
	switch {
	case len(l.records) > 0:
		return nil
	case l.said.nxdomain:
		return ErrNoName
	}
	return ErrNoData
}

// zoneOf finds the zone that has to sign a link. The signer named in the answer is
// only a hint where to stop asking for cuts: whether that is a secure zone is
// found on the way from the anchor. Unsigned answers are followed down to the
// name.
func (v *validator) zoneOf(ctx context.Context, l *link) *zone {
	deepest := l.name
	if l.qtype == dns.TypeDS && l.name != Root {
		deepest = l.name.Parent() // RFC 4035 section 3.1.4.1: DS is the parent's
	}
	if signer, ok := l.signer(); ok && deepest.IsWithin(signer) {
		if z := v.zone(ctx, signer); !z.isSecure() || z.name == signer {
			return z
		}
	}
	return v.zone(ctx, deepest)
}

// signer is who signed the records of a link, or the proof of their absence, by
// its own account.
func (l *link) signer() (Name, bool) {
	if len(l.records) == 0 {
		for _, rr := range l.said.authority {
			if sig, ok := rr.(*dns.RRSIG); ok && l.name.IsWithin(nameIn(sig.SignerName)) {
				return nameIn(sig.SignerName), true
			}
		}
		return "", false
	}
	sigs := signatures(l.said.answer, l.name, l.qtype)
	if dname, ok := l.dname(); ok && len(sigs) == 0 {
		sigs = signatures(l.said.answer, nameIn(dname.Hdr.Name), dns.TypeDNAME)
	}
	if len(sigs) == 0 {
		return "", false
	}
	return nameIn(sigs[0].SignerName), true
}

// dname finds the DNAME that a CNAME was made from (RFC 6672 section 5.3.1).
func (l *link) dname() (*dns.DNAME, bool) {
	if l.qtype != dns.TypeCNAME {
		return nil, false
	}
	cname, ok := l.records[0].(*dns.CNAME)
	if !ok {
		return nil, false
	}
	for _, rr := range l.said.answer {
		dname, ok := rr.(*dns.DNAME)
		if ok && synthesize(l.name, nameIn(dname.Hdr.Name), nameIn(dname.Target)) == nameIn(cname.Target) {
			return dname, true
		}
	}
	return nil, false
}

// synthesize moves a name from below one to below another, "" if it is not below.
func synthesize(name, from, to Name) Name {
	if name == from || !name.IsWithin(from) {
		return ""
	}
	prefix := strings.TrimSuffix(string(name), "."+string(from))
	if from == Root {
		prefix = strings.TrimSuffix(string(name), ".")
	}
	return to.Under(prefix)
}

// vouch verifies the records of a link with the keys of its zone.
func (v *validator) vouch(z *zone, l *link, e *effort) (verdict, error) {
	if z.failed != nil {
		return verdict{}, z.failed
	}
	if z.security != Secure {
		return verdict{security: z.security, note: z.note, ttl: maxTTL}, nil
	}
	set := l.records
	if dname, ok := l.dname(); ok && len(signatures(l.said.answer, l.name, dns.TypeCNAME)) == 0 {
		set = []dns.RR{dname}
	}
	sig, err := z.verify(set, l.said.answer, v.now(), e)
	if err != nil {
		return verdict{}, err
	}
	whole := verdict{security: Secure, ttl: sig.ttl, expires: sig.expires}
	owner := nameIn(set[0].Header().Name)
	if !sig.isExpansion(owner) {
		return whole, nil
	}
	proof, err := v.onlyWildcard(z, l, owner, sig.labels, e)
	return whole.and(proof), err
}

// onlyWildcard verifies that a wildcard had to answer.
func (v *validator) onlyWildcard(z *zone, l *link, owner Name, labels int, e *effort) (verdict, error) {
	d, err := z.readDenial(l.said.authority, v.now(), e)
	if err != nil {
		return verdict{}, err
	}
	if d.tooCostly {
		return d.insecure(), nil
	}
	security, ok := d.noCloser(owner, labels)
	if !ok {
		return verdict{}, bogus("%s %s comes from a wildcard, and nothing proves that the name itself does not exist", owner.Text(), TypeName(l.qtype))
	}
	return d.verdict(security, nil), nil
}

// denied verifies the absence at the end of a lookup.
func (v *validator) denied(z *zone, l *link, e *effort) (verdict, error) {
	if z.failed != nil {
		return verdict{}, z.failed
	}
	if z.security != Secure {
		return verdict{security: z.security, note: z.note, kind: l.absence(), ttl: maxTTL}, nil
	}
	d, err := z.readDenial(l.said.authority, v.now(), e)
	if err != nil {
		return verdict{}, err
	}
	if d.tooCostly {
		whole := d.insecure()
		whole.kind = l.absence()
		return whole, nil
	}
	// What is proven counts, not the response code: servers say NXDOMAIN for
	// names that only have names below, and RFC 9824 ones NOERROR for neither.
	if security, ok := d.nameError(l.name); ok {
		return d.verdict(security, ErrNoName), nil
	}
	if security, ok := d.noData(l.name, l.qtype); ok {
		return d.verdict(security, ErrNoData), nil
	}
	return verdict{}, bogus("nothing proves that %s has no %s", l.name.Text(), TypeName(l.qtype))
}

func (d *denial) verdict(security Security, kind error) verdict {
	whole := verdict{security: security, kind: kind, ttl: d.ttl, expires: d.expires}
	if security != Secure {
		whole.note = d.zone.title() + " leaves unsigned names out of its proofs (NSEC3 opt-out)"
	}
	return whole
}

func (d *denial) insecure() verdict {
	return verdict{security: Insecure, ttl: d.ttl, note: d.zone.title() + " hashes names too often for a proof (NSEC3 iterations)"}
}

// told makes a failed validation the error of the lookup.
func (t *trail) told(err error) *LookupError {
	e := &LookupError{Name: t.name, Type: t.qtype, Aliases: t.aliases, Server: t.end().said.from.at}
	var temporary *LookupError
	if errors.As(err, &temporary) {
		e.Kind, e.Cause = ErrTemporary, temporary.Cause
		e.Detail = "cannot be validated: " + temporary.Name.Text() + " " + TypeName(temporary.Type) + ": " + temporary.Detail
		return e
	}
	e.Kind, e.Detail = ErrBogus, err.Error()
	return e
}
