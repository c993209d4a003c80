package tlsprobe

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// authority signs what the tests need.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

type wish struct {
	name     string
	key      crypto.Signer // nil: P-256
	from, to time.Time     // zero: around now
	issuer   bool
}

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// rsaKey is made once: it is slow.
var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func (a *authority) issue(t testing.TB, w wish) *authority {
	t.Helper()
	if w.key == nil {
		w.key = ecKey(t)
	}
	if w.from.IsZero() {
		w.from, w.to = now.Add(-time.Hour), now.Add(90*24*time.Hour)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: w.name}, NotBefore: w.from, NotAfter: w.to,
		IsCA: w.issuer, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageKeyEncipherment}
	if !w.issuer {
		template.DNSNames = []string{w.name}
	}
	parent := a
	if parent == nil {
		parent = &authority{template, w.key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, w.key.Public(), parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, w.key}
}

func newRoot(t testing.TB) *authority {
	var none *authority
	return none.issue(t, wish{name: "root", issuer: true})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) tls(chain ...*authority) tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key}
	for _, up := range chain {
		c.Certificate = append(c.Certificate, up.cert.Raw)
	}
	return c
}

// goServer serves crypto/tls on loopback.
func goServer(t testing.TB, config *tls.Config) DialFunc {
	t.Helper()
	return connServer(t, func(conn net.Conn) {
		channel := tls.Server(conn, config)
		if channel.Handshake() == nil {
			io.Copy(io.Discard, channel)
		}
		channel.Close()
	})
}

// connServer serves each connection with a function and ends with the test.
func connServer(t testing.TB, serve func(net.Conn)) DialFunc {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return dialTo(l.Addr().String())
}

func dialTo(address string) DialFunc {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
}

// openssl starts s_server with the arguments: the independent truth about versions
// and options that crypto/tls does not have.
func openssl(t testing.TB, cert *authority, args ...string) DialFunc {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is missing")
		}
		t.Skip("openssl is missing")
	}
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(cert.key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", cert.cert.Raw)
	writePEM(t, keyFile, "PRIVATE KEY", key)
	cmd := exec.Command("openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", certFile, "-key", keyFile}, args...)...)
	stdin, _ := cmd.StdinPipe() // at the end of its input it would stop
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	t.Cleanup(func() { cmd.Process.Kill(); <-drained; cmd.Wait(); stdin.Close() })
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			close(drained)
			cmd.Wait()
			t.Fatalf("openssl s_server: %s", complaints.String())
		}
		if address, ok := strings.CutPrefix(line, "ACCEPT "); ok {
			go func() { defer close(drained); io.Copy(io.Discard, r) }()
			return dialTo(strings.TrimSpace(address))
		}
	}
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func options(root *authority) Options {
	return Options{ServerName: mail.MustParseDomain("mx.example"), Roots: root.pool(), Now: now, Depth: Full, Timeout: 20 * time.Second}
}
