package tlsprobe

import (
	"cmp"
	"context"
	"crypto/x509"
	"net"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// DialFunc opens a connection on which the next octet is the ClientHello: it has
// said STARTTLS, or nothing on a port where TLS comes first.
type DialFunc func(ctx context.Context) (net.Conn, error)

// Depth is how much is asked.
type Depth int

// The two depths.
const (
	Quick Depth = iota // the certificate, and whether anything before TLS 1.2 is accepted: 3 connections
	Full               // everything: up to 25 connections
)

// Options say what is asked and against what the certificate is judged.
type Options struct {
	ServerName  mail.Domain    // for SNI and the certificate; zero: neither
	Roots       *x509.CertPool // nil: the machine's trust store
	Now         time.Time      // when the certificate must be valid; the world's time
	Depth       Depth
	Connections int           // at most; zero: 4 for Quick, 25 for Full
	Timeout     time.Duration // for one connection, from dialing to its answer; zero: 10 s
}

func (o Options) withDefaults() Options {
	connections := 4
	if o.Depth == Full {
		connections = 25
	}
	o.Connections = cmp.Or(o.Connections, connections)
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	return o
}

// Scan asks the server, one connection after the other, until all is asked, the
// limit of connections is reached, or the context ends. What could not be asked is
// unknown in the result, with the reason.
func Scan(ctx context.Context, dial DialFunc, o Options) Result {
	s := &scanner{dial: dial, options: o.withDefaults(), result: &Result{}, first: make(map[uint16]*reply)}
	for _, v := range []uint16{tls13, tls12, tls11, tls10, ssl3, ssl2} {
		s.result.Versions = append(s.result.Versions, VersionAnswer{Version: v, Name: versionName(v), Answer: Answer{Why: "not asked"}})
	}
	s.handshake(ctx)
	if o.Depth == Full {
		s.askVersions(ctx, tls13)
		s.askSSL2(ctx)
		s.readHello12()
		s.askFamilies(ctx)
		s.askOrder(ctx)
		s.askWeakHash(ctx)
		s.askRenegotiation(ctx)
		s.askTheRest(ctx)
	} else {
		s.askQuick(ctx)
		s.readHello12()
	}
	return *s.result
}

// askQuick learns in two connections whether TLS 1.2 is there and whether anything
// older is.
func (s *scanner) askQuick(ctx context.Context) {
	if v := s.result.Handshake.Version; v != 0 && v < tls13 {
		s.result.setVersion(tls13, Answer{No, "the server chose " + versionName(v)})
	}
	s.askVersion(ctx, tls12)
	if s.result.Version(tls11).Is == Unknown {
		s.askVersion(ctx, tls11)
	}
	s.result.Suites.Why, s.result.Groups.Why = "not asked", "not asked"
	for _, r := range s.first {
		s.addSuite(r.suite)
		s.addGroup(r.group)
	}
}
