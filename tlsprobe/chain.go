package tlsprobe

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Chain is one list of certificates as the server presented it, and what is to be
// said of it.
type Chain struct {
	Certificates []Certificate `json:"certificates"` // the server's own first
	Trusted      Answer        `json:"trusted"`      // leads to a root, at the time given
	Fault        Fault         `json:"fault,omitempty"`
	NameMatches  Answer        `json:"name_matches"` // the server name stands in its SAN
	leaf         []byte        // DER of the first certificate
}

// Fault is why a chain is not trusted, in one stable word.
type Fault string

// The faults of a chain. None is the empty one.
const (
	Unreadable  Fault = "unreadable"    // the first certificate cannot be parsed
	Expired     Fault = "expired"       // one certificate of it is
	NotYetValid Fault = "not-yet-valid" //
	SelfSigned  Fault = "self-signed"   // the server's own certificate signs itself
	Incomplete  Fault = "incomplete"    // an issuer is missing between it and any root
	UnknownRoot Fault = "unknown-root"  // the root was sent and nobody trusts it
	WrongUse    Fault = "wrong-use"     // not for servers, or by an issuer that may not issue
	OtherFault  Fault = "other"         // Why tells
)

// Certificate is what the checks want to know of one certificate.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"` // DNS names of its SAN
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	KeyType   string    `json:"key_type"`  // "RSA", "ECDSA", "Ed25519", "unknown"
	KeyBits   int       `json:"key_bits"`  // of the modulus, or of the curve
	Signature string    `json:"signature"` // "SHA256-RSA"
	SelfSigns bool      `json:"self_signs,omitempty"`
	// Parsed is the whole certificate, for TLSA records and whatever else.
	Parsed *x509.Certificate `json:"-"`
}

// addChain judges a chain unless one with the same first certificate is known.
func (s *scanner) addChain(ders [][]byte) {
	if len(ders) == 0 {
		return
	}
	for _, known := range s.result.Chains {
		if bytes.Equal(known.leaf, ders[0]) {
			return
		}
	}
	s.result.Chains = append(s.result.Chains, judge(ders, s.options))
}

// judge reads a chain and judges it. Certificates behind the first that cannot be
// parsed are left out: they only ever help.
func judge(ders [][]byte, o Options) Chain {
	var parsed []*x509.Certificate
	for i, der := range ders {
		cert, err := x509.ParseCertificate(der)
		if err != nil && i == 0 {
			no := Answer{No, err.Error()}
			return Chain{Trusted: no, Fault: Unreadable, NameMatches: no, leaf: der}
		}
		if err == nil {
			parsed = append(parsed, cert)
		}
	}
	return Judge(parsed, o)
}

// Judge says of a chain that somebody else was shown what a scan would say of it: the
// server's own certificate comes first. Of the options only name, roots and time
// matter.
func Judge(presented []*x509.Certificate, o Options) Chain {
	if len(presented) == 0 {
		no := Answer{No, "no certificate was presented"}
		return Chain{Trusted: no, Fault: Unreadable, NameMatches: no}
	}
	c := Chain{leaf: presented[0].Raw}
	for _, cert := range presented {
		c.Certificates = append(c.Certificates, describe(cert))
	}
	c.Trusted, c.Fault = verify(presented, o)
	c.NameMatches = matchName(presented[0], o)
	return c
}

func describe(cert *x509.Certificate) Certificate {
	kind, bits := keyOf(cert)
	return Certificate{
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), Names: cert.DNSNames,
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
		KeyType: kind, KeyBits: bits, Signature: cert.SignatureAlgorithm.String(),
		SelfSigns: signsItself(cert), Parsed: cert,
	}
}

func keyOf(cert *x509.Certificate) (kind string, bits int) {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", key.N.BitLen()
	case *ecdsa.PublicKey:
		return "ECDSA", key.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "Ed25519", 256
	}
	return "unknown", 0
}

// signsItself goes by the names: the signature of a root proves nothing.
func signsItself(cert *x509.Certificate) bool { return bytes.Equal(cert.RawSubject, cert.RawIssuer) }

func verify(chain []*x509.Certificate, o Options) (Answer, Fault) {
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: o.Roots, Intermediates: between, CurrentTime: o.Now})
	if err == nil {
		return Answer{Is: Yes}, ""
	}
	return Answer{No, err.Error()}, faultOf(err, chain, o.Now)
}

func faultOf(err error, chain []*x509.Certificate, now time.Time) Fault {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if invalid.Cert != nil && now.Before(invalid.Cert.NotBefore) {
			return NotYetValid
		}
		return Expired
	case errors.As(err, &invalid):
		return WrongUse
	case !errors.As(err, &unknown):
		return OtherFault
	case signsItself(chain[0]):
		return SelfSigned
	case slices.ContainsFunc(chain, signsItself):
		return UnknownRoot
	}
	return Incomplete
}

// matchName compares with the SAN alone, as RFC 9525 section 6.3 wants: the common
// name has not counted for long.
func matchName(cert *x509.Certificate, o Options) Answer {
	if o.ServerName.IsZero() {
		return Answer{NotApplicable, "no server name was given"}
	}
	if err := cert.VerifyHostname(o.ServerName.String()); err != nil {
		return Answer{No, fmt.Sprintf("it is for %q", cert.DNSNames)}
	}
	return Answer{Is: Yes}
}
