package identity

import (
	"crypto/tls"
	"slices"
	"strings"
)

// alpnACME is the protocol in which an authority asks (RFC 8737 section 6.2).
const alpnACME = "acme-tls/1"

// TLS is the configuration of a service. It follows renewals and restatements by
// itself, so it is asked for once. Its handshakes never fail for want of a
// certificate.
func (i *Identity) TLS(service Service) *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12, // RFC 8996
		CipherSuites:   suites(),
		Time:           i.world.Now,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return i.certificateFor(service, hello) },
	}
	switch service {
	case SMTP:
		// Microsoft's senders hang up on a resumed session (golang/go #70232).
		c.SessionTicketsDisabled = true
	case HTTPS:
		c.NextProtos = []string{"h2", "http/1.1", alpnACME}
	}
	return c
}

// suites are those of TLS 1.2 with forward secrecy and authenticated encryption (RFC
// 9325 section 4.2). TLS 1.3 has no others.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	}
}

// certificateFor is the certificate for the name the client asked for, and for any
// other name that of the service: senders ask by all sorts of names, and most of them
// look no further.
func (i *Identity) certificateFor(service Service, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if service == HTTPS && slices.Contains(hello.SupportedProtos, alpnACME) {
		return i.alpnChallenge(hello)
	}
	t := i.table.Load()
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if cert := t.by[name]; cert != nil {
		return cert, nil
	}
	return t.by[i.said.Load().nameOf(service).String()], nil
}
