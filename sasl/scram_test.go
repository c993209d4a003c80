package sasl

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// keysOf is what a server stores for a password (RFC 5802 section 3).
func keysOf(t *testing.T, password string, salt []byte) Keys {
	t.Helper()
	k := Keys{Salt: salt, Iterations: 4096}
	salted, err := pbkdf2.Key(sha256.New, password, k.Salt, k.Iterations, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	stored := sha256.Sum256(hmacSHA256(salted, "Client Key"))
	k.StoredKey, k.ServerKey = stored[:], hmacSHA256(salted, "Server Key")
	return k
}

// TestSCRAMVector is the example of RFC 7677 section 3.
func TestSCRAMVector(t *testing.T) {
	hello, err := parseScramFirst("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	if err != nil {
		t.Fatal(err)
	}
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	keys := keysOf(t, "pencil", salt)
	s := scramProof{hello: hello, keys: keys, nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"}
	if got := s.challenge(); got != "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096" {
		t.Error(got)
	}
	const final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	signature, ok := s.verify(final, nil)
	if !ok || signature != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("%q, %v", signature, ok)
	}
	if _, ok := s.verify(strings.Replace(final, "c=biws", "c=eSws", 1), nil); ok {
		t.Error("another header than the first message had")
	}
	if _, ok := (scramProof{hello: hello, nonce: s.nonce}).verify(final, nil); ok {
		t.Error("the zero keys fit a password")
	}
}

func FuzzScramFirst(f *testing.F) {
	for _, s := range []string{"n,,n=user,r=abc", "p=tls-exporter,a=u,n=u,r=x,ext=1", "y,,n=a=2Cb=3D,r=x", "n,,m=1,n=a,r=b", ",,n=,r=", "n,a=,n=u,r=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := parseScramFirst(s)
		if err != nil {
			return
		}
		if first.header+first.bare != s || first.user == "" || first.nonce == "" || (first.flag == 'p') != (first.kind != "") {
			t.Errorf("%q: %+v", s, first)
		}
		scramProof{hello: first, nonce: first.nonce}.verify(s, nil)
	})
}
