package peer

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// Options say what kind of server it shall be. The zero value is a closed server
// at 127.20.0.1 on a free port, without STARTTLS, for peer.example with the
// mailboxes postmaster, abuse and user.
type Options struct {
	Address  netip.Addr // zero: 127.20.0.1
	Port     uint16     // zero: a free one
	Hostname string     // in the banner and the EHLO reply; "": mx.peer.example
	Domains  []string   // it takes mail for these; none: peer.example
	Users    []string   // local parts known in every domain; none: postmaster, abuse, user

	OpenRelay bool           // takes mail from anybody to anybody
	NextHop   netip.AddrPort // where mail for other domains goes; zero: it waits in the queue
	Clear     bool           // as a client it never asks for STARTTLS; false: where it is offered

	CertFile, KeyFile string // PEM; both set: STARTTLS is offered
	MinTLS, MaxTLS    uint16 // tls.VersionTLS10 to tls.VersionTLS13; zero: 1.2 and the newest
	Priorities        string // for Exim: GnuTLS priorities beyond the versions, as ":%SERVER_PRECEDENCE"

	Extra []string // further lines for main.cf, or for the main section of Exim
}

func (o Options) withDefaults(tb testing.TB) Options {
	tb.Helper()
	if !o.Address.IsValid() {
		o.Address = netip.MustParseAddr("127.20.0.1")
	}
	if !o.Address.IsLoopback() {
		tb.Fatalf("a peer listens on loopback only, not on %s", o.Address)
	}
	if o.Port == 0 {
		o.Port = freePort(tb, o.Address)
	}
	if o.Hostname == "" {
		o.Hostname = "mx.peer.example"
	}
	if len(o.Domains) == 0 {
		o.Domains = []string{"peer.example"}
	}
	if len(o.Users) == 0 {
		o.Users = []string{"postmaster", "abuse", "user"}
	}
	if o.MinTLS == 0 {
		o.MinTLS = tls.VersionTLS12
	}
	if o.MaxTLS == 0 {
		o.MaxTLS = tls.VersionTLS13
	}
	return o
}

// freePort is one that nobody had a moment ago.
func freePort(tb testing.TB, at netip.Addr) uint16 {
	tb.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// mailboxes are the addresses the server knows.
func (o Options) mailboxes() []string {
	var all []string
	for _, d := range o.Domains {
		for _, u := range o.Users {
			all = append(all, u+"@"+d)
		}
	}
	return all
}

// settings is what the configuration templates see.
type settings struct {
	Options
	Dir       string // the folder of this server
	User      string // who it runs as
	UID, GID  string
	Mailboxes []string
}

// Protocols is the range of TLS versions as Postfix writes it.
func (s settings) Protocols() string {
	names := map[uint16]string{tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}
	return ">=" + names[s.MinTLS] + ", <=" + names[s.MaxTLS]
}

// GnuTLS is the range of TLS versions, and what else was asked for, as GnuTLS
// writes it.
func (s settings) GnuTLS() string {
	b := "NORMAL:-VERS-ALL"
	for v, name := range map[uint16]string{tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1", tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		if v >= s.MinTLS && v <= s.MaxTLS {
			b += ":+VERS-TLS" + name
		}
	}
	return b + s.Priorities
}

// OldTLS reports whether versions are wanted that OpenSSL holds back by default.
func (s settings) OldTLS() bool { return s.MinTLS < tls.VersionTLS12 }

// Offers reports whether there is STARTTLS.
func (s settings) Offers() bool { return s.CertFile != "" && s.KeyFile != "" }

// Join lists words as configuration files want it.
func (settings) Join(words []string, sep string) string { return strings.Join(words, sep) }
