package dkim

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/message"
)

func benchMessage() string {
	return strings.Repeat("Received: from a.example by b.example with ESMTPS\r\n\tfor <x@example.org>; Sat, 21 Nov 2026 16:05:00 +0000\r\n", 4) +
		strings.TrimRight(plainMessage, "\r\n") + "\r\n" + strings.Repeat("A line of text as people write them, some seventy octets of it.\r\n", 52)
}

func benchVerify(b *testing.B, key crypto.Signer) {
	text := benchMessage()
	m := read(b, text)
	s := &Signer{Domain: example, Selector: "s", Key: key}
	field, err := s.Sign(m.Header, m.Body, now)
	if err != nil {
		b.Fatal(err)
	}
	z := zone{"s._domainkey.example.com": {record(b, key.Public())}}
	raw := []byte(field + text)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := message.Read(bytes.NewReader(raw), message.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if r := Verify(b.Context(), z, m.Header, m.Body, now); len(r) != 1 || r[0].Result != Pass {
			b.Fatal(r)
		}
	}
}

func BenchmarkVerifyRSA(b *testing.B)     { benchVerify(b, testKeys().rsa) }
func BenchmarkVerifyEd25519(b *testing.B) { benchVerify(b, testKeys().ed) }

// BenchmarkRSAItself is what VerifyRSA cannot avoid.
func BenchmarkRSAItself(b *testing.B) {
	key := testKeys().rsa
	digest := sha256.Sum256(nil)
	value, err := signDigest(key, RSASHA256, digest)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], value); err != nil {
			b.Fatal(err)
		}
	}
}

func benchSign(b *testing.B, key crypto.Signer) {
	text := []byte(benchMessage())
	s := &Signer{Domain: example, Selector: "s", Key: key}
	b.ReportAllocs()
	for b.Loop() {
		m, err := message.Read(bytes.NewReader(text), message.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Sign(m.Header, m.Body, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignRSA(b *testing.B)     { benchSign(b, testKeys().rsa) }
func BenchmarkSignEd25519(b *testing.B) { benchSign(b, testKeys().ed) }

func BenchmarkBody(b *testing.B) {
	body := []byte(strings.Repeat("A line of text as people write them, some seventy octets of it.\r\n", 1600))
	for _, form := range []Canonicalization{Relaxed, Simple} {
		b.Run(form.String(), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				var w bodies
				w.want(form, noLimit)
				w.Write(body)
				w.close()
			}
		})
	}
}
