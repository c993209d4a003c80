package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// Quality is what is wrong with a certificate. The zero value is Good.
type Quality string

// The qualities a certificate can have.
const (
	Good        Quality = ""            // chain complete, name right, 90 days to go
	Expired     Quality = "expired"     // since yesterday
	Expiring    Quality = "expiring"    // in two days
	NotYet      Quality = "not-yet"     // valid from tomorrow
	SelfSigned  Quality = "self-signed" // by its own key
	WrongName   Quality = "wrong-name"  // for a name that is not the host's
	Unchained   Quality = "unchained"   // the intermediate is not sent
	UnknownRoot Quality = "unknown-ca"  // under a root that nobody trusts
	RSA2048     Quality = "rsa-2048"    // good, with an RSA key
	RSA1024     Quality = "rsa-1024"    // an RSA key that is too small
)

const day = 24 * time.Hour

// CA is the certification authority of one lab. It is safe for concurrent use.
type CA struct {
	now          time.Time
	root, middle issuer
	stray        issuer // a root outside the trust store

	mu     sync.Mutex
	keys   map[string]crypto.Signer
	leaves map[leaf]*tls.Certificate
	serial int64
}

// leaf is what a certificate was asked for.
type leaf struct {
	quality Quality
	names   string
}

// issuer is a key that signs certificates, and its own certificate.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// New makes the root and the intermediate; now is when the certificates are judged.
func New(now time.Time) (*CA, error) {
	c := &CA{now: now, keys: map[string]crypto.Signer{}, leaves: map[leaf]*tls.Certificate{}}
	var err error
	if c.root, err = c.newIssuer("Lab Root", nil); err != nil {
		return nil, err
	}
	if c.middle, err = c.newIssuer("Lab Intermediate", &c.root); err != nil {
		return nil, err
	}
	c.stray, err = c.newIssuer("Root Nobody Knows", nil)
	return c, err
}

func (c *CA) newIssuer(name string, by *issuer) (issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return issuer{}, fmt.Errorf("making the key of %s: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber: c.nextSerial(),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Lab"}},
		NotBefore:    c.now.Add(-30 * day), NotAfter: c.now.Add(3650 * day),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true,
	}
	if by == nil {
		by = &issuer{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		return issuer{}, fmt.Errorf("signing %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	return issuer{cert, key}, err
}

func (c *CA) nextSerial() *big.Int {
	c.serial++
	return big.NewInt(c.now.UnixNano() + c.serial)
}

// Roots is the trusted root in PEM.
func (c *CA) Roots() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.root.cert.Raw}))
}

// Certificate is a certificate of some quality for names; the first of them has
// the key.
func (c *CA) Certificate(q Quality, names ...string) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := leaf{q, strings.Join(names, " ")}
	if cert, ok := c.leaves[id]; ok {
		return cert, nil
	}
	cert, err := c.issue(q, names)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %s: %w", names[0], err)
	}
	c.leaves[id] = cert
	return cert, nil
}

func (c *CA) issue(q Quality, names []string) (*tls.Certificate, error) {
	key, err := c.key(names[0], q)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: c.nextSerial(),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    c.now.Add(-day), NotAfter: c.now.Add(90 * day),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	by, chain := c.middle, [][]byte{c.middle.cert.Raw}
	switch q {
	case Expired:
		template.NotBefore, template.NotAfter = c.now.Add(-91*day), c.now.Add(-day)
	case Expiring:
		template.NotAfter = c.now.Add(2 * day)
	case NotYet:
		template.NotBefore = c.now.Add(day)
	case WrongName:
		template.DNSNames = []string{"somebody-else.example"}
		template.Subject.CommonName = template.DNSNames[0]
	case SelfSigned:
		by, chain = issuer{template, key}, nil
	case Unchained:
		chain = nil
	case UnknownRoot:
		by, chain = c.stray, [][]byte{c.stray.cert.Raw}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: key}, nil
}

// key is the key of a name; the caller holds the lock.
func (c *CA) key(name string, q Quality) (crypto.Signer, error) {
	bits := map[Quality]int{RSA2048: 2048, RSA1024: 1024}[q]
	id := fmt.Sprintf("%s %d", name, bits)
	if key, ok := c.keys[id]; ok {
		return key, nil
	}
	var key crypto.Signer
	var err error
	if bits == 0 {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		return nil, err
	}
	c.keys[id] = key
	return key, nil
}

// TLSA is the data of the record that pins the key of a name: DANE-EE, SPKI,
// SHA-256 (RFC 7672 section 3.1.1).
func (c *CA) TLSA(name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, err := c.key(name, Good)
	if err != nil {
		return "", err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(spki)
	return "3 1 1 " + hex.EncodeToString(sum[:]), nil
}
