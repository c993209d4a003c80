package world

import (
	"bytes"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// typeNXNAME stands in the NSEC record of a name that does not exist, where a
// server makes it up on the fly (RFC 9824 section 3.1).
const typeNXNAME = 128

// denial is the verified NSEC or NSEC3 records of one response.
type denial struct {
	zone      *zone
	proof     denier
	tooCostly bool // NSEC3 with more iterations than we follow: insecure
	ttl       time.Duration
	expires   time.Time
}

// denier is what a proof by NSEC and one by NSEC3 have in common.
type denier interface {
	// types are the types at a name that exists.
	types(name Name) (typeSet, bool)
	// isEmptyNonTerminal reports that only names below it have records.
	isEmptyNonTerminal(name Name) bool
	// encloser is the closest ancestor of an absent name that exists.
	encloser(name Name) (Name, bool)
	// covers proves that a name does not exist. With optOut an unsigned
	// delegation may still be there (RFC 5155 section 6).
	covers(name Name) (optOut, ok bool)
}

// typeSet is the type bitmap of an NSEC or NSEC3 record.
type typeSet []uint16

func (s typeSet) has(t uint16) bool { return slices.Contains(s, t) }

// isDelegation recognises the parent's record of a zone cut, which speaks for DS
// only (RFC 6840 section 4.1).
func (s typeSet) isDelegation() bool { return s.has(dns.TypeNS) && !s.has(dns.TypeSOA) }

// hidesBelow reports that names below are elsewhere (RFC 6840 sections 4.1, 4.4).
func (s typeSet) hidesBelow() bool { return s.isDelegation() || s.has(dns.TypeDNAME) }

// lacks reports that a name has neither the type nor an alias (RFC 6840 section 4.3).
func (s typeSet) lacks(qtype uint16) bool {
	if s.has(qtype) || s.has(dns.TypeCNAME) {
		return false
	}
	if qtype == dns.TypeDS {
		return !s.has(dns.TypeSOA) // the child's word does not count
	}
	return !s.isDelegation()
}

// readDenial verifies the NSEC and NSEC3 records of an authority section. One
// that is wrong is no proof, and the reason is told when nothing else is.
func (z *zone) readDenial(authority []dns.RR, now time.Time, e *effort) (*denial, error) {
	d := &denial{zone: z, ttl: maxTTL}
	var nsec []*dns.NSEC
	var nsec3 []*dns.NSEC3
	var wrong error
	sets := 0
	for _, rr := range authority {
		if t := rr.Header().Rrtype; t != dns.TypeNSEC && t != dns.TypeNSEC3 {
			continue
		}
		if sets++; sets > maxDenialSets {
			break
		}
		sig, err := z.verify([]dns.RR{rr}, authority, now, e)
		if err == nil && sig.isExpansion(nameIn(rr.Header().Name)) {
			// A wildcard's own record, renamed to speak about another name.
			err = bogus("%s %s comes from a wildcard", nameIn(rr.Header().Name).Text(), TypeName(rr.Header().Rrtype))
		}
		if err != nil {
			wrong = err
			continue
		}
		d.ttl = min(d.ttl, sig.ttl, ttlOf(rr))
		d.expires = earlier(d.expires, sig.expires)
		switch rr := rr.(type) {
		case *dns.NSEC:
			nsec = append(nsec, rr)
		case *dns.NSEC3:
			nsec3 = append(nsec3, rr)
		}
	}
	return d, d.choose(nsec, nsec3, wrong)
}

func (d *denial) choose(nsec []*dns.NSEC, nsec3 []*dns.NSEC3, wrong error) error {
	switch {
	case len(nsec) > 0:
		d.proof = newNSECProof(d.zone.name, nsec)
	case len(nsec3) > 0:
		p := newNSEC3Proof(d.zone.name, nsec3)
		d.tooCostly = p.tooCostly
		d.proof = p
	case wrong != nil:
		return wrong
	default:
		return bogus("%s is signed, but nothing proves the absence", d.zone.title())
	}
	return nil
}

// delegation reads what the parent's records say of a name without DS.
func (d *denial) delegation(name Name) (cut bool, err error) {
	if types, ok := d.proof.types(name); ok {
		if !types.lacks(dns.TypeDS) {
			return false, bogus("%s DS is missing, though %s proves that it exists", name.Text(), d.zone.title())
		}
		return types.isDelegation(), nil
	}
	if d.proof.isEmptyNonTerminal(name) {
		return false, nil
	}
	if ce, ok := d.proof.encloser(name); ok {
		// Without opt-out the name does not exist, so nothing is delegated.
		optOut, ok := d.proof.covers(nextCloser(name, ce))
		if ok {
			return optOut, nil
		}
	}
	return false, bogus("nothing proves that %s has no DS record", name.Text())
}

// nameError proves that a name does not exist, nor a wildcard that would stand
// for it (RFC 4035 section 5.4, RFC 5155 section 8.4).
func (d *denial) nameError(name Name) (Security, bool) {
	if types, ok := d.proof.types(name); ok {
		return Secure, types.has(typeNXNAME)
	}
	ce, ok := d.proof.encloser(name)
	if !ok {
		return Indeterminate, false
	}
	optOut, covered := d.proof.covers(nextCloser(name, ce))
	_, noWildcard := d.proof.covers(ce.Under("*"))
	return unlessOptOut(optOut), covered && noWildcard
}

// noData proves that a name has no records of a type (RFC 4035 section 5.4, RFC
// 5155 sections 8.5 to 8.7).
func (d *denial) noData(name Name, qtype uint16) (Security, bool) {
	if types, ok := d.proof.types(name); ok {
		return Secure, types.lacks(qtype)
	}
	if d.proof.isEmptyNonTerminal(name) {
		return Secure, true
	}
	ce, ok := d.proof.encloser(name)
	if !ok {
		return Indeterminate, false
	}
	optOut, covered := d.proof.covers(nextCloser(name, ce))
	if types, ok := d.proof.types(ce.Under("*")); ok && covered {
		return unlessOptOut(optOut), types.lacks(qtype)
	}
	return Insecure, covered && optOut
}

// noCloser proves that a wildcard was right to answer: nothing closer to the name
// exists than the wildcard's own parent (RFC 4035 section 5.3.4, RFC 5155
// section 8.8).
func (d *denial) noCloser(name Name, labels int) (Security, bool) {
	ce := name
	for ce.Labels() > labels {
		ce = ce.Parent()
	}
	optOut, covered := d.proof.covers(nextCloser(name, ce))
	return unlessOptOut(optOut), covered
}

// unlessOptOut: behind opt-out an unsigned name could exist after all (RFC 5155
// section 9.2).
func unlessOptOut(optOut bool) Security {
	if optOut {
		return Insecure
	}
	return Secure
}

// nextCloser is the ancestor of name, or name itself, one label below encloser.
func nextCloser(name, encloser Name) Name {
	for name != Root && name.Parent() != encloser && name.Labels() > encloser.Labels()+1 {
		name = name.Parent()
	}
	return name
}

// nsecProof reads NSEC records (RFC 4034 section 4).
type nsecProof struct {
	zone    Name
	records []nsecRecord
}

type nsecRecord struct {
	owner, next Name
	types       typeSet
}

func newNSECProof(zone Name, rrs []*dns.NSEC) *nsecProof {
	p := &nsecProof{zone: zone}
	for _, rr := range rrs {
		p.records = append(p.records, nsecRecord{nameIn(rr.Hdr.Name), nameIn(rr.NextDomain), rr.TypeBitMap})
	}
	return p
}

func (p *nsecProof) types(name Name) (typeSet, bool) {
	for _, r := range p.records {
		if r.owner == name && name.IsWithin(p.zone) {
			return r.types, true
		}
	}
	return nil, false
}

// between finds the record whose gap a name falls into.
func (p *nsecProof) between(name Name) (nsecRecord, bool) {
	for _, r := range p.records {
		if !name.IsWithin(p.zone) || compareNames(r.owner, name) >= 0 {
			continue
		}
		last := compareNames(r.next, r.owner) <= 0 // the chain closes at the apex
		if !last && compareNames(name, r.next) >= 0 {
			continue
		}
		if name.IsWithin(r.owner) && r.types.hidesBelow() {
			continue
		}
		return r, true
	}
	return nsecRecord{}, false
}

func (p *nsecProof) isEmptyNonTerminal(name Name) bool {
	r, ok := p.between(name)
	return ok && r.next.IsWithin(name)
}

func (p *nsecProof) covers(name Name) (optOut, ok bool) {
	r, ok := p.between(name)
	return false, ok && !r.next.IsWithin(name)
}

func (p *nsecProof) encloser(name Name) (Name, bool) {
	r, ok := p.between(name)
	if !ok || r.next.IsWithin(name) {
		return "", false
	}
	a, b := commonAncestor(name, r.owner), commonAncestor(name, r.next)
	if a.Labels() > b.Labels() {
		return a, true
	}
	return b, true
}

func commonAncestor(a, b Name) Name {
	for !b.IsWithin(a) {
		a = a.Parent()
	}
	return a
}

// compareNames is the canonical order of names (RFC 4034 section 6.1): label by
// label from the root, as octets.
func compareNames(a, b Name) int {
	la, lb := rawLabels(a), rawLabels(b)
	for i := 1; i <= len(la) && i <= len(lb); i++ {
		if c := bytes.Compare(la[len(la)-i], lb[len(lb)-i]); c != 0 {
			return c
		}
	}
	return len(la) - len(lb)
}

// rawLabels are the labels as octets.
func rawLabels(n Name) [][]byte {
	var wire [maxNameOctets + 1]byte
	if _, err := dns.PackDomainName(string(n), wire[:], 0, nil, false); err != nil {
		return nil
	}
	var labels [][]byte
	for i := 0; wire[i] != 0; i += 1 + int(wire[i]) {
		labels = append(labels, wire[i+1:i+1+int(wire[i])])
	}
	return labels
}
