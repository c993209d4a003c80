package dkim

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

func TestParseSignature(t *testing.T) {
	s, err := ParseSignature(" v=1; a=RSA-SHA256; c=Relaxed/simple;\r\n\td=Bücher.example; s=Größe2026;" +
		" i=j=c3=a9@mail.bücher.example; q=dns/txt;\r\n t=1117574938; x=1118006938; l=12;\r\n" +
		" h=from:to : subject:\r\n date; bh=MTIz NDU2; b=YWJj\r\n\tZGVm; z=From:x; later=1")
	if err != nil {
		t.Fatal(err)
	}
	if s.Domain != mail.MustParseDomain("xn--bcher-kva.example") || s.Selector != "xn--gre2026-r4a8d" && !strings.HasPrefix(s.Selector, "xn--") {
		t.Errorf("%s %s", s.Domain, s.Selector)
	}
	if s.AUID != "jé@mail.bücher.example" || !s.auidDomain.IsSubdomainOf(s.Domain) {
		t.Errorf("i= %q at %s", s.AUID, s.auidDomain)
	}
	if s.Algorithm != RSASHA256 || s.Canonicalization() != "relaxed/simple" || s.Length != 12 {
		t.Errorf("%s %s %d", s.Algorithm, s.Canonicalization(), s.Length)
	}
	if !s.Time.Equal(time.Unix(1117574938, 0)) || !s.Expires.Equal(time.Unix(1118006938, 0)) {
		t.Errorf("%s %s", s.Time, s.Expires)
	}
	if string(s.BodyHash) != "123456" || string(s.Value) != "abcdef" {
		t.Errorf("bh %q, b %q", s.BodyHash, s.Value)
	}
	if d := cmp.Diff([]string{"from", "to", "subject", "date"}, s.Signed); d != "" {
		t.Error(d)
	}
	if v, ok := s.Tags.Get("later"); !ok || v != "1" {
		t.Error("an unknown tag is lost")
	}
	if len(s.Problems) != 1 || s.Problems[0].Tag != "l" || s.Problems[0].Fatal {
		t.Errorf("problems %v", s.Problems)
	}
}

// All problems are told, not only the first.
func TestParseSignatureTellsAll(t *testing.T) {
	s, err := ParseSignature("v=2; a=x; d=-; h=a::b; t=1; t=2; 9=x; junk")
	if err == nil || s == nil {
		t.Fatalf("%v, %v", s, err)
	}
	var got []string
	for _, p := range s.Problems {
		got = append(got, p.Tag)
	}
	if d := cmp.Diff([]string{"t", "", "", "v", "a", "d", "s", "h", "bh", "b"}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestParseKey(t *testing.T) {
	keys := testKeys()
	good := record(t, keys.rsa.Public())
	tests := []struct {
		name, txt string
		check     func(*Key) bool
		err       string
	}{
		{"rsa", good, func(k *Key) bool { return k.Bits == 2048 && k.Type == "rsa" && !k.Bare && k.Problems == nil }, ""},
		{"bare", bareRecord(keys.rsa), func(k *Key) bool { return k.Bits == 2048 && k.Bare }, ""},
		{"ed25519", rfc8463Key, func(k *Key) bool { return k.Bits == 256 && k.Type == "ed25519" }, ""},
		{"flags", good + "; t=y:s; h=sha1:sha256; s=email:tlsrpt; n=hello=20world", func(k *Key) bool {
			return k.Testing && k.Strict && len(k.Hashes) == 2 && len(k.Services) == 2 && k.Notes == "hello world"
		}, ""},
		{"any service", good + "; s=*", func(k *Key) bool { return k.Services == nil && k.ServesMail() }, ""},
		{"revoked", "v=DKIM1; p=", func(k *Key) bool { return k.Revoked && k.Public == nil }, ""},
		{"no version", "p=", func(k *Key) bool { return k.Revoked && k.Problems[0].Tag == "v" }, ""},
		{"spaces", "v = DKIM1 ; k = rsa ; p = " + good[strings.Index(good, "MII"):][:50] + " " + good[strings.Index(good, "MII"):][50:] + " ;",
			func(k *Key) bool { return k.Bits == 2048 }, ""},
		{"no p", "v=DKIM1", nil, "p= is missing"},
		{"nothing", "", nil, "is no tag"},
		{"ed25519 as spki", "v=DKIM1; k=ed25519; p=MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", nil, "has 44 octets"},
		{"rsa type with ed25519 key", "v=DKIM1; p=MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", nil, "not an RSA key"},
		{"control", "v=DKIM1; p=; n=a\x01", nil, "control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := ParseKey(tt.txt)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || !tt.check(k) {
				t.Errorf("%v: %+v", err, k)
			}
		})
	}
}

func TestLookupKey(t *testing.T) {
	z := zone{
		"s._domainkey.example.com":    {rfc6376Key, "v=spf1 -all"},
		"t._domainkey.example.com":    {"!temporary"},
		"2024._domainkey.example.com": {rfc8463Key},
	}
	l, err := LookupKey(t.Context(), z, example, "S")
	if err != nil || len(l.Keys) != 2 || len(l.Usable()) != 1 || len(l.Texts) != 2 || l.Security != world.Secure {
		t.Errorf("%+v, %v", l, err)
	}
	if l.Name != "s._domainkey.example.com." {
		t.Errorf("name %s", l.Name)
	}
	if _, err = LookupKey(t.Context(), z, example, "2024"); err != nil {
		t.Error(err)
	}
	if _, err = LookupKey(t.Context(), z, example, "none"); !errors.Is(err, world.ErrNoName) {
		t.Errorf("%v", err)
	}
	if _, err = LookupKey(t.Context(), z, example, "t"); !errors.Is(err, world.ErrTemporary) {
		t.Errorf("%v", err)
	}
	if _, err = LookupKey(t.Context(), z, example, "a b"); err == nil || errors.Is(err, world.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
