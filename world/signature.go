package world

import (
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// The bounds on work that a hostile zone can cause: KeyTrap, CVE-2023-50387.
const (
	maxSignatures  = 8  // tried per record set
	maxSameTag     = 4  // keys tried per signature: tags collide by chance, rarely
	maxVerifying   = 64 // signatures verified per lookup, and per zone's keys
	maxDenialSets  = 12 // NSEC and NSEC3 records considered: a proof needs three
	maxKeyMatching = 64 // digests computed to match DS records and keys
)

// effort counts down what one lookup may still spend on signatures.
type effort struct{ verifications int }

func newEffort() *effort { return &effort{maxVerifying} }

func (e *effort) spend() error {
	if e.verifications--; e.verifications < 0 {
		return bogus("it takes more than %d signatures to judge", maxVerifying)
	}
	return nil
}

// falsity is why DNSSEC says no. It becomes the detail of an ErrBogus.
type falsity struct{ reason string }

func bogus(format string, args ...any) error { return falsity{fmt.Sprintf(format, args...)} }

func (f falsity) Error() string { return f.reason }

// supported are the algorithms that can be verified here: those that RFC 8624
// section 3.1 wants, without Ed448. A zone with others only is insecure.
func supported(algorithm uint8) bool {
	switch algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512,
		dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519:
		return true
	}
	return false
}

// algorithmName is the mnemonic, or the number where there is none.
func algorithmName(algorithm uint8) string {
	if s, ok := dns.AlgorithmToString[algorithm]; ok {
		return s
	}
	return fmt.Sprintf("algorithm %d", algorithm)
}

// signature is what a verified RRSIG vouches for.
type signature struct {
	labels  int           // of the owner before any wildcard expansion
	ttl     time.Duration // how long the records may be believed
	expires time.Time
}

// isExpansion reports that the records at name come from a wildcard.
func (s signature) isExpansion(name Name) bool {
	labels := name.Labels()
	if len(name) > 1 && name[:2] == "*." {
		labels-- // RFC 4034 section 3.1.3: the asterisk itself is not counted
	}
	return s.labels < labels
}

// signatures gives the RRSIGs over one record set in a section.
func signatures(section []dns.RR, name Name, qtype uint16) []*dns.RRSIG {
	var found []*dns.RRSIG
	for _, rr := range section {
		sig, ok := rr.(*dns.RRSIG)
		if ok && sig.TypeCovered == qtype && nameIn(sig.Hdr.Name) == name {
			found = append(found, sig)
		}
	}
	return found
}

// verify finds a signature by the zone over a record set that holds now (RFC
// 4035 section 5.3). Its error is a falsity that names the best of the failures.
func (z *zone) verify(set []dns.RR, section []dns.RR, now time.Time, e *effort) (signature, error) {
	name, qtype := nameIn(set[0].Header().Name), set[0].Header().Rrtype
	sigs := signatures(section, name, qtype)
	if !name.IsWithin(z.name) { // RFC 4035 section 5.3.1
		return signature{}, bogus("%s %s lies outside %s", name.Text(), TypeName(qtype), z.title())
	}
	if len(sigs) == 0 {
		return signature{}, bogus("%s %s has no signature, though %s is signed", name.Text(), TypeName(qtype), z.title())
	}
	var worst error
	for _, sig := range sigs[:min(len(sigs), maxSignatures)] {
		err := z.verifyOne(set, name, sig, now, e)
		if err == nil {
			return newSignature(sig, now), nil
		}
		if worst == nil {
			worst = err
		}
	}
	return signature{}, worst
}

func newSignature(sig *dns.RRSIG, now time.Time) signature {
	expires := serialTime(sig.Expiration, now)
	ttl := min(time.Duration(sig.OrigTtl)*time.Second, expires.Sub(now)) // RFC 4035 section 5.3.3
	return signature{labels: int(sig.Labels), ttl: ttl, expires: expires}
}

// serialTime is a time of 32 bits, the nearest to now (RFC 4034 section 3.1.5).
func serialTime(t uint32, now time.Time) time.Time {
	return time.Unix(now.Unix()+int64(int32(t-uint32(now.Unix()))), 0).UTC()
}

func (z *zone) verifyOne(set []dns.RR, name Name, sig *dns.RRSIG, now time.Time, e *effort) error {
	what := fmt.Sprintf("signature of %s %s", name.Text(), TypeName(sig.TypeCovered))
	if signer := nameIn(sig.SignerName); signer != z.name {
		return bogus("%s is by %s instead of %s", what, signer.Text(), z.title())
	}
	if expires := serialTime(sig.Expiration, now); now.After(expires) {
		return bogus("%s expired %s", what, expires.Format(time.DateTime))
	}
	if inception := serialTime(sig.Inception, now); now.Before(inception) {
		return bogus("%s is valid only from %s", what, inception.Format(time.DateTime))
	}
	keys := z.keysFor(sig)
	if len(keys) == 0 {
		return bogus("%s is by key %d (%s), which %s does not have", what, sig.KeyTag, algorithmName(sig.Algorithm), z.title())
	}
	set = uniform(set)
	for _, key := range keys {
		if err := e.spend(); err != nil {
			return err
		}
		if sig.Verify(key, set) == nil {
			return nil
		}
	}
	return bogus("%s by key %d is wrong", what, sig.KeyTag)
}

func (z *zone) keysFor(sig *dns.RRSIG) []*dns.DNSKEY {
	var found []*dns.DNSKEY
	for _, k := range z.keys {
		if len(found) < maxSameTag && k.Algorithm == sig.Algorithm && k.KeyTag() == sig.KeyTag {
			found = append(found, k)
		}
	}
	return found
}

// uniform gives a set in which all owners are spelt alike, as the library that
// verifies demands; the spelling is no part of what is signed.
func uniform(set []dns.RR) []dns.RR {
	if dns.IsRRset(set) {
		return set
	}
	set = slices.Clone(set)
	for i, rr := range set {
		set[i] = dns.Copy(rr)
		set[i].Header().Name = set[0].Header().Name
	}
	return set
}
