package sasl

import (
	"crypto"
	_ "crypto/sha256" // the hashes that certificates are signed with
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
)

// errNoCertificate is a server that was given no certificate for this name.
var errNoCertificate = errors.New("no certificate")

// binding is what the client must have seen of the channel too, if it binds at all. PLUS
// demands a binding; without PLUS there is none, and a client that would have bound had it
// known that we can is being deceived by somebody between us (RFC 5802 section 6).
func (x *Exchange) binding(hello scramFirst) ([]byte, error) {
	offered := slices.Contains(x.Offered, SCRAMSHA256Plus)
	if x.Mechanism != SCRAMSHA256Plus {
		if hello.flag == 'p' || hello.flag == 'y' && offered {
			return nil, ErrExchange
		}
		return nil, nil
	}
	if x.TLS == nil {
		return nil, ErrExchange
	}
	var data []byte
	var err error
	switch hello.kind {
	case "tls-exporter": // RFC 9266 section 2
		data, err = x.TLS.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	case "tls-server-end-point":
		data, err = endPoint(x.Shown)
	}
	if err != nil || len(data) == 0 {
		return nil, ErrExchange
	}
	return data, nil
}

// endPoint is the hash of the server's certificate, by the hash of its signature, and
// SHA-256 in place of MD5 and SHA-1 (RFC 5929 section 4.1). A signature without a hash
// of its own, as Ed25519, has no binding.
func endPoint(der []byte) ([]byte, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	hash := crypto.SHA256
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		hash = crypto.SHA512
	case x509.PureEd25519:
		return nil, ErrExchange
	}
	h := hash.New()
	h.Write(der)
	return h.Sum(nil), nil
}

// Remember makes a configuration for one connection that behaves as config does, and
// calls shown with the certificate that the client is shown.
func Remember(config *tls.Config, shown func(der []byte)) *tls.Config {
	mine := config.Clone()
	mine.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := choose(config, hello)
		if err == nil && cert != nil && len(cert.Certificate) > 0 {
			shown(cert.Certificate[0])
		}
		return cert, err
	}
	mine.Certificates = nil // else crypto/tls would choose one of them unasked
	if config.GetConfigForClient != nil {
		mine.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			other, err := config.GetConfigForClient(hello)
			if err != nil || other == nil {
				return nil, err
			}
			return Remember(other, shown), nil
		}
	}
	return mine
}

// choose is how crypto/tls chooses a certificate.
func choose(config *tls.Config, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if config.GetCertificate != nil && (len(config.Certificates) == 0 || hello.ServerName != "") {
		cert, err := config.GetCertificate(hello)
		if cert != nil || err != nil {
			return cert, err
		}
	}
	for i := range config.Certificates {
		if hello.SupportsCertificate(&config.Certificates[i]) == nil {
			return &config.Certificates[i], nil
		}
	}
	if len(config.Certificates) > 0 {
		return &config.Certificates[0], nil
	}
	return nil, errNoCertificate
}
