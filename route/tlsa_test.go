package route

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

func TestUnusableTLSA(t *testing.T) {
	d32, d64 := strings.Repeat("ab", 32), strings.Repeat("ab", 64)
	tests := []struct{ text, why string }{
		{"3 1 1 " + d32, ""},
		{"2 0 2 " + d64[:64] + " " + d64[64:], ""},
		{"0 0 1 " + d32, "usage 0"},
		{"1 1 1 " + d32, "usage 1"},
		{"4 1 1 " + d32, "usage 4"},
		{"3 2 1 " + d32, "selector 2"},
		{"3 1 3 " + d32, "matching type 3"},
		{"3 1 1 " + d64, "digest has 64"},
		{"3 1 2 " + d32, "digest has 32"},
		{"3 1 0 " + d32, "no certificate or key"},
		{"3 0 0 " + d32, "no certificate or key"},
	}
	for _, tt := range tests {
		rec, err := ParseTLSA(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if why := rec.Unusable(); !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") {
			t.Errorf("%s: %q, want %q", tt.text, why, tt.why)
		}
	}
	for _, bad := range []string{"", "3 1 1", "3 1 1 xyz", "3 1 256 00", "-1 0 0 00"} {
		if _, err := ParseTLSA(bad); !errors.Is(err, ErrTLSA) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestMatch walks the ways a chain can stand or fall under its records.
func TestMatch(t *testing.T) {
	root := newAuthority(t, nil)
	ca := newAuthority(t, root)
	other := newAuthority(t, nil)
	until := testTime.AddDate(0, 1, 0)
	leaf, _ := ca.leaf(t, until, "mx.example.com")
	old, _ := ca.leaf(t, testTime.AddDate(0, 0, -1), "mx.example.com")
	wrong, _ := ca.leaf(t, until, "other.example.org")
	wild, _ := ca.leaf(t, until, "*.example.com")
	with := func(l *x509.Certificate) []*x509.Certificate { return []*x509.Certificate{l, ca.cert, root.cert} }
	rec := func(u, s, m uint8, c *x509.Certificate) TLSA {
		r, err := NewTLSA(u, s, m, c)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	pkix := rec(1, 1, 1, leaf)
	tests := []struct {
		name    string
		records []TLSA
		chain   []*x509.Certificate
		depth   int
		err     string // part of it, "" for a match
	}{
		{"3 1 1", []TLSA{rec(3, 1, 1, leaf)}, with(leaf), 0, ""},
		{"3 0 2", []TLSA{rec(3, 0, 2, leaf)}, with(leaf), 0, ""},
		{"3 1 0", []TLSA{rec(3, 1, 0, leaf)}, with(leaf), 0, ""},
		{"3 1 1 expired does not matter", []TLSA{rec(3, 1, 1, old)}, with(old), 0, ""},
		{"3 1 1 name does not matter", []TLSA{rec(3, 1, 1, wrong)}, with(wrong), 0, ""},
		{"3 1 1 lone", []TLSA{rec(3, 1, 1, leaf)}, []*x509.Certificate{leaf}, 0, ""},
		{"3 1 1 of the authority", []TLSA{rec(3, 1, 1, ca.cert)}, with(leaf), 0, ErrNoMatch.Error()},
		{"second record", []TLSA{rec(3, 1, 1, other.cert), rec(3, 1, 1, leaf)}, with(leaf), 0, ""},
		{"2 1 1 issuer", []TLSA{rec(2, 1, 1, ca.cert)}, with(leaf), 1, ""},
		{"2 0 1 root", []TLSA{rec(2, 0, 1, root.cert)}, with(leaf), 2, ""},
		{"2 1 1 wildcard name", []TLSA{rec(2, 1, 1, ca.cert)}, with(wild), 1, ""},
		{"2 1 1 not sent", []TLSA{rec(2, 1, 1, root.cert)}, []*x509.Certificate{leaf, ca.cert}, 0, ErrNoMatch.Error()},
		{"2 0 0 not sent", []TLSA{rec(2, 0, 0, root.cert)}, []*x509.Certificate{leaf, ca.cert}, -1, ""},
		{"2 0 0 stranger", []TLSA{rec(2, 0, 0, other.cert)}, with(leaf), 0, "does not hold"},
		{"2 1 1 expired", []TLSA{rec(2, 1, 1, ca.cert)}, with(old), 0, "expired"},
		{"2 1 1 wrong name", []TLSA{rec(2, 1, 1, ca.cert)}, with(wrong), 0, "none of [mx.example.com]"},
		{"2 1 1 not the issuer", []TLSA{rec(2, 1, 1, other.cert)}, []*x509.Certificate{leaf, other.cert}, 0, "does not hold"},
		{"2 1 1 of the leaf", []TLSA{rec(2, 1, 1, leaf)}, with(leaf), 0, ErrNoMatch.Error()},
		{"PKIX only", []TLSA{pkix}, with(leaf), 0, ErrNoUsableTLSA.Error()},
		{"no chain", []TLSA{rec(3, 1, 1, leaf)}, nil, 0, ErrNoChain.Error()},
		{"none", nil, with(leaf), 0, ErrNoUsableTLSA.Error()},
	}
	names := []mail.Domain{domain("mx.example.com")}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := TLSASet{Records: tt.records, Security: world.Secure}
			m, err := s.Match(tt.chain, names, testTime)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || m.Depth != tt.depth || !bytes.Equal(m.Record.Data, tt.records[len(tt.records)-1].Data) {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

func FuzzTLSA(f *testing.F) {
	f.Add("3 1 1 " + strings.Repeat("0f", 32))
	f.Add("2 0 0 30 82")
	f.Fuzz(func(t *testing.T, s string) {
		rec, err := ParseTLSA(s)
		if err != nil {
			return
		}
		rec.Unusable()
		again, err := ParseTLSA(rec.String())
		if len(rec.Data) > 0 && (err != nil || compareTLSA(rec, again) != 0) {
			t.Errorf("%q becomes %q", s, rec.String())
		}
	})
}
