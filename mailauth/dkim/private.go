package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// ErrPrivateKey is wrapped by every error of ParsePrivateKey.
var ErrPrivateKey = errors.New("not a DKIM private key")

// ParsePrivateKey reads a private key as files hold it: PEM with PKCS #1 (RSA) or
// PKCS #8 (RSA, Ed25519), or the bare base64 of an Ed25519 seed of 32 octets, as
// RFC 8463 appendix A prints it.
func ParsePrivateKey(file []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(file)
	if block == nil {
		return parseSeed(file)
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPrivateKey, err)
		}
		return key, nil
	case "PRIVATE KEY":
		return parsePKCS8(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: it is encrypted; decrypt it first", ErrPrivateKey)
	}
	return nil, fmt.Errorf("%w: a PEM block of %q", ErrPrivateKey, block.Type)
}

func parsePKCS8(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrivateKey, err)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("%w: DKIM has no algorithm for %T", ErrPrivateKey, key)
}

func parseSeed(file []byte) (crypto.Signer, error) {
	seed, err := base64.StdEncoding.DecodeString(dropSpace(string(file)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: neither PEM nor the base64 of an Ed25519 seed", ErrPrivateKey)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// KeyRecord is the text of the TXT record to publish for a public key. A resolver
// joins its strings, so where it is published it may be cut into pieces of 255.
func KeyRecord(public crypto.PublicKey) (string, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return "", fmt.Errorf("write the key record: %w", err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public), nil
	}
	return "", fmt.Errorf("DKIM has no key record for %T", public)
}
