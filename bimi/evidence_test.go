package bimi

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (s *signer) sign(t testing.TB, tmpl *x509.Certificate) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if tmpl.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	if tmpl.NotBefore.IsZero() {
		tmpl.NotBefore = testTime.AddDate(-1, 0, 0)
	}
	parent, with := tmpl, key
	if s != nil {
		parent, with = s.cert, s.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), with)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert, key}
}

func markAuthority(t testing.TB) *signer {
	return (*signer)(nil).sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Mark Root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: testTime.AddDate(5, 0, 0),
	})
}

// markTemplate is a mark certificate as the guidelines want it.
func markTemplate(t testing.TB, markType string, logo []byte) *x509.Certificate {
	t.Helper()
	policy, err := x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 53087, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	return &x509.Certificate{
		Subject:  pkix.Name{CommonName: "Example", ExtraNames: []pkix.AttributeTypeAndValue{{Type: oidMarkType, Value: markType}}},
		DNSNames: []string{"Example.com", "brand._bimi.example.net"}, NotAfter: testTime.AddDate(0, 6, 0),
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{oidUsage}, Policies: []x509.OID{policy},
		ExtraExtensions: []pkix.Extension{{Id: oidLogotype, Value: logotypeOf(t, logo, nil)}},
	}
}

// logotypeOf builds the extension around a file; sum overrides its hash.
func logotypeOf(t testing.TB, file, sum []byte) []byte {
	t.Helper()
	if sum == nil {
		s := sha256.Sum256(file)
		sum = s[:]
	}
	wrap := func(class, tag int, inner []byte) []byte {
		der, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: inner})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	details, err := asn1.Marshal(logotypeDetails{
		MediaType: "image/svg+xml", URIs: []string{"data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(file)},
		Hashes: []hashValue{{pkix.AlgorithmIdentifier{Algorithm: oidSHA256}, sum}},
	})
	if err != nil {
		t.Fatal(err)
	}
	images := wrap(asn1.ClassUniversal, asn1.TagSequence, wrap(asn1.ClassUniversal, asn1.TagSequence, details))
	subject := wrap(asn1.ClassContextSpecific, 2, wrap(asn1.ClassContextSpecific, 0, images))
	return wrap(asn1.ClassUniversal, asn1.TagSequence, subject)
}

func pemOf(certs ...*signer) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
	}
	return b.Bytes()
}

func TestParseEvidence(t *testing.T) {
	root := markAuthority(t)
	issue := func(change func(*x509.Certificate)) []byte {
		tmpl := markTemplate(t, "Registered Mark", zip(t, []byte(goodLogo)))
		change(tmpl)
		return pemOf(root.sign(t, tmpl), root)
	}
	unpacked := sha256.Sum256([]byte(goodLogo))
	tests := []struct {
		name  string
		file  []byte
		kind  Kind
		codes string
	}{
		{"verified", issue(func(c *x509.Certificate) {}), Verified, ""},
		{"common", pemOf(root.sign(t, markTemplate(t, "Prior Use Mark", []byte(goodLogo))), root), Common, ""},
		{"hash of the unpacked file", issue(func(c *x509.Certificate) {
			c.ExtraExtensions[0].Value = logotypeOf(t, zip(t, []byte(goodLogo)), unpacked[:])
		}), Verified, ""},
		{"unknown mark", pemOf(root.sign(t, markTemplate(t, "Nice Mark", []byte(goodLogo))), root), "", "mark-type"},
		{"web certificate", issue(func(c *x509.Certificate) {
			c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), Verified, "usage!"},
		{"no policy", issue(func(c *x509.Certificate) { c.Policies = nil }), Verified, "policy"},
		{"no logo", issue(func(c *x509.Certificate) { c.ExtraExtensions = nil }), Verified, "no-logotype!"},
		{"wrong hash", issue(func(c *x509.Certificate) {
			c.ExtraExtensions[0].Value = logotypeOf(t, []byte(goodLogo), make([]byte, 32))
		}), Verified, "logo-hash!"},
		{"logotype of something else", issue(func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte{0x30, 0} }), Verified, "logotype!"},
		{"authority first", pemOf(root), "", "order! usage! policy mark-type no-logotype!"},
		{"no PEM", []byte("hello"), "", "pem!"},
		{"a key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), "", "pem pem!"},
		{"broken certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), "", "certificate! pem!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, problems := ParseEvidence(tt.file)
			if e.Kind != tt.kind || codes(problems) != tt.codes {
				t.Errorf("got %q %q %v, want %q %q", e.Kind, codes(problems), problems, tt.kind, tt.codes)
			}
			if !HasFatal(problems) && !e.Shows([]byte(goodLogo)) {
				t.Error("it does not show its own logo")
			}
			if e.Shows([]byte(goodLogo + " ")) {
				t.Error("it shows another logo")
			}
		})
	}
}

func TestEvidenceJudge(t *testing.T) {
	root, stranger := markAuthority(t), markAuthority(t)
	between := root.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Mark CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: testTime.AddDate(5, 0, 0),
	})
	mark := between.sign(t, markTemplate(t, "Registered Mark", []byte(goodLogo)))
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	tests := []struct {
		name, domain, org, selector string
		chain                       []*signer
		roots                       *x509.CertPool
		now                         time.Time
		codes                       string
	}{
		{"good", "example.com", "example.com", "default", []*signer{mark, between}, pool, testTime, ""},
		{"subdomain", "news.example.com", "example.com", "default", []*signer{mark, between}, pool, testTime, ""},
		{"selector's name", "example.net", "example.net", "brand", []*signer{mark, between}, pool, testTime, ""},
		{"another selector", "example.net", "example.net", "default", []*signer{mark, between}, pool, testTime, "name!"},
		{"another domain", "example.org", "example.org", "default", []*signer{mark, between}, pool, testTime, "name!"},
		{"expired", "example.com", "", "default", []*signer{mark, between}, pool, testTime.AddDate(1, 0, 0), "expired!"},
		{"not yet", "example.com", "", "default", []*signer{mark, between}, pool, testTime.AddDate(-2, 0, 0), "not-yet!"},
		{"issuer missing", "example.com", "", "default", []*signer{mark}, pool, testTime, "chain!"},
		{"stranger", "example.com", "", "default", []*signer{mark, stranger}, pool, testTime, "chain!"},
		{"no roots", "example.com", "", "default", []*signer{mark, between, root}, nil, testTime, "anchor"},
		{"no roots, wrong link", "example.com", "", "default", []*signer{mark, stranger}, nil, testTime, "chain! anchor"},
		{"no roots, no issuer", "example.com", "", "default", []*signer{mark}, nil, testTime, "chain! anchor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, problems := ParseEvidence(pemOf(tt.chain...))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			org, _ := mail.ParseDomain(tt.org)
			if got := codes(e.Judge(mail.MustParseDomain(tt.domain), org, tt.selector, tt.roots, tt.now)); got != tt.codes {
				t.Errorf("got %q, want %q", got, tt.codes)
			}
		})
	}
	var zero Evidence
	if !HasFatal(zero.Judge(mail.MustParseDomain("example.com"), mail.Domain{}, "default", pool, testTime)) || zero.Shows(nil) {
		t.Error("the zero evidence vouches")
	}
}

func FuzzEvidence(f *testing.F) {
	root := markAuthority(f)
	f.Add(pemOf(root.sign(f, markTemplate(f, "Registered Mark", []byte(goodLogo))), root))
	f.Fuzz(func(t *testing.T, file []byte) {
		e, problems := ParseEvidence(file)
		if len(e.Chain) > maxChain || len(e.Chain) == 0 && !HasFatal(problems) {
			t.Errorf("%d certificates, %v", len(e.Chain), problems)
		}
		e.Judge(mail.MustParseDomain("example.com"), mail.Domain{}, DefaultSelector, nil, testTime)
	})
}

func FuzzLogotype(f *testing.F) {
	f.Add(logotypeOf(f, []byte(goodLogo), nil))
	f.Add(logotypeOf(f, zip(f, []byte(goodLogo)), nil))
	f.Fuzz(func(t *testing.T, der []byte) {
		if l, err := parseLogotype(der); err == nil {
			l.hashHolds()
		}
	})
}

func TestFetch(t *testing.T) {
	host := markAuthority(t)
	leaf := host.sign(t, &x509.Certificate{DNSNames: []string{"logo.example"}, NotAfter: testTime.AddDate(1, 0, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/l.svg":
			rw.Header().Set("Content-Type", "image/svg+xml")
			io.WriteString(rw, goodLogo)
		case "/moved.svg":
			http.Redirect(rw, r, "/l.svg", http.StatusFound)
		case "/large.svg":
			io.WriteString(rw, strings.Repeat(" ", maxFetch+1))
		default:
			http.NotFound(rw, r)
		}
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}}}
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(host.cert)
	w := &world.World{
		Resolver: loopback{}, Network: world.Machine(), Roots: pool, Clock: func() time.Time { return testTime },
		Map: world.Map{Public: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: map[uint16]uint16{443: uint16(srv.Listener.Addr().(*net.TCPAddr).Port)}},
	}
	for link, want := range map[string]FetchReason{
		"https://logo.example/l.svg": "", "https://logo.example/moved.svg": FetchRedirect, "https://logo.example/none.svg": FetchStatus,
		"https://logo.example/large.svg": FetchTooLarge, "https://other.example/l.svg": FetchFailed, "http://logo.example/l.svg": FetchScheme,
	} {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		file, err := Fetch(t.Context(), w, u)
		fe, _ := errors.AsType[*FetchError](err)
		if (want == "") != (err == nil) || fe != nil && fe.Reason != want {
			t.Errorf("%s: %v, want %q", link, err, want)
		}
		if err == nil && (string(file.Body) != goodLogo || file.MediaType != "image/svg+xml") {
			t.Errorf("%s: got %+v", link, file)
		}
	}
	if _, err := Fetch(t.Context(), w, nil); err == nil {
		t.Error("nothing was fetched without an error")
	}
}

// loopback has every name at 127.0.0.1.
type loopback struct{}

func (loopback) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	if qtype != dns.TypeA {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoData}
	}
	return &world.Answer{Name: name, Type: qtype, Records: []dns.RR{&dns.A{A: net.IPv4(127, 0, 0, 1)}}}, nil
}
