package repository

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"filippo.io/age"
)

// Key opens a repository, and everything that was ever written into it.
type Key struct {
	identity *age.X25519Identity
	mac      []byte
}

// NewKey makes a key.
func NewKey() (Key, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return Key{}, err
	}
	return newKey(identity)
}

// ParseKey reads a key as String writes it, or a file of age with one key among its
// lines.
func ParseKey(text string) (Key, error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		identity, err := age.ParseX25519Identity(line)
		if err != nil {
			return Key{}, fmt.Errorf(`%w: a key begins with "AGE-SECRET-KEY-1"`, ErrKey)
		}
		return newKey(identity)
	}
	return Key{}, fmt.Errorf("%w: it is empty", ErrKey)
}

func newKey(identity *age.X25519Identity) (Key, error) {
	mac, err := hkdf.Key(sha256.New, []byte(identity.String()), nil, "allgreen backup snapshot", sha256.Size)
	return Key{identity: identity, mac: mac}, err
}

// IsZero reports whether this is no key.
func (k Key) IsZero() bool { return k.identity == nil }

// Secret is the key as text, which opens everything.
func (k Key) Secret() string { return k.identity.String() }

// String hides the key: it is the fingerprint.
func (k Key) String() string { return k.Fingerprint() }

// Fingerprint tells one key from another and nothing more.
func (k Key) Fingerprint() string {
	if k.IsZero() {
		return "none"
	}
	sum := sha256.Sum256([]byte(k.identity.Recipient().String()))
	return hex.EncodeToString(sum[:8])
}

// sign is a MAC over a name and what stands under it.
func (k Key) sign(name string, data []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	fmt.Fprintf(h, "%d %s\n", len(name), name)
	h.Write(data)
	return h.Sum(nil)
}
