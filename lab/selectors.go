package lab

import (
	"crypto"
	"crypto/x509"
	"fmt"
)

// Selector is a DKIM selector that every well-run domain of the lab publishes, and
// the key to sign with.
type Selector struct {
	Name string
	Key  crypto.Signer // *rsa.PrivateKey with 2048 bits, or ed25519.PrivateKey
}

// Selectors are "s1", RSA with 2048 bits, and "s2", Ed25519. All domains share
// them.
func Selectors() ([]Selector, error) {
	keys, err := readKeys()
	if err != nil {
		return nil, err
	}
	rsa, err := keys.signer("rsa2048")
	if err != nil {
		return nil, err
	}
	ed25519, err := keys.signer("ed25519")
	return []Selector{{"s1", rsa}, {"s2", ed25519}}, err
}

func (k dkimKeys) signer(name string) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(k.Private[name])
	if err != nil {
		return nil, fmt.Errorf("reading the DKIM key %s: %w", name, err)
	}
	return key.(crypto.Signer), nil
}
