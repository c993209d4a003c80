package host

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/lifetime"
)

// Mail is one mail server of the lab.
type Mail struct {
	Name      string     // "mx.green.example", without a final dot
	Addr      netip.Addr // IPv4 on loopback; a lab fills in the A record of the name
	Character Character
}

// Town is what the hosts of one lab share.
type Town struct {
	CA       *ca.CA
	Mailroom *Mailroom
	// Route gives the sockets of the mail servers of a domain, best first.
	Route func(domain string) []netip.AddrPort

	errands sync.WaitGroup
}

// Wait returns when no host is about to send anything any more.
func (t *Town) Wait() { t.errands.Wait() }

// Password opens every mailbox of the lab.
const Password = "open-sesame"

// domains are those whose mail the server takes.
func (m *Mail) domains() []string {
	_, up, _ := strings.Cut(m.Name, ".")
	return append([]string{up}, m.Character.Domains...)
}

// knows reports whether there is a mailbox for a local part.
func (m *Mail) knows(local string) bool {
	local = strings.Trim(local, `"`)
	if strings.ContainsAny(local, "%!@\"") {
		return false // no detail behind a + may smuggle in a route
	}
	local, _, _ = strings.Cut(strings.ToLower(local), "+")
	if slices.Contains(m.Character.NoMailboxes, local) {
		return false
	}
	return slices.Contains(everyMailbox(), local) || slices.Contains(m.Character.Mailboxes, local)
}

// says is the name in the greeting and the answer to EHLO.
func (m *Mail) says() string {
	if m.Character.SaysName != "" {
		return m.Character.SaysName
	}
	return m.Name
}

// server is a Mail that runs, with what it remembers between sessions.
type server struct {
	mail *Mail
	town *Town

	mu   sync.Mutex
	grey map[string]bool // triplets that have tried before
}

// Serve answers on listeners until the context ends; the map's keys are the ports
// of the lab's world: 25, 465 or 587.
func (m *Mail) Serve(ctx context.Context, town *Town, listeners map[uint16]net.Listener) {
	s := &server{mail: m, town: town, grey: map[string]bool{}}
	var all sync.WaitGroup
	defer all.Wait()
	for port, l := range listeners {
		all.Go(func() {
			serve(ctx, l, func(conn net.Conn) { s.converse(ctx, conn, port) })
		})
	}
}

// serve takes connections until the context ends, and waits for all of them.
func serve(ctx context.Context, l net.Listener, converse func(net.Conn)) {
	var conns sync.WaitGroup
	defer conns.Wait()
	defer lifetime.Close(ctx, l)()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		conns.Go(func() {
			defer conn.Close()
			defer lifetime.Close(ctx, conn)()
			converse(conn)
		})
	}
}

// tlsOn is how TLS goes on a port: on the submission ports only the certificate
// is as bad as on port 25.
func (m *Mail) tlsOn(port uint16) TLS {
	if port == 25 {
		return m.Character.TLS
	}
	return TLS{Certificate: m.Character.TLS.Certificate}
}

func tlsConfig(authority *ca.CA, t TLS, name string) (*tls.Config, error) {
	cert, err := authority.Certificate(t.Certificate, name)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{*cert},
		MinVersion:   tls.VersionTLS12,
		MaxVersion:   t.Max,
		CipherSuites: aead(),
		// Some senders hang up on a resumed session.
		SessionTicketsDisabled: true,
	}
	if t.Min != 0 {
		c.MinVersion = t.Min
	}
	if t.Suites != nil {
		c.CipherSuites = t.Suites
	}
	return c, nil
}

// aead are the suites of TLS 1.2 that nobody objects to.
func aead() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	}
}
