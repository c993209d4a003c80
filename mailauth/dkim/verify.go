package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

const (
	// maxVerified is how many signatures are verified; the rest is policy.
	maxVerified = 8
	// maxReported is how many signatures are reported at all.
	maxReported = 64
	// clockSkew is how far a signature may come from the future.
	clockSkew = time.Hour
)

// Verify verifies all signatures of a message, from the top. No signature at all
// gives an empty result. A body that cannot be read to its end makes every
// signature a temperror.
func Verify(ctx context.Context, r world.Resolver, header message.Header, body io.Reader, now time.Time) []Verification {
	v := NewVerifier(header)
	if !v.needsBody() {
		return v.Results(ctx, r, now)
	}
	if _, err := io.Copy(v, body); err != nil {
		v.broken = err
	}
	return v.Results(ctx, r, now)
}

// Verifier verifies the signatures of a message whose body is written to it.
type Verifier struct {
	header  message.Header
	pending []*pending
	bodies  bodies
	known   []*Key
	broken  error // the body did not come whole
}

// pending is a signature on its way to a Verification.
type pending struct {
	Verification
	field message.Field
	body  *bodyHash // nil when the verdict is known without it
}

func (p *pending) judge(r Result, format string, args ...any) {
	p.Result, p.Reason = r, fmt.Sprintf(format, args...)
}

// NewVerifier reads the signatures of a header. Write the body next.
func NewVerifier(header message.Header) *Verifier {
	v := &Verifier{header: header}
	for f := range header.All("DKIM-Signature") {
		if len(v.pending) == maxReported {
			break
		}
		v.add(f, ParseSignature)
	}
	return v
}

// NewARCVerifier verifies one ARC-Message-Signature as a signature of the message,
// which it is but for its name and two tags.
func NewARCVerifier(header message.Header, field message.Field) *Verifier {
	v := &Verifier{header: header}
	v.add(field, ParseARCMessageSignature)
	return v
}

// Know gives the verifier keys that were read for an earlier message: a record that is
// still the same need not be read again.
func (v *Verifier) Know(keys []*Key) { v.known = keys }

func (v *Verifier) add(f message.Field, parse func(string) (*Signature, error)) {
	p := &pending{field: f}
	p.Field = f.Raw()
	v.pending = append(v.pending, p)
	if len(v.pending) > maxVerified {
		p.judge(Policy, "not verified: only the first %d signatures are", maxVerified)
		return
	}
	s, err := parse(f.Body())
	if p.read(s, err); p.Result == None {
		p.body = v.bodies.want(s.Body, s.Length)
	}
}

func (v *Verifier) needsBody() bool {
	return v.bodies.forms[Relaxed] != nil || v.bodies.forms[Simple] != nil
}

// Write takes the next octets of the body; it never fails.
func (v *Verifier) Write(p []byte) (int, error) { return v.bodies.Write(p) }

// Results fetches the keys, all at once, and judges. Call it once, after the body.
func (v *Verifier) Results(ctx context.Context, r world.Resolver, now time.Time) []Verification {
	v.bodies.close()
	var all sync.WaitGroup
	for i, p := range v.pending {
		if p.Result != None {
			continue
		}
		if i == len(v.pending)-1 {
			v.verify(ctx, r, p, now) // the last or only one needs no goroutine
			continue
		}
		all.Go(func() { v.verify(ctx, r, p, now) })
	}
	all.Wait()
	results := make([]Verification, len(v.pending))
	for i, p := range v.pending {
		results[i] = p.Verification
	}
	return results
}

// read judges what the signature alone tells.
func (p *pending) read(s *Signature, err error) {
	p.describe(s)
	switch {
	case err != nil:
		p.judge(Neutral, "%s", err)
	case !s.auidDomain.IsWithin(s.Domain):
		p.judge(PermError, "i= %s is not within d= %s", s.AUID, s.Domain) // RFC 6376 section 6.1.1
	case !s.Signs("From"):
		p.judge(PermError, "From is not signed") // RFC 6376 section 5.4
	case s.Algorithm == RSASHA1:
		p.judge(PermError, "rsa-sha1 is not safe and must not be used") // RFC 8301 section 3.1
	}
}

func (p *pending) describe(s *Signature) {
	p.Signature = s
	p.Domain, p.Selector, p.AUID, p.Algorithm = s.Domain, s.Selector, s.AUID, s.Algorithm
	p.Signed, p.Canonicalization = s.Signed, s.Canonicalization()
	p.BodyLimited = s.Length != noLimit
}

// verify judges one signature against time, key, body and header.
func (v *Verifier) verify(ctx context.Context, r world.Resolver, p *pending, now time.Time) {
	if v.broken != nil {
		p.judge(TempError, "the body did not come whole: %s", v.broken)
		return
	}
	if !p.checkTime(now) {
		return
	}
	keys, ok := p.findKeys(ctx, r, v.known)
	if ok && v.checkBody(p) {
		p.checkValue(keys, headerHash(v.header, p.field, p.Signature))
	}
}

// VerifySigned judges a signature over a digest that the caller made: time, key
// and value. ARC seals are such signatures.
func VerifySigned(ctx context.Context, r world.Resolver, s *Signature, digest [sha256.Size]byte, now time.Time) Verification {
	p := &pending{}
	p.describe(s)
	if s.Algorithm == RSASHA1 {
		p.judge(PermError, "rsa-sha1 is not safe and must not be used")
		return p.Verification
	}
	if p.checkTime(now) {
		if keys, ok := p.findKeys(ctx, r, nil); ok {
			p.checkValue(keys, digest)
		}
	}
	return p.Verification
}

func (p *pending) checkTime(now time.Time) bool {
	s := p.Signature
	switch {
	case !s.Expires.IsZero() && now.After(s.Expires):
		p.judge(PermError, "expired at %s", s.Expires.Format(time.RFC3339))
	case s.Time.After(now.Add(clockSkew)):
		p.judge(PermError, "signed in the future, at %s", s.Time.Format(time.RFC3339))
	default:
		return true
	}
	return false
}

// findKeys asks for the key, and says which of none, broken and unreachable it is.
func (p *pending) findKeys(ctx context.Context, r world.Resolver, known []*Key) ([]*Key, bool) {
	l, err := lookupKey(ctx, r, p.Domain, p.Selector, known)
	p.Security = l.Security
	switch {
	case errors.Is(err, world.ErrNotFound):
		p.judge(PermError, "there is no key at %s", l.Name.Text())
		return nil, false
	case errors.Is(err, world.ErrBogus):
		p.judge(TempError, "the key at %s fails DNSSEC validation", l.Name.Text())
		return nil, false
	case err != nil:
		p.judge(TempError, "the key could not be fetched: %s", err)
		return nil, false
	}
	usable := l.Usable()
	if len(usable) == 0 {
		p.judge(PermError, "there is no TXT record at %s", l.Name.Text())
		if len(l.Keys) > 0 {
			bad, _ := fatal(l.Keys[0].Problems)
			p.Key = l.Keys[0]
			p.judge(PermError, "the record at %s is no key: %s", l.Name.Text(), bad)
		}
		return nil, false
	}
	p.useKey(usable[0])
	return usable, true
}

func (p *pending) useKey(k *Key) {
	p.Key, p.Bits, p.Testing = k, k.Bits, k.Testing
}

// checkKey judges whether the key may be used for this signature (RFC 6376
// section 6.1.2).
func (p *pending) checkKey(k *Key) bool {
	s := p.Signature
	switch {
	case k.Revoked:
		p.judge(PermError, "the key is revoked")
	case k.Type != s.Algorithm.keyType():
		p.judge(PermError, "the key is for %s, the signature is %s", k.Type, s.Algorithm)
	case !k.allowsHash("sha256"):
		p.judge(PermError, "the key does not allow sha256")
	case !k.ServesMail():
		p.judge(PermError, "the key is not for email")
	case k.Strict && s.auidDomain != s.Domain:
		p.judge(PermError, "the key allows no subdomains, and i= is %s", s.AUID)
	case k.Type == "rsa" && k.Bits < MinRSABits:
		p.judge(PermError, "the key has %d bits, less than %d", k.Bits, MinRSABits) // RFC 8301 section 3.2
	default:
		return true
	}
	return false
}

func (v *Verifier) checkBody(p *pending) bool {
	s := p.Signature
	size := v.bodies.size(s.Body)
	if s.Length != noLimit {
		p.Unsigned = max(0, size-s.Length)
	}
	switch {
	case s.Length > size:
		p.judge(Fail, "l= covers %d octets, the body has %d", s.Length, size)
	case !bytes.Equal(p.body.sum, s.BodyHash):
		p.judge(Fail, "the body was changed: its hash does not match bh=")
	default:
		return true
	}
	return false
}

// checkValue tries the keys until one fits; without one the last tells why.
func (p *pending) checkValue(keys []*Key, digest [sha256.Size]byte) {
	for _, k := range keys {
		p.useKey(k)
		if !p.checkKey(k) {
			continue
		}
		if err := VerifyDigest(k.Public, digest, p.Signature.Value); err == nil {
			p.pass()
			return
		}
		p.judge(Fail, "the signature does not match: the header was changed, or the key is another")
	}
}

func (p *pending) pass() {
	p.Result, p.Reason = Pass, ""
	switch {
	case p.BodyLimited:
		p.Reason = fmt.Sprintf("l= leaves %d octets of the body unsigned", p.Unsigned)
	case p.Testing:
		p.Reason = "the key says that the domain only tests"
	}
}

// VerifyDigest verifies a signature over a SHA-256 digest with an RSA (PKCS #1
// v1.5) or Ed25519 key (RFC 8463 section 3 signs the digest).
func VerifyDigest(public crypto.PublicKey, digest [sha256.Size]byte, signature []byte) error {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
	case ed25519.PublicKey:
		if ed25519.Verify(public, digest[:], signature) {
			return nil
		}
		return errors.New("the Ed25519 signature does not match")
	}
	return fmt.Errorf("a key of type %T", public)
}

// headerHash is the digest that b= signs (RFC 6376 section 3.7).
func headerHash(h message.Header, field message.Field, s *Signature) [sha256.Size]byte {
	buf := make([]byte, 0, 4096)
	SelectFields(h, s.Signed, func(f message.Field) { buf = s.Header.AppendField(buf, f) })
	return sha256.Sum256(s.Header.AppendUnsigned(buf, field))
}
