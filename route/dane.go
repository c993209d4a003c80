package route

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Match is the TLSA record that vouches for a server, and the certificate of its
// chain that the record names: 0 the server's own, more for an authority, -1 for
// an authority that only the record itself holds (2 0 0).
type Match struct {
	Record TLSA
	Depth  int
}

// Why no record vouches for a chain.
var (
	ErrNoUsableTLSA = errors.New("no TLSA record is usable")
	ErrNoMatch      = errors.New("no TLSA record matches the certificates")
	ErrNoChain      = errors.New("the server showed no certificate")
)

// Match finds the record that vouches for the chain a server presented, its own
// certificate first. names are the reference identifiers of RFC 7672 section
// 3.2.2; they and the dates matter for DANE-TA only (RFC 7671 sections 5.1 and
// 5.2). When records fit but the chain below them does not hold, the error says so.
func (s *TLSASet) Match(chain []*x509.Certificate, names []mail.Domain, now time.Time) (Match, error) {
	usable := s.Usable()
	switch {
	case len(usable) == 0:
		return Match{}, ErrNoUsableTLSA
	case len(chain) == 0:
		return Match{}, ErrNoChain
	}
	err := ErrNoMatch
	for _, t := range usable {
		switch {
		case t.Usage == DANEEE && t.Names(chain[0]):
			return Match{Record: t}, nil
		case t.Usage == DANETA:
			depth, why := t.anchors(chain, names, now)
			if why == nil {
				return Match{t, depth}, nil
			}
			if !errors.Is(why, ErrNoMatch) {
				err = why
			}
		}
	}
	return Match{}, err
}

// anchors reports whether the chain leads to the authority that the record names.
func (t TLSA) anchors(chain []*x509.Certificate, names []mail.Domain, now time.Time) (depth int, err error) {
	err = ErrNoMatch
	for i, cert := range chain[1:] {
		if !t.Names(cert) {
			continue
		}
		if err = verifyUnder(cert, chain, names, now); err == nil {
			return i + 1, nil
		}
	}
	if t.Selector != WholeCertificate || t.Matching != ExactData {
		return 0, err
	}
	// RFC 7671 section 5.2.2: a whole certificate in the record need not be sent.
	anchor, perr := x509.ParseCertificate(t.Data)
	if perr != nil {
		return 0, err
	}
	return -1, verifyUnder(anchor, chain, names, now)
}

// verifyUnder verifies the first certificate of the chain with nothing but this
// anchor trusted, for one of the names.
func verifyUnder(anchor *x509.Certificate, chain []*x509.Certificate, names []mail.Domain, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(anchor)
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	if err != nil {
		return fmt.Errorf("the chain does not hold under its TLSA record: %w", err)
	}
	for _, name := range names {
		if chain[0].VerifyHostname(name.String()) == nil {
			return nil
		}
	}
	return fmt.Errorf("the certificate under the TLSA record is for none of %v", names)
}
