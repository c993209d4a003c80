package dkim

import (
	"crypto"
	"strings"
	"testing"
)

func mustKey(t testing.TB, text string) crypto.Signer {
	t.Helper()
	key, err := ParsePrivateKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func FuzzSignature(f *testing.F) {
	f.Add("v=1; a=rsa-sha256; d=example.com; s=s; h=From; bh=AAAA; b=AAAA")
	f.Add(" v=1;\r\n a=ed25519-sha256; c=simple; i=a=40b@x.example; l=1; t=1; x=2; q=dns/txt; z=a|b; b=\r\n A A\t==")
	f.Add(";;=;a;a=;a=b")
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := ParseSignature(s)
		if sig == nil {
			t.Fatal("no signature")
		}
		if err == nil && (sig.Domain.IsZero() || sig.Selector == "" || len(sig.Value) == 0 || len(sig.Signed) == 0) {
			t.Fatalf("%q reads without error as %+v", s, sig)
		}
		if cut := cutValueOf(s, "b"); len(cut) > len(s) || strings.Count(cut, ";") != strings.Count(s, ";") {
			t.Fatalf("cut %q of %q", cut, s)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add(rfc6376Key)
	f.Add(rfc8463Key + "; t=y:s; h=sha256; s=*; n=x=20y; g=*")
	f.Add("v=DKIM1; p=")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if k == nil || k.Record != s {
			t.Fatal("no key")
		}
		if err == nil && k.Public == nil && !k.Revoked {
			t.Fatalf("%q reads without error as %+v", s, k)
		}
	})
}

// A message that was changed never passes: the key signs nothing but the seed.
func FuzzVerify(f *testing.F) {
	key := mustKey(f, rfc8463Seed)
	z := zone{"s._domainkey.example.com": {rfc8463Key}}
	m := read(f, plainMessage)
	s := &Signer{Domain: example, Selector: "s", Key: key}
	field, err := s.Sign(m.Header, m.Body, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(field + plainMessage)
	f.Add(strings.ReplaceAll(field+plainMessage, "\r\n", "\n"))
	f.Add("DKIM-Signature: v=1\r\n\r\n")
	f.Add(field + field + "\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := read(t, text)
		for _, v := range Verify(t.Context(), z, m.Header, m.Body, now) {
			if v.Result == None {
				t.Fatal("no verdict")
			}
			if v.Result != Pass {
				continue
			}
			from := strings.Join(strings.Fields(m.Header.Value("From")), " ")
			if from != "Jane <jane@example.com>" || m.Header.Count("From") != 1 {
				t.Fatalf("a changed message passes: %q", text)
			}
		}
	})
}
