package bimi

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// maxChain bounds how many certificates of a file are read.
const maxChain = 10

// The object identifiers of mark certificates.
var (
	oidUsage    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 31}     // extended key usage: brand indicators
	oidPolicy   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 53087, 1, 1}  // certificate policy
	oidMarkType = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 53087, 1, 13} // in the subject's name
	oidLogotype = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 12}     // RFC 3709
)

// Kind is what a mark certificate vouches for.
type Kind string

// The kinds; the empty Kind is no mark certificate.
const (
	Verified Kind = "VMC" // a registered or governmental mark
	Common   Kind = "CMC" // a mark in use
)

// kinds are the mark types and what they make of the certificate.
var kinds = map[string]Kind{
	"Registered Mark": Verified, "Government Mark": Verified,
	"Prior Use Mark": Common, "Modified Registered Mark": Common,
	"Provisional Mark": Common, "Pending Registration Mark": Common,
}

// Evidence is a mark certificate with its chain. The zero value vouches for
// nothing.
type Evidence struct {
	Chain    []*x509.Certificate // the mark certificate first
	MarkType string              // as the certificate has it
	Kind     Kind
	Names    []string // of the subject's alternative names, lower case
	NotAfter time.Time
	Logo     []byte // the logo in the certificate, unpacked; nil when there is none
}

// ParseEvidence reads the PEM file of an a= tag and says what is wrong with it in
// itself. Codes: "pem", "certificate", "too-many", "order", "usage", "policy",
// "mark-type", "no-logotype", "logotype", "logo-hash".
func ParseEvidence(file []byte) (Evidence, []Problem) {
	var e Evidence
	var found problems
	e.readChain(file, &found)
	if len(e.Chain) == 0 {
		found.fatal("pem", "the file has no certificate in PEM")
		return e, found
	}
	leaf := e.Chain[0]
	e.NotAfter = leaf.NotAfter
	for _, name := range leaf.DNSNames {
		e.Names = append(e.Names, strings.ToLower(name))
	}
	if leaf.IsCA {
		found.fatal("order", "the first certificate is an authority's; the mark certificate must come first")
	}
	e.readMark(leaf, &found)
	e.readLogo(leaf, &found)
	return e, found
}

func (e *Evidence) readChain(file []byte, found *problems) {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type != "CERTIFICATE":
			found.warn("pem", "the file has a block of type %.40q", block.Type)
			continue
		case len(e.Chain) == maxChain:
			found.warn("too-many", "the file has more than %d certificates", maxChain)
			return
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			found.fatal("certificate", "certificate %d cannot be read: %s", len(e.Chain)+1, err)
			return
		}
		e.Chain = append(e.Chain, cert)
	}
}

// readMark reads what kind of mark the certificate is about.
func (e *Evidence) readMark(leaf *x509.Certificate, found *problems) {
	if !slices.ContainsFunc(leaf.UnknownExtKeyUsage, oidUsage.Equal) {
		found.fatal("usage", "the certificate is not for brand indicators (key usage %s is missing)", oidUsage)
	}
	if !slices.ContainsFunc(leaf.PolicyIdentifiers, oidPolicy.Equal) {
		found.warn("policy", "the certificate does not name the mark certificate policy %s", oidPolicy)
	}
	for _, attribute := range leaf.Subject.Names {
		if s, ok := attribute.Value.(string); ok && attribute.Type.Equal(oidMarkType) {
			e.MarkType = s
		}
	}
	e.Kind = kinds[e.MarkType]
	if e.Kind == "" {
		found.warn("mark-type", "the mark type %.60q is unknown", e.MarkType)
	}
}

// readLogo takes the logo out of the certificate and holds it to its hash.
func (e *Evidence) readLogo(leaf *x509.Certificate, found *problems) {
	i := slices.IndexFunc(leaf.Extensions, func(x pkixExtension) bool { return x.Id.Equal(oidLogotype) })
	if i < 0 {
		found.fatal("no-logotype", "the certificate holds no logo")
		return
	}
	l, err := parseLogotype(leaf.Extensions[i].Value)
	if err != nil {
		found.fatal("logotype", "the logo in the certificate cannot be read: %s", err)
		return
	}
	if !l.hashHolds() {
		found.fatal("logo-hash", "the logo in the certificate does not fit its own hash")
		return
	}
	logo, err := unpack(l.data)
	if err != nil {
		found.fatal("logotype", "the logo in the certificate cannot be unpacked: %s", err)
		return
	}
	e.Logo = logo
}

// Shows reports whether the certificate holds exactly this logo file, packed or
// not.
func (e *Evidence) Shows(file []byte) bool {
	logo, err := unpack(file)
	return err == nil && e.Logo != nil && bytes.Equal(logo, e.Logo)
}

// Covers reports whether the certificate is for a domain, its organizational
// domain, or the selector's record of either.
func (e *Evidence) Covers(d, organizational mail.Domain, selector string) bool {
	for _, domain := range []mail.Domain{d, organizational} {
		if domain.IsZero() {
			continue
		}
		if slices.Contains(e.Names, domain.String()) || slices.Contains(e.Names, strings.ToLower(selector)+"._bimi."+domain.String()) {
			return true
		}
	}
	return false
}

// Judge says what keeps the certificate from vouching for a domain's logo now.
// roots are the authorities trusted for marks, which no system's store holds; with
// nil only the links of the chain are held to each other, and "anchor" says so.
// Codes: "not-yet", "expired", "name", "chain", "anchor".
func (e *Evidence) Judge(d, organizational mail.Domain, selector string, roots *x509.CertPool, now time.Time) []Problem {
	var found problems
	if len(e.Chain) == 0 {
		found.fatal("chain", "there is no certificate")
		return found
	}
	leaf := e.Chain[0]
	switch {
	case now.Before(leaf.NotBefore):
		found.fatal("not-yet", "the certificate is not valid before %s", leaf.NotBefore.Format(time.DateOnly))
	case now.After(leaf.NotAfter):
		found.fatal("expired", "the certificate expired on %s", leaf.NotAfter.Format(time.DateOnly))
	}
	if !e.Covers(d, organizational, selector) {
		found.fatal("name", "the certificate is for %.200q, not for %s", strings.Join(e.Names, ", "), d)
	}
	if roots == nil {
		e.judgeLinks(&found)
		found.warn("anchor", "whether receivers trust the issuer %.100q was not judged", e.Chain[len(e.Chain)-1].Issuer.CommonName)
		return found
	}
	if err := e.verify(roots, leaf.NotAfter); err != nil {
		found.fatal("chain", "the chain does not lead to a trusted authority: %s", err)
	}
	return found
}

// verify builds the chain at a time when the leaf is valid: its dates are judged
// apart, so that one mistake is told once.
func (e *Evidence) verify(roots *x509.CertPool, at time.Time) error {
	between := x509.NewCertPool()
	for _, cert := range e.Chain[1:] {
		between.AddCert(cert)
	}
	_, err := e.Chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // readMark judged the usage
	})
	return err
}

func (e *Evidence) judgeLinks(found *problems) {
	for i, cert := range e.Chain[:len(e.Chain)-1] {
		if err := cert.CheckSignatureFrom(e.Chain[i+1]); err != nil {
			found.fatal("chain", "certificate %d is not signed by the next: %s", i+1, err)
			return
		}
	}
	if len(e.Chain) == 1 {
		found.fatal("chain", "%s", fmt.Sprintf("the file lacks the certificate of the issuer %.100q", e.Chain[0].Issuer.CommonName))
	}
}
