package check_test

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/peer"
)

// roles are the local parts that a well-run server knows.
var roles = append([]string{"user", "dmarc-reports", "tls-reports"}, check.RoleNames...)

// configuration is one way to run a server that is not ours, in a domain where all
// else is right, and everything that is not green about it.
type configuration struct {
	name      string
	options   peer.Options // Address, Port, Domains, Users and Hostname are filled in
	quality   ca.Quality   // of its certificate
	noTLS     bool
	asItComes bool     // without what soundPostfix and soundExim mend
	postfix   []string // further lines of main.cf
	exim      []string // and of Exim's main section; nil leaves Exim out where postfix has lines
	zone      string   // records on top of the good zone
	tls       bool     // with the scan of its TLS, which takes Exim seconds
	battery   bool     // with that, and with every relay and recipient probe

	want        []string // "status check code"
	alsoPostfix []string
	alsoExim    []string
}

// soundPostfix and soundExim mend what the programs do otherwise: suites without a
// key, with CBC or of the client's choice, VRFY that tells who has a mailbox, and bare
// line feeds that end a message.
var soundPostfix = []string{
	"disable_vrfy_command = yes",
	"tls_preempt_cipherlist = yes",
	"smtpd_tls_exclude_ciphers = aNULL, SHA1, SHA256, SHA384",
	"smtpd_forbid_bare_newline = normalize",
	"smtpd_forbid_bare_newline_exclusions =",
}

const soundExim = ":%SERVER_PRECEDENCE:-AES-128-CBC:-AES-256-CBC:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1"

// openSSL keeps SHA-224 out of Postfix, which has no word of its own for that.
const openSSL = `
postfix = postfix
[postfix]
ssl_conf = tls
[tls]
system_default = sound
[sound]
SignatureAlgorithms = ECDSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA256:RSA+SHA256
`

var configurations = []configuration{
	{name: "as it should be", battery: true},
	{name: "as it comes", battery: true, asItComes: true,
		want:        []string{"red tls.order by-client"},
		alsoPostfix: []string{"red smtp.vrfy vrfy", "red smtp.smuggling smuggles", "yellow tls.ciphers bad-too", "red tls.groups bad", "yellow tls.key-exchange-hash sha-224", "red tls.known-holes open"},
		alsoExim:    []string{"yellow tls.ciphers phase-out", "yellow tls.groups phase-out", "red tls.key-exchange-hash sha-1"}},
	{name: "expired certificate", tls: true, quality: ca.Expired, want: []string{"red tls.expiry expired", "red tls.chain refused", "red mta-sts.certificates refused"}},
	{name: "certificate of another name", tls: true, quality: ca.WrongName, want: []string{"red tls.name refused", "red mta-sts.certificates refused"}},
	{name: "self-signed certificate", tls: true, quality: ca.SelfSigned, want: []string{"red tls.chain refused", "red mta-sts.certificates refused"}},
	{name: "no TLS", tls: true, noTLS: true, want: []string{"red tls.offered not-offered", "red mta-sts.certificates refused", "red dane.match no-tls"}},
	{name: "TLS 1.0", tls: true, asItComes: true, options: peer.Options{MinTLS: tls.VersionTLS10, MaxTLS: tls.VersionTLS10},
		want:        []string{"red tls.versions only-old", "red mta-sts.certificates refused", "unknown tls.renegotiation no-answer"},
		alsoPostfix: []string{"red smtp.vrfy vrfy", "red tls.ciphers bad", "red tls.groups bad", "red tls.known-holes open"},
		alsoExim:    []string{"yellow tls.ciphers phase-out"}},
	{name: "greets as localhost", options: peer.Options{Hostname: "localhost"},
		want: []string{"red helo.name local", "yellow helo.ptr differs", "yellow helo.banner differs"}},
	{name: "greets as another", options: peer.Options{Hostname: "mx.green.example"},
		want: []string{"yellow helo.resolves other", "yellow helo.ptr differs", "yellow helo.banner differs", "red spf.helo fail"}},
	{name: "greets as nobody", options: peer.Options{Hostname: "mail.nowhere.example"},
		want: []string{"red helo.resolves none", "yellow helo.ptr differs", "yellow helo.banner differs", "yellow spf.helo none"}},
	{name: "no PTR", zone: ";lab without 10.NET.10.127.in-addr.arpa PTR", want: []string{"red rdns.forward-confirmed no-ptr"}},
	{name: "knows no abuse", options: peer.Options{Users: []string{"user", "postmaster", "dmarc-reports", "tls-reports"}},
		want: []string{"red role.abuse refused", "yellow role.others refused", "yellow dns.rname refused"}},
	{name: "takes everybody",
		postfix: []string{"virtual_mailbox_maps = static:all"}, exim: []string{}, options: peer.Options{Users: []string{"*"}},
		want: []string{"red backscatter.unknown-user accepts-all"}},
	{name: "open relay", battery: true, options: peer.Options{OpenRelay: true}, // proven: the probe mail came out
		want:        []string{"red relay.plain open", "red relay.source-route open", "red relay.oddities open", "red relay.state open"},
		alsoPostfix: []string{"red relay.percent open", "red relay.bang open", "red relay.quoted open", "yellow relay.double-at accepts-then-drops"}},
	{name: "open relay, asked politely", options: peer.Options{OpenRelay: true}, want: []string{"yellow relay.plain may-be-open"}},
	{name: "tells by VRFY", postfix: []string{"disable_vrfy_command = no"}, want: []string{"red smtp.vrfy vrfy"}},
	{name: "VRFY of everybody", exim: []string{"acl_smtp_vrfy = accept"}},
	{name: "logins in clear", postfix: []string{"smtpd_sasl_auth_enable = yes"}, want: []string{"red smtp.auth clear"}},
	{name: "logins under TLS", postfix: []string{"smtpd_sasl_auth_enable = yes", "smtpd_tls_auth_only = yes"},
		want: []string{"yellow smtp.auth under-tls"}},
	{name: "no null sender", want: []string{"red smtp.null-sender refused"},
		postfix: []string{"smtpd_sender_restrictions = check_sender_access inline:{ { <> = REJECT } }"},
		exim:    []string{"acl_smtp_mail = ${if eq{$sender_address}{}{deny}{accept}}"}},
	{name: "no sender at all", want: []string{"unknown smtp.null-sender deferred", "unknown role.postmaster refuses-us", "unknown role.abuse refuses-us",
		"unknown role.others refuses-us", "unknown backscatter.unknown-user refuses-us", "unknown mx.accepts refuses-us", "unknown relay.plain refuses-us"},
		exim: []string{"acl_smtp_mail = defer"}},
}

// server is one row of the table under one program.
type server struct {
	configuration
	program string
	start   func(testing.TB, peer.Options) *peer.Peer
	domain  lab.Domain
}

func (s server) String() string { return s.program + " " + s.name }

// servers gives every configuration, under every program, a domain of its own.
func servers() []server {
	var all []server
	for _, c := range configurations {
		for _, p := range []struct {
			name  string
			start func(testing.TB, peer.Options) *peer.Peer
			lines []string
			also  []string
		}{{"postfix", peer.Postfix, c.postfix, c.alsoPostfix}, {"exim", peer.Exim, c.exim, c.alsoExim}} {

			if p.lines == nil && (c.postfix != nil || c.exim != nil) {
				continue
			}
			s := server{configuration: c, program: p.name, start: p.start}
			n := 200 + len(all)
			s.domain = lab.Domain{Name: fmt.Sprintf("peer%d.example", n), Net: n, Dark: []string{"mx"}}
			s.options.Extra = p.lines
			if !c.asItComes {
				s.options.Priorities = soundExim
			}
			if p.name == "postfix" && !c.asItComes {
				s.options.Extra = append(slices.Clone(soundPostfix), p.lines...)
			}
			s.want = append(slices.Clone(c.want), p.also...)
			all = append(all, s)
		}
	}
	return all
}

// records are what the domain publishes besides the good zone: no submission, which
// these servers do not run, and the row's own.
func (s server) records() string {
	const text = "$ORIGIN DOMAIN.\n$TTL 3600\n;lab without _submission._tcp.DOMAIN SRV\n;lab without _submissions._tcp.DOMAIN SRV\n"
	return strings.NewReplacer("DOMAIN", s.domain.Name, "NET", strconv.Itoa(s.domain.Net)).Replace(text + s.zone + "\n")
}

// run starts the server at the MX of its domain.
func (s server) run(t *testing.T, l *lab.Lab) {
	t.Helper()
	o := s.options
	o.Address = netip.AddrFrom4([4]byte{127, 10, byte(s.domain.Net), 10})
	o.Port = l.File().Map.Ports[25]
	o.Domains = []string{s.domain.Name}
	if o.Users == nil {
		o.Users = roles
	}
	o.Hostname = cmp.Or(o.Hostname, s.domain.Host())
	o.NextHop = netip.AddrPortFrom(l.File().Probe.Listen, o.Port)
	if !s.noTLS {
		o.CertFile, o.KeyFile = certificateFiles(t, l, s.quality, s.domain.Host())
		if s.program == "postfix" && !s.asItComes {
			path := filepath.Join(filepath.Dir(o.CertFile), "openssl.cnf")
			if err := os.WriteFile(path, []byte(openSSL), 0o644); err != nil {
				t.Fatal(err)
			}
			o.Extra = append(slices.Clone(o.Extra), "tls_config_file = "+path, "tls_config_name = postfix")
		}
	}
	s.start(t, o)
}

// certificateFiles writes a certificate of the lab where every server can read it.
func certificateFiles(t *testing.T, l *lab.Lab, q ca.Quality, name string) (certFile, keyFile string) {
	t.Helper()
	cert, err := l.Certificate(q, name)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "allgreen-certificate-") // the test's own folder is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string][]byte{
		certFile: chainPEM(cert),
		keyFile:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

func chainPEM(cert *tls.Certificate) []byte {
	var text []byte
	for _, der := range cert.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

// TestPeers audits servers that are not ours: what is said of Postfix and Exim is
// what they are, and nothing else.
func TestPeers(t *testing.T) {
	all := servers()
	o := lab.Options{}
	for _, s := range all {
		o.Domains = append(o.Domains, s.domain)
		o.Zones = append(o.Zones, s.records())
	}
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	// One run at a time may listen for probe mail, so those with it come last.
	options := check.Options{Timeout: 2 * time.Minute}
	thorough := check.NewAudit(l.World(), options)
	options.Only = groupsBut("tls", "mta-sts", "dane")
	quick := check.NewAudit(l.World(), options)
	auditPeers(t, l, all, func(s server) *check.Audit {
		switch {
		case s.battery:
			return nil
		case s.tls:
			return thorough
		}
		return quick
	})
	probing := check.NewAudit(l.World(), check.Options{Timeout: 2 * time.Minute, Battery: true})
	auditPeers(t, l, all, func(s server) *check.Audit {
		if s.battery {
			return probing
		}
		return nil
	})
}

// groupsBut are all groups of checks but some.
func groupsBut(names ...string) []string {
	var groups []string
	for _, c := range check.All() {
		if g := c.About().Group(); !slices.Contains(names, g) && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// auditPeers starts the servers that have an audit, and audits them, many at once:
// other people's mostly wait, so more than t.Parallel allows.
func auditPeers(t *testing.T, l *lab.Lab, all []server, auditOf func(server) *check.Audit) {
	t.Helper()
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, width)
	for _, s := range all {
		audit := auditOf(s)
		if audit == nil {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			t.Run(s.String(), func(t *testing.T) {
				s.run(t, l)
				compareFindings(t, s.audit(t, audit), s.want)
			})
		})
	}
}

// width is how many servers run at once.
const width = 8

func (s server) audit(t *testing.T, audit *check.Audit) *finding.Report {
	t.Helper()
	target, err := check.ParseTarget(s.domain.Name, check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Run(t.Context(), target, nil)
}

// compareFindings wants exactly these findings to be neither green nor skipped.
func compareFindings(t *testing.T, r *finding.Report, want []string) {
	t.Helper()
	var got []string
	for _, f := range r.Findings {
		if f.Status == finding.Green || f.Status == finding.Skip {
			continue
		}
		line := strings.Join([]string{f.Status.String(), f.Check, f.Code}, " ")
		if !slices.Contains(want, line) {
			t.Errorf("unexpected: %s: %s %q", line, f.Summary, f.Evidence)
		}
		got = append(got, line)
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not found: %s", line)
		}
	}
}
