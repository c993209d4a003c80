package world

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// bogusTTL is how long a failed validation is remembered (RFC 4035 section 4.7).
const bogusTTL = time.Minute

// zone is what is known about the security of names from its apex down.
type zone struct {
	name     Name
	security Security
	ds       []*dns.DS     // at the parent, or the anchors
	keys     []*dns.DNSKEY // verified and usable; only of a secure zone
	expires  time.Time     // the first signature of the DS and DNSKEY sets to end
	note     string        // why it is not secure
	parent   *zone         // nil for an anchor
	until    time.Time     // how long this may be believed
	failed   error         // a falsity or a *LookupError: then nothing below can be judged
}

// title is the zone for people: the root has no name of its own.
func (z *zone) title() string {
	if z.name == Root {
		return "the root zone"
	}
	return z.name.Text()
}

// isSecure reports whether z signs what lies in it, and with keys that hold.
func (z *zone) isSecure() bool { return z.failed == nil && z.security == Secure }

// validator walks from the trust anchors down to the zones of answers.
type validator struct {
	anchors anchors
	ask     func(context.Context, question) (*response, *LookupError)
	now     func() time.Time
	zones   *cache[Name, *zone]
}

// zone finds the zone that the records at a name belong to, or the insecure or
// failed one on the way to it, remembered for each name on the way.
func (v *validator) zone(ctx context.Context, name Name) *zone {
	z, err := v.zones.get(ctx, name, func(ctx context.Context) filled[*zone] {
		z := v.find(ctx, name)
		ttl := max(z.until.Sub(v.now()), minTTL)
		return filled[*zone]{z, ttl, costOfError + 500*(len(z.keys)+len(z.ds))}
	})
	if err != nil {
		return &zone{name: name, failed: gaveUp(question{name, dns.TypeDS}, err)}
	}
	return z
}

func (v *validator) find(ctx context.Context, name Name) *zone {
	if trusted, ok := v.anchors[name]; ok {
		return v.anchored(ctx, name, trusted)
	}
	if name == Root {
		return &zone{name: name, note: "no trust anchor", until: v.after(maxTTL)}
	}
	above := v.zone(ctx, name.Parent())
	if !above.isSecure() {
		return above
	}
	said, failed := v.ask(ctx, question{name, dns.TypeDS})
	if failed != nil {
		return &zone{name: name, parent: above, failed: failed, until: v.after(failureTTL)}
	}
	if said.stripped {
		return v.unjudged(&zone{name: name, parent: above}, said)
	}
	return v.delegated(ctx, name, above, said)
}

// unjudged is a zone of which only a resolver without signatures told us.
func (v *validator) unjudged(z *zone, said *response) *zone {
	z.note, z.until = said.whyStripped(), v.after(failureTTL)
	return z
}

// anchored is a zone whose keys a trust anchor names. A resolver that takes the
// signatures out of all answers cannot be told from an attacker who does. One that
// gives none even here, at the anchor, makes its answers indeterminate; from any
// other the lack of a signature is a falsity. Who needs proof asks for Secure.
func (v *validator) anchored(ctx context.Context, name Name, trusted []*dns.DS) *zone {
	z := &zone{name: name, ds: trusted, until: v.after(maxTTL)}
	said, failed := v.ask(ctx, question{name, dns.TypeDNSKEY})
	switch {
	case failed != nil && failed.Cause != nil:
		z.failed, z.until = failed, v.after(failureTTL)
		return z
	case failed != nil:
		z.until = v.after(failureTTL)
		z.note = fmt.Sprintf("the keys of %s cannot be had: %s", z.title(), failed.Detail)
		return z
	case said.stripped:
		return v.unjudged(z, said)
	}
	v.admit(z, said)
	return z
}

// delegated judges what the zone above says about a delegation at name.
func (v *validator) delegated(ctx context.Context, name Name, above *zone, said *response) *zone {
	z := &zone{name: name, parent: above, until: earlier(above.until, v.after(said.ttl))}
	if set := said.set(name, dns.TypeDS); len(set) > 0 {
		sig, err := above.verifyExact(set, said.answer, v.now())
		if err != nil {
			return v.fail(z, err)
		}
		z.until = earlier(z.until, v.after(sig.ttl))
		z.adopt(set, sig)
		if z.note == "" {
			v.fetchKeys(ctx, z)
		}
		return z
	}
	cut, err := v.denyDelegation(name, above, said)
	switch {
	case err != nil:
		return v.fail(z, err)
	case cut:
		z.security, z.note = Insecure, z.title()+" has no DS record"
		return z
	}
	return above
}

// adopt takes the verified DS set of a zone. Without one DS that can be followed
// the zone counts as unsigned (RFC 4035 section 5.2).
func (z *zone) adopt(set []dns.RR, sig signature) {
	usable := false
	for _, rr := range set {
		if ds, ok := rr.(*dns.DS); ok {
			z.ds = append(z.ds, ds)
			usable = usable || canFollow(ds)
		}
	}
	z.expires = sig.expires
	if !usable {
		z.security = Insecure
		z.note = z.title() + " is signed in ways unknown here: " + z.describeDS()
	}
}

func canFollow(ds *dns.DS) bool {
	switch ds.DigestType {
	case dns.SHA1, dns.SHA256, dns.SHA384:
		return supported(ds.Algorithm)
	}
	return false
}

func (z *zone) describeDS() string {
	var texts []string
	for _, ds := range z.ds {
		texts = append(texts, fmt.Sprintf("key %d, %s, digest type %d", ds.KeyTag, algorithmName(ds.Algorithm), ds.DigestType))
	}
	return strings.Join(texts[:min(len(texts), 4)], "; ")
}

func (v *validator) fetchKeys(ctx context.Context, z *zone) {
	said, failed := v.ask(ctx, question{z.name, dns.TypeDNSKEY})
	if failed != nil {
		z.failed, z.until = failed, v.after(failureTTL)
		return
	}
	if said.stripped {
		v.unjudged(z, said)
		return
	}
	v.admit(z, said)
}

// admit verifies a zone's key set: one key that a DS names must have signed it
// (RFC 4035 section 5.2).
func (v *validator) admit(z *zone, said *response) {
	set := said.set(z.name, dns.TypeDNSKEY)
	if len(set) == 0 {
		v.fail(z, bogus("%s has a DS record but no DNSKEY", z.title()))
		return
	}
	entry := z.entryKeys(set)
	if len(entry) == 0 {
		v.fail(z, bogus("no DNSKEY of %s fits its DS record (%s)", z.title(), z.describeDS()))
		return
	}
	keyed := &zone{name: z.name, keys: entry}
	sig, err := keyed.verifyExact(set, said.answer, v.now())
	if err != nil {
		v.fail(z, err)
		return
	}
	z.keys, z.security = zoneKeys(set), Secure
	z.until = earlier(z.until, v.after(min(said.ttl, sig.ttl)))
	z.expires = earlier(z.expires, sig.expires)
}

// entryKeys are the keys that a DS record vouches for. Weak digests count only
// without strong ones (RFC 4509 section 3).
func (z *zone) entryKeys(set []dns.RR) []*dns.DNSKEY {
	isStrong := func(ds *dns.DS) bool { return canFollow(ds) && ds.DigestType != dns.SHA1 }
	strong := slices.ContainsFunc(z.ds, isStrong)
	var entry []*dns.DNSKEY
	work := maxKeyMatching
	for _, key := range zoneKeys(set) {
		for _, ds := range z.ds {
			if !canFollow(ds) || strong && !isStrong(ds) || ds.KeyTag != key.KeyTag() || ds.Algorithm != key.Algorithm {
				continue
			}
			if work--; work < 0 {
				return entry
			}
			if is := key.ToDS(ds.DigestType); is != nil && strings.EqualFold(is.Digest, ds.Digest) {
				entry = append(entry, key)
				break
			}
		}
	}
	return entry
}

// zoneKeys are the keys of a set that may sign records: zone keys (RFC 4034
// section 2.1.1), not revoked (RFC 5011 section 2.1), of an algorithm known here.
func zoneKeys(set []dns.RR) []*dns.DNSKEY {
	var keys []*dns.DNSKEY
	for _, rr := range set {
		k, ok := rr.(*dns.DNSKEY)
		if ok && k.Flags&dns.ZONE != 0 && k.Flags&dns.REVOKE == 0 && k.Protocol == 3 && supported(k.Algorithm) {
			keys = append(keys, k)
		}
	}
	return keys
}

// verifyExact verifies DS and DNSKEY sets, which no wildcard can stand for.
func (z *zone) verifyExact(set, section []dns.RR, now time.Time) (signature, error) {
	sig, err := z.verify(set, section, now, newEffort())
	if name := nameIn(set[0].Header().Name); err == nil && sig.isExpansion(name) {
		return sig, bogus("%s %s comes from a wildcard", name.Text(), TypeName(set[0].Header().Rrtype))
	}
	return sig, err
}

func (v *validator) after(d time.Duration) time.Time { return v.now().Add(d) }

func (v *validator) fail(z *zone, err error) *zone {
	z.failed, z.until = err, v.after(bogusTTL)
	return z
}

// denyDelegation reads the proof that a name has no DS record. A cut is an
// insecure delegation; without one the name belongs to the zone above.
func (v *validator) denyDelegation(name Name, above *zone, said *response) (cut bool, err error) {
	e := newEffort()
	if cname, ok := said.alias(name); ok {
		_, err := v.vouch(above, &link{name, dns.TypeCNAME, []dns.RR{cname}, said}, e)
		return false, err // a name with a CNAME is no delegation (RFC 2181 section 10.1)
	}
	d, err := above.readDenial(said.authority, v.now(), e)
	if err != nil {
		return false, err
	}
	if d.tooCostly {
		return true, nil
	}
	return d.delegation(name)
}
