package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// selfIssuer is an authority that is at hand.
func selfIssuer(t testing.TB) func(mail.Domain) (*tls.Certificate, error) {
	t.Helper()
	return func(name mail.Domain) (*tls.Certificate, error) {
		cert, _ := makePair(t, noon.Add(60*24*time.Hour), name.String())
		return cert, nil
	}
}

// makePair makes a certificate, and both its halves as PEM.
func makePair(t testing.TB, until time.Time, names ...string) (*tls.Certificate, [2][]byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(until.Unix()), Subject: pkix.Name{CommonName: "file"}, DNSNames: names,
		NotBefore: noon.Add(-30 * 24 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, [2][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: plain}),
	}
}

// handshake shows what a client of a service gets.
func handshake(t *testing.T, id *Identity, service Service, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		server := tls.Server(b, id.TLS(service))
		err := server.Handshake()
		if err == nil {
			_, err = server.Write([]byte("x")) // carries the tickets
		}
		done <- err
	}()
	client.InsecureSkipVerify = true
	c := tls.Client(a, client)
	err := c.Handshake()
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	a.Close()
	<-done
	return c.ConnectionState(), err
}

// countCache counts the tickets of a client.
type countCache int

func (c *countCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *countCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		*c++
	}
}

func TestTicketsAreOffForSMTPAlone(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	for service, want := range map[Service]bool{SMTP: false, Submission: true, HTTPS: true} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			var tickets countCache
			_, err := handshake(t, id, service, &tls.Config{ServerName: "mx.example.com", ClientSessionCache: &tickets, MaxVersion: version})
			if err != nil || (tickets > 0) != want {
				t.Errorf("%s, version %x: %d tickets, %v", service, version, tickets, err)
			}
		}
	}
}

func TestWhatTLSIsRefused(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	for what, client := range map[string]*tls.Config{
		"TLS 1.1": {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"CBC":     {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
	} {
		if state, err := handshake(t, id, SMTP, client); err == nil {
			t.Errorf("%s was accepted: %x %x", what, state.Version, state.CipherSuite)
		}
	}
}

func TestEachServiceShowsItsName(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), func(o *Options) {
		o.Statement.Names = Names{IMAP: mail.MustParseDomain("imap.example.com"), Submission: mail.MustParseDomain("smtp.example.com")}
	})
	for _, tt := range []struct {
		service     Service
		asked, want string
	}{
		{SMTP, "mx.example.com", "mx.example.com"},
		{SMTP, "", "mx.example.com"},
		{SMTP, "example.com", "mx.example.com"},
		{SMTP, "IMAP.example.com", "imap.example.com"},
		{IMAP, "", "imap.example.com"},
		{POP3, "", "imap.example.com"},
		{Submission, "whatever.example", "smtp.example.com"},
		{HTTPS, "mta-sts.example.net", "mta-sts.example.net"},
		{HTTPS, "", "mx.example.com"},
	} {
		state, err := handshake(t, id, tt.service, &tls.Config{ServerName: tt.asked})
		if err != nil || state.PeerCertificates[0].DNSNames[0] != tt.want {
			t.Errorf("%s asked for %q: %v", tt.service, tt.asked, err)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	file := CertificateFile{filepath.Join(dir, "mx.pem"), filepath.Join(dir, "mx.key")}
	write := func(pair [2][]byte) {
		t.Helper()
		for n, path := range []string{file.Certificate, file.Key} {
			if err := os.WriteFile(path, pair[n], 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	id := open(t, storetest.Open(t, schemas()...), func(o *Options) { o.Certificates.Files = []CertificateFile{file} })
	expect := func(what string, source Source, problem string) {
		t.Helper()
		if err := id.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := id.Health()[0]
		if h.Name.String() != "mx.example.com" || h.Source != source || h.Fallback != (source == FromSelf) ||
			(problem == "") != (h.Problem == "") || !strings.Contains(h.Problem, problem) {
			t.Errorf("%s: %+v", what, h)
		}
		if _, err := handshake(t, id, SMTP, &tls.Config{ServerName: "mx.example.com"}); err != nil {
			t.Errorf("%s: port 25 is closed: %v", what, err)
		}
	}
	_, good := makePair(t, noon.Add(60*24*time.Hour), "mx.example.com", "imap.example.com")
	_, other := makePair(t, noon.Add(60*24*time.Hour), "other.example.com")
	_, late := makePair(t, noon.Add(5*24*time.Hour), "*.example.com")
	_, past := makePair(t, noon.Add(-time.Hour), "mx.example.com")
	expect("no file", FromSelf, "no such file")
	write(good)
	expect("good", FromFile, "")
	if state, err := handshake(t, id, SMTP, &tls.Config{ServerName: "imap.example.com"}); err != nil || state.PeerCertificates[0].Subject.CommonName != "file" {
		t.Errorf("a further name of the file: %v", err)
	}
	write([2][]byte{good[0], other[1]})
	expect("halves of two", FromSelf, "do not belong together")
	write(other)
	expect("another name", FromSelf, "no certificate file is for this name")
	write(late)
	expect("expires soon", FromFile, "nothing has renewed it")
	write(past)
	expect("expired", FromSelf, "expired on 2026-11-21")
	write([2][]byte{{}, {}})
	expect("empty", FromSelf, "no private key")
	write([2][]byte{[]byte("x"), good[1]})
	expect("no certificate", FromSelf, "no certificate in it")
	write(good)
	expect("good again", FromFile, "")
}

func TestGivenAuthority(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), func(o *Options) { o.Certificates.Given = selfIssuer(t) })
	for _, h := range id.Health() {
		if h.Source != FromGiven || h.Problem != "" || h.Fallback {
			t.Errorf("%+v", h)
		}
	}
}

// TestSelfSignedKeepsItsKey holds that a TLSA record survives a restart.
func TestSelfSignedKeepsItsKey(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	before, serial := id.tlsa(id.Statement().Hostname), id.table.Load().by["mx.example.com"].Leaf.SerialNumber
	if err := id.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := id.tlsa(id.Statement().Hostname); after != before || id.table.Load().by["mx.example.com"].Leaf.SerialNumber.Cmp(serial) == 0 {
		t.Errorf("%s became %s, or the certificate was not made anew", before, after)
	}
	if h := id.Health()[0]; h.Fallback || h.Source != FromSelf {
		t.Errorf("self-signed by choice is a fallback: %+v", h)
	}
}

// clientAt is a client with a clock.
func clientAt(now time.Time) *tls.Config { return &tls.Config{Time: func() time.Time { return now }} }

// TestKeyFormats reads the three ways in which tools write keys, each with a handshake.
func TestKeyFormats(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, _ := x509.MarshalECPrivateKey(ecKey)
	rsaDER, _ := x509.MarshalPKCS8PrivateKey(rsaKey)
	for what, tt := range map[string]struct {
		key  crypto.Signer
		file []byte
	}{
		"PKCS #1": {rsaKey, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})},
		"PKCS #8": {rsaKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rsaDER})},
		"SEC 1": {ecKey, append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"),
			pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ecDER})...)},
	} {
		cert, err := selfSigned(mail.MustParseDomain("mx.example.com"), tt.key, noon)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file := CertificateFile{filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key")}
		os.WriteFile(file.Certificate, []byte(encodeChain(cert.Certificate)), 0o600)
		os.WriteFile(file.Key, tt.file, 0o600)
		id := open(t, storetest.Open(t, schemas()...), func(o *Options) { o.Certificates.Files = []CertificateFile{file} })
		if h := id.Health()[0]; h.Source != FromFile {
			t.Errorf("%s: %+v", what, h)
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if _, err := handshake(t, id, SMTP, &tls.Config{MinVersion: version, MaxVersion: version}); err != nil {
				t.Errorf("%s, version %x: %v", what, version, err)
			}
		}
	}
}
