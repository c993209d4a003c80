package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// signing is how a zone is to be signed: the words behind ";lab sign ZONE".
type signing struct {
	nsec3    bool
	bogus    bool // signatures do not verify
	expired  bool // signatures ended yesterday
	expiring bool // signatures end tomorrow
	wrongDS  bool // the parent vouches for another key
	noDS     bool // the parent vouches for none: an island
}

func parseSigning(words []string) (signing, error) {
	var s signing
	flags := map[string]*bool{
		"nsec3": &s.nsec3, "bogus": &s.bogus, "expired": &s.expired,
		"expiring": &s.expiring, "wrong-ds": &s.wrongDS, "no-ds": &s.noDS,
	}
	for _, word := range words {
		flag, ok := flags[word]
		if !ok {
			return s, fmt.Errorf("%w: nobody can sign %q", ErrText, word)
		}
		*flag = true
	}
	return s, nil
}

// signer signs the RRsets of one zone with its one key (ECDSA P-256, RFC 6605),
// each when it is first asked for.
type signer struct {
	key     *dns.DNSKEY
	private crypto.Signer
	how     signing
	from    time.Time
	until   time.Time

	mu   sync.Mutex
	made map[dns.RR]*dns.RRSIG // by the first record of the set
}

func newSigner(origin string, how signing, now time.Time) (*signer, error) {
	key, private, err := newKey(origin)
	if err != nil {
		return nil, err
	}
	s := &signer{key: key, private: private, how: how, made: map[dns.RR]*dns.RRSIG{}}
	s.from, s.until = now.Add(-time.Hour), now.Add(21*24*time.Hour)
	switch {
	case how.expired:
		s.from, s.until = now.Add(-15*24*time.Hour), now.Add(-24*time.Hour)
	case how.expiring:
		s.from, s.until = now.Add(-20*24*time.Hour), now.Add(24*time.Hour)
	}
	return s, nil
}

func newKey(origin string) (*dns.DNSKEY, crypto.Signer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making the key of zone %s: %w", origin, err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key of zone %s: %w", origin, err)
	}
	return &dns.DNSKEY{
		Hdr:      dns.RR_Header{Name: origin, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: defaultTTL},
		Flags:    dns.ZONE | dns.SEP,
		Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
		// RFC 6605 section 4: the bare coordinates, without the octet of the form.
		PublicKey: base64.StdEncoding.EncodeToString(point[1:]),
	}, private, nil
}

// ds is what the parent publishes for this key; nil when it shall publish none.
func (s *signer) ds() (*dns.DS, error) {
	if s.how.noDS {
		return nil, nil
	}
	key := s.key
	if s.how.wrongDS {
		other, _, err := newKey(key.Hdr.Name)
		if err != nil {
			return nil, err
		}
		key = other
	}
	return key.ToDS(dns.SHA256), nil
}

// signature is the RRSIG over one RRset.
func (s *signer) signature(rrs []dns.RR) dns.RR {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sig, ok := s.made[rrs[0]]; ok {
		return sig
	}
	h := rrs[0].Header()
	sig := &dns.RRSIG{
		Hdr:       dns.RR_Header{Name: h.Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: h.Ttl},
		Algorithm: s.key.Algorithm, KeyTag: s.key.KeyTag(), SignerName: s.key.Hdr.Name,
		Inception: uint32(s.from.Unix()), Expiration: uint32(s.until.Unix()),
	}
	if err := sig.Sign(s.private, slices.Clone(rrs)); err != nil {
		panic("authority: signing " + h.Name + ": " + err.Error())
	}
	if s.how.bogus && h.Rrtype != dns.TypeDNSKEY {
		// The key set stays valid, so that a validator sees the chain break here.
		sig.Signature = forged(sig.Signature)
	}
	s.made[rrs[0]] = sig
	return sig
}

func forged(signature string) string {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(raw) == 0 {
		panic("authority: a signature is not base64")
	}
	raw[len(raw)/2] ^= 0x40
	return base64.StdEncoding.EncodeToString(raw)
}
