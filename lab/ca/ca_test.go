package ca_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab/ca"
)

func TestQualities(t *testing.T) {
	now := time.Now()
	c, err := ca.New(now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(c.Roots())) {
		t.Fatal("no root")
	}
	for _, q := range []struct {
		quality ca.Quality
		good    bool
	}{
		{ca.Good, true}, {ca.Expiring, true}, {ca.RSA2048, true}, {ca.RSA1024, true},
		{ca.Expired, false}, {ca.NotYet, false}, {ca.SelfSigned, false}, {ca.WrongName, false},
		{ca.Unchained, false}, {ca.UnknownRoot, false},
	} {
		cert, err := c.Certificate(q.quality, "mx.x.example")
		if err != nil {
			t.Fatalf("%s: %s", q.quality, err)
		}
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		chain := x509.NewCertPool()
		for _, der := range cert.Certificate[1:] {
			issuer, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			chain.AddCert(issuer)
		}
		_, err = leaf.Verify(x509.VerifyOptions{DNSName: "mx.x.example", Roots: roots, Intermediates: chain, CurrentTime: now})
		if (err == nil) != q.good {
			t.Errorf("%q: %v", q.quality, err)
		}
	}
	cert, err := c.Certificate(ca.WrongName, "mx.y.example")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	var name x509.HostnameError
	if err := leaf.VerifyHostname("mx.y.example"); !errors.As(err, &name) {
		t.Errorf("the wrong name is right: %v", err)
	}
	// The key is the host's own, so that DANE holds whatever the name says.
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if got, err := c.TLSA("mx.y.example"); err != nil || got != "3 1 1 "+hex.EncodeToString(sum[:]) {
		t.Errorf("TLSA %s, %v", got, err)
	}
}
