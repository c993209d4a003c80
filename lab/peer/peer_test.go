package peer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// servers are all that this package can start; each must pass the same tests.
var servers = map[string]func(testing.TB, Options) *Peer{"postfix": Postfix, "exim": Exim, "opensmtpd": OpenSMTPD}

func forEach(t *testing.T, test func(t *testing.T, start func(testing.TB, Options) *Peer)) {
	t.Helper()
	t.Parallel()
	forThese(t, servers, test)
}

// forTLS leaves out who cannot serve it here.
func forTLS(t *testing.T, test func(t *testing.T, start func(testing.TB, Options) *Peer)) {
	t.Helper()
	t.Parallel()
	able := maps.Clone(servers)
	delete(able, "opensmtpd")
	forThese(t, able, test)
}

func forThese(t *testing.T, these map[string]func(testing.TB, Options) *Peer, test func(t *testing.T, start func(testing.TB, Options) *Peer)) {
	t.Helper()
	for name, start := range these {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start)
		})
	}
}

func TestClosedServer(t *testing.T) {
	forEach(t, func(t *testing.T, start func(testing.TB, Options) *Peer) {
		p := start(t, Options{Domains: []string{"closed.example"}, Hostname: "mx.closed.example"})
		c := dial(t, p)
		greeting(t, p, "mx.closed.example")
		if ok, _ := c.Extension("STARTTLS"); ok {
			t.Error("STARTTLS without a certificate")
		}
		for rcpt, want := range map[string]int{
			"user@closed.example": 250, "postmaster@closed.example": 250,
			"nobody@closed.example": 550, "someone@elsewhere.example": 550, "someone%elsewhere.example@closed.example": 550,
		} {
			if got := rcptCode(t, c, rcpt); got/100 != want/100 { // Postfix says 554 where Exim says 550
				t.Errorf("RCPT %s: %d, want %d", rcpt, got, want)
			}
		}
		if err := smtp.SendMail(p.Addr.String(), nil, "a@elsewhere.example", []string{"user@closed.example"}, []byte("Subject: in\r\n\r\nhello\r\n")); err != nil {
			t.Fatal(err)
		}
		if m := p.AwaitMessages(t, 1); !strings.Contains(m[0], "Subject: in") {
			t.Errorf("the message is %q", m[0])
		}
	})
}

// TestOpenRelay lets a message out of one server and into another.
func TestOpenRelay(t *testing.T) {
	forEach(t, func(t *testing.T, start func(testing.TB, Options) *Peer) {
		sink := start(t, Options{Address: netip.MustParseAddr("127.20.0.2"), Domains: []string{"elsewhere.example"}, Hostname: "sink.example"})
		p := start(t, Options{OpenRelay: true, NextHop: sink.Addr})
		if got := rcptCode(t, dial(t, p), "user@elsewhere.example"); got != 250 {
			t.Fatalf("the open relay answers %d", got)
		}
		if err := smtp.SendMail(p.Addr.String(), nil, "a@third.example", []string{"user@elsewhere.example"}, []byte("Subject: out\r\n\r\nhello\r\n")); err != nil {
			t.Fatal(err)
		}
		if m := sink.AwaitMessages(t, 1); !strings.Contains(m[0], "Subject: out") || !strings.Contains(m[0], "mx.peer.example") {
			t.Errorf("the message is %q", m[0])
		}
	})
}

func TestSTARTTLS(t *testing.T) {
	cert, key, pool := certificate(t, "mx.peer.example")
	forTLS(t, func(t *testing.T, start func(testing.TB, Options) *Peer) {
		p := start(t, Options{CertFile: cert, KeyFile: key})
		c := dial(t, p)
		if err := c.StartTLS(&tls.Config{ServerName: "mx.peer.example", RootCAs: pool}); err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
		if state, _ := c.TLSConnectionState(); state.Version != tls.VersionTLS13 {
			t.Errorf("spoke %s", tls.VersionName(state.Version))
		}
		if got := rcptCode(t, c, "user@peer.example"); got != 250 {
			t.Errorf("RCPT after STARTTLS: %d", got)
		}
	})
}

func TestOldTLS(t *testing.T) {
	cert, key, pool := certificate(t, "mx.peer.example")
	forTLS(t, func(t *testing.T, start func(testing.TB, Options) *Peer) {
		p := start(t, Options{CertFile: cert, KeyFile: key, MinTLS: tls.VersionTLS10, MaxTLS: tls.VersionTLS10})
		if err := dial(t, p).StartTLS(&tls.Config{ServerName: "mx.peer.example", RootCAs: pool}); err == nil {
			t.Error("TLS 1.2 was spoken")
		}
		c := dial(t, p)
		if err := c.StartTLS(&tls.Config{ServerName: "mx.peer.example", RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}); err != nil {
			t.Fatalf("TLS 1.0: %v\n%s", err, p.Log())
		}
	})
}

// TestSwaks has somebody else's client agree.
func TestSwaks(t *testing.T) {
	swaks, err := exec.LookPath("swaks")
	if err != nil {
		missing(t, "swaks is not installed: apt-get install swaks")
	}
	cert, key, _ := certificate(t, "mx.peer.example")
	forTLS(t, func(t *testing.T, start func(testing.TB, Options) *Peer) {
		p := start(t, Options{CertFile: cert, KeyFile: key})
		out, err := exec.Command(swaks, "--server", p.Addr.Addr().String(), "--port", port(p), "--helo", "client.example", "--tls",
			"--from", "a@third.example", "--to", "user@peer.example", "--header", "Subject: from swaks").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, out, p.Log())
		}
		if m := p.AwaitMessages(t, 1); !strings.Contains(m[0], "Subject: from swaks") || !strings.Contains(m[0], "ESMTPS") && !strings.Contains(m[0], "esmtps") {
			t.Errorf("the message is %q", m[0])
		}
		out, err = exec.Command(swaks, "--server", p.Addr.Addr().String(), "--port", port(p), "--helo", "client.example",
			"--from", "a@third.example", "--to", "user@fourth.example", "--quit-after", "RCPT").CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("<** 55")) {
			t.Errorf("the relay is open to swaks: %v\n%s", err, out)
		}
	})
}

func TestStopEndsTheProcess(t *testing.T) {
	forEach(t, func(t *testing.T, start func(testing.TB, Options) *Peer) {
		p := start(t, Options{})
		p.Stop()
		if c, err := smtp.Dial(p.Addr.String()); err == nil {
			c.Close()
			t.Error("something still listens")
		}
		p.Stop() // again does nothing
	})
}

func dial(t *testing.T, p *Peer) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(p.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Hello("client.example"); err != nil {
		t.Fatal(err)
	}
	return c
}

// greeting wants the name in the banner.
func greeting(t *testing.T, p *Peer, name string) {
	t.Helper()
	c, err := textproto.Dial("tcp", p.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if line, err := c.ReadLine(); err != nil || !strings.HasPrefix(line, "220 "+name+" ") {
		t.Errorf("the greeting is %q, %v", line, err)
	}
}

// rcptCode is what the server answers to one recipient.
func rcptCode(t *testing.T, c *smtp.Client, rcpt string) int {
	t.Helper()
	if err := c.Mail("a@third.example"); err != nil {
		t.Fatal(err)
	}
	defer c.Reset()
	err := c.Rcpt(rcpt)
	var reply *textproto.Error
	switch {
	case err == nil:
		return 250
	case errors.As(err, &reply):
		return reply.Code
	}
	t.Fatal(err)
	return 0
}

func port(p *Peer) string {
	_, port, _ := strings.Cut(p.Addr.String(), ":")
	return port
}

// certificate writes a self-signed certificate where every server can read it.
func certificate(t *testing.T, name string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, "certificate")
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certFile, keyFile, pool
}

// TestDovecot hands a message to it by LMTP, at both of its places.
func TestDovecot(t *testing.T) {
	t.Parallel()
	p := Dovecot(t, Options{Domains: []string{"store.example"}, Hostname: "store.example"})
	for i, at := range []struct{ network, address string }{{"tcp", p.Addr.String()}, {"unix", p.Socket()}} {
		c, err := textproto.Dial(at.network, at.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, _, err := c.ReadResponse(220); err != nil {
			t.Fatal(err)
		}
		for _, say := range []struct {
			line string
			want int
		}{
			{"LHLO client.example", 250}, {"MAIL FROM:<a@elsewhere.example>", 250}, {"RCPT TO:<nobody@store.example>", 550},
			{"RCPT TO:<user@store.example>", 250}, {"DATA", 354}, {"Subject: in\r\n\r\nhello\r\n.", 250}, {"QUIT", 221},
		} {
			if err := c.PrintfLine("%s", say.line); err != nil {
				t.Fatal(err)
			}
			if _, text, err := c.ReadResponse(say.want); err != nil {
				t.Fatalf("%s: %s %v\n%s", say.line, text, err, p.Log())
			}
		}
		if m := p.AwaitMessages(t, i+1); !strings.Contains(m[i], "Subject: in") {
			t.Errorf("the messages are %q", m)
		}
	}
}
