package dkim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// The signature of RFC 8463 appendix A comes out octet for octet: Ed25519 has no
// randomness.
func TestSignRFC8463(t *testing.T) {
	text := crlfFile(t, "rfc8463-a3.eml")
	m := read(t, text)
	key, err := ParsePrivateKey([]byte(rfc8463Seed + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := ParseSignature(m.Header.Fields[0].Body())
	if err != nil {
		t.Fatal(err)
	}
	var b bodies
	h := b.want(Relaxed, noLimit)
	io.Copy(&b, m.Body)
	b.close()
	if string(h.sum) != string(want.BodyHash) {
		t.Error("the body hash differs")
	}
	value, err := signDigest(key, Ed25519SHA256, headerHash(m.Header, m.Header.Fields[0], want))
	if err != nil || string(value) != string(want.Value) {
		t.Errorf("signature %s, %v", base64.StdEncoding.EncodeToString(value), err)
	}
}

func TestSignForm(t *testing.T) {
	m := read(t, plainMessage)
	s := &Signer{Domain: example, Selector: "s2026", Key: testKeys().rsa, AUID: "@example.com", Expires: time.Hour}
	field, err := s.Sign(m.Header, m.Body, now)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(field, "DKIM-Signature: v=1; a=rsa-sha256;") || !strings.HasSuffix(field, "\r\n") {
		t.Errorf("%q", field)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
		if len(strings.Replace(line, "\t", "        ", 1)) > 78 {
			t.Errorf("a long line: %q", line)
		}
	}
	sig, err := ParseSignature(field[len("DKIM-Signature:"):])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"} {
		if !sig.Signs(name) {
			t.Errorf("%s is not signed", name)
		}
	}
	count := func(name string) (n int) {
		for _, s := range sig.Signed {
			if s == name {
				n++
			}
		}
		return n
	}
	if count("From") != 2 || count("Subject") != 2 || count("Reply-To") != 1 || count("List-Unsubscribe") != 1 || count("Sender") != 0 {
		t.Errorf("h= %v", sig.Signed)
	}
	if !sig.Time.Equal(now) || !sig.Expires.Equal(now.Add(time.Hour)) || sig.Length != noLimit {
		t.Errorf("%+v", sig)
	}
}

// Nobody may add, remove or change what counts without breaking the signature.
func TestSignedFieldsHold(t *testing.T) {
	m := read(t, plainMessage)
	s := &Signer{Domain: example, Selector: "s", Key: testKeys().ed}
	field, err := s.Sign(m.Header, m.Body, now)
	if err != nil {
		t.Fatal(err)
	}
	z := zone{"s._domainkey.example.com": {record(t, testKeys().ed.Public())}}
	if r := verify(t, z, field+plainMessage)[0]; r.Result != Pass {
		t.Fatalf("%s: %s", r.Result, r.Reason)
	}
	for _, added := range []string{"From: x@evil.example", "Subject: x", "Reply-To: x@evil.example", "To: y@example.org", "Date: x", "Content-Type: text/html"} {
		if r := verify(t, z, added+"\r\n"+field+plainMessage)[0]; r.Result != Fail {
			t.Errorf("%s added: %s", added, r.Result)
		}
	}
	for _, added := range []string{"Received: x", "Authentication-Results: x", "List-Id: <x>", "Sender: l@example.org"} {
		if r := verify(t, z, added+"\r\n"+field+plainMessage)[0]; r.Result != Pass {
			t.Errorf("%s added: %s", added, r.Result)
		}
	}
	removed := strings.Replace(plainMessage, "List-Unsubscribe: <https://example.com/u>\r\n", "", 1)
	if r := verify(t, z, field+removed)[0]; r.Result != Fail {
		t.Errorf("List-Unsubscribe removed: %s", r.Result)
	}
}

func TestSignRefuses(t *testing.T) {
	keys := testKeys()
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := Signer{Domain: example, Selector: "s", Key: keys.rsa}
	with := func(edit func(*Signer)) Signer { s := good; edit(&s); return s }
	tests := []struct {
		name    string
		message string
		signer  Signer
		reason  string
	}{
		{"no From", "To: a@example.com\r\n\r\n", good, "0 From fields"},
		{"two From", "From: a@example.com\r\nFrom: b@example.com\r\n\r\n", good, "2 From fields"},
		{"no domain", plainMessage, with(func(s *Signer) { s.Domain = s.Domain.Parent().Parent() }), "needs a domain"},
		{"no selector", plainMessage, with(func(s *Signer) { s.Selector = "" }), "not a selector"},
		{"no key", plainMessage, with(func(s *Signer) { s.Key = nil }), "and a key"},
		{"ECDSA", plainMessage, with(func(s *Signer) { s.Key = p256 }), "no algorithm"},
		{"From left out", plainMessage, with(func(s *Signer) { s.Headers = []string{"To"} }), "From field must be signed"},
		{"i= elsewhere", plainMessage, with(func(s *Signer) { s.AUID = "a@example.org" }), "no identifier within"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := read(t, tt.message)
			_, err := tt.signer.Sign(m.Header, m.Body, now)
			if !errors.Is(err, ErrSign) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v, want %q", err, tt.reason)
			}
		})
	}
	m := read(t, plainMessage)
	if _, err := good.Sign(m.Header, iotest.ErrReader(io.ErrClosedPipe), now); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}

func TestParsePrivateKey(t *testing.T) {
	keys := testKeys()
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := map[string][]byte{
		"pkcs1":         pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(keys.rsa)}),
		"pkcs8 rsa":     pkcs8(keys.rsa),
		"pkcs8 ed25519": pkcs8(keys.ed),
		"seed":          []byte(base64.StdEncoding.EncodeToString(keys.ed.Seed()) + "\n"),
		"with a remark": slices.Concat([]byte("the key of s2026\n"), pkcs8(keys.rsa)),
	}
	for name, file := range good {
		key, err := ParsePrivateKey(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := record(t, key.Public()); r != record(t, keys.rsa.Public()) && r != record(t, keys.ed.Public()) {
			t.Errorf("%s: another key", name)
		}
	}
	bad := map[string][]byte{
		"nothing":   nil,
		"ecdsa":     pkcs8(p256),
		"encrypted": pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}),
		"public":    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}),
		"broken":    pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte{1}}),
		"broken 8":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}),
		"short":     []byte("AAAA"),
	}
	for name, file := range bad {
		if _, err := ParsePrivateKey(file); !errors.Is(err, ErrPrivateKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := KeyRecord(p256.Public()); err == nil {
		t.Error("a record for ECDSA")
	}
	if r := record(t, keys.short.Public()); !strings.HasPrefix(r, "v=DKIM1; k=rsa; p=MIG") {
		t.Error(r)
	}
	if got, want := fmt.Sprint(record(t, mustKey(t, rfc8463Seed).Public())), rfc8463Key; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
