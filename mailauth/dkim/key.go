package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Key is a key record taken apart (RFC 6376 section 3.6.1).
type Key struct {
	Record   string // as published
	Tags     Tags
	Type     string           // k=: "rsa" or "ed25519"
	Public   crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey; nil when revoked or broken
	Bits     int              // of the RSA modulus, 256 for Ed25519
	Hashes   []string         // h=; nil allows all
	Services []string         // s=; nil allows all
	Testing  bool             // t=y
	Strict   bool             // t=s: i= must be at d= itself
	Revoked  bool             // p= is empty
	Bare     bool             // p= is an RSAPublicKey without its SubjectPublicKeyInfo
	Notes    string           // n=
	Problems []Problem
}

// Sizes of RSA keys in bits. MinRSABits is RFC 8301 section 3.2; MaxRSABits keeps
// a hostile key from costing seconds.
const (
	MinRSABits = 1024
	MaxRSABits = 8192
)

// ParseKey reads the text of a key record. The Key is never nil and holds what
// could be read; the error is the first problem that makes it unusable. A key
// that is revoked or short reads without error: what to make of it is the
// verifier's.
func ParseKey(txt string) (*Key, error) {
	k := &Key{Record: txt}
	k.Tags, k.Problems = ParseTags(txt)
	k.readVersion()
	k.readType()
	k.readLists()
	k.readPublic()
	if p, bad := fatal(k.Problems); bad {
		return k, fmt.Errorf("the key record cannot be used: %s", p)
	}
	return k, nil
}

func (k *Key) bad(tag, format string, args ...any) {
	k.Problems = append(k.Problems, Problem{tag, fmt.Sprintf(format, args...), true})
}

func (k *Key) odd(tag, detail string) {
	k.Problems = append(k.Problems, Problem{tag, detail, false})
}

func (k *Key) readVersion() {
	switch v, ok := k.Tags.Get("v"); {
	case !ok:
		k.odd("v", "is missing; it should be DKIM1")
	case v != "DKIM1":
		k.bad("v", "%.20q is not DKIM1", v)
	case k.Tags[0].Name != "v":
		k.bad("v", "does not come first") // RFC 6376 section 3.6.1: it must
	}
}

func (k *Key) readType() {
	k.Type = "rsa"
	if t, ok := k.Tags.Get("k"); ok {
		k.Type = strings.ToLower(t)
	}
	if k.Type != "rsa" && k.Type != "ed25519" {
		k.bad("k", "%.20q is not known", k.Type)
	}
}

// readLists reads h=, s=, t= and n=.
func (k *Key) readLists() {
	lower := func(tag string) []string {
		v, ok := k.Tags.Get(tag)
		if !ok {
			return nil
		}
		return colonList(strings.ToLower(v))
	}
	k.Hashes = lower("h")
	if services := lower("s"); !slices.Contains(services, "*") {
		k.Services = services
	}
	flags := lower("t")
	k.Testing = slices.Contains(flags, "y")
	k.Strict = slices.Contains(flags, "s")
	notes, _ := k.Tags.Get("n")
	k.Notes = decodeQP(notes)
	if k.Testing {
		k.odd("t", "y says that the domain only tests")
	}
	if k.Hashes != nil && !slices.Contains(k.Hashes, "sha256") {
		k.odd("h", "does not allow sha256")
	}
	if !k.ServesMail() {
		k.odd("s", "does not allow email")
	}
}

// ServesMail reports whether s= lets the key sign mail.
func (k *Key) ServesMail() bool {
	return k.Services == nil || slices.Contains(k.Services, "email")
}

func (k *Key) allowsHash(name string) bool {
	return k.Hashes == nil || slices.Contains(k.Hashes, name)
}

func (k *Key) readPublic() {
	p, ok := k.Tags.Get("p")
	if !ok {
		k.bad("p", "is missing")
		return
	}
	text := dropSpace(p)
	if text == "" {
		k.Revoked = true
		k.odd("p", "is empty: the key is revoked")
		return
	}
	octets, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		k.bad("p", "is not base64 (%d characters)", len(text))
		return
	}
	switch k.Type {
	case "rsa":
		k.readRSA(octets)
	case "ed25519":
		k.readEd25519(octets)
	}
}

// readRSA takes a SubjectPublicKeyInfo, which everybody publishes, and the bare
// RSAPublicKey of the text of RFC 6376 section 3.6.1.
func (k *Key) readRSA(octets []byte) {
	public, bare, err := parseRSA(octets)
	if err != nil {
		k.bad("p", "is not an RSA key: %s", err)
		return
	}
	k.Public, k.Bits, k.Bare = public, public.N.BitLen(), bare
	switch {
	case k.Bits > MaxRSABits:
		k.bad("p", "has %d bits, more than %d", k.Bits, MaxRSABits)
		k.Public = nil
	case k.Bits < MinRSABits:
		k.odd("p", fmt.Sprintf("has %d bits; receivers must refuse less than %d", k.Bits, MinRSABits))
	}
	if bare {
		k.odd("p", "is a bare RSAPublicKey, which some verifiers cannot read")
	}
}

func parseRSA(octets []byte) (public *rsa.PublicKey, bare bool, err error) {
	anyKey, err := x509.ParsePKIXPublicKey(octets)
	if err != nil {
		public, bareErr := x509.ParsePKCS1PublicKey(octets)
		if bareErr != nil {
			return nil, false, err
		}
		return public, true, nil
	}
	public, ok := anyKey.(*rsa.PublicKey)
	if !ok {
		return nil, false, fmt.Errorf("it is %T", anyKey)
	}
	return public, false, nil
}

// readEd25519 takes the 32 octets themselves (RFC 8463 section 4).
func (k *Key) readEd25519(octets []byte) {
	if len(octets) != ed25519.PublicKeySize {
		k.bad("p", "has %d octets, an Ed25519 key has %d", len(octets), ed25519.PublicKeySize)
		return
	}
	k.Public, k.Bits = ed25519.PublicKey(octets), 256
}
