package route

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// zone is a resolver made of records. Names in fail answer with that error; CNAMEs
// are followed one step; a name under secure answers Secure.
type zone struct {
	records []dns.RR
	fail    map[string]error // "name. TYPE"
	secure  bool
}

func newZone(t *testing.T, text string) *zone {
	t.Helper()
	z := &zone{fail: map[string]error{}}
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "")
	parser.SetDefaultTTL(300)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		z.records = append(z.records, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

func (z *zone) security() world.Security {
	if z.secure {
		return world.Secure
	}
	return world.Insecure
}

func (z *zone) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	if err := z.fail[fmt.Sprintf("%s %s", name, dns.TypeToString[qtype])]; err != nil {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: err}
	}
	a := &world.Answer{Name: name, Type: qtype, Security: z.security()}
	exists := false
	for _, rr := range z.records {
		if strings.EqualFold(rr.Header().Name, string(a.Owner())) {
			exists = true
			switch {
			case rr.Header().Rrtype == qtype:
				a.Records = append(a.Records, rr)
			case rr.Header().Rrtype == dns.TypeCNAME:
				target := world.Name(strings.ToLower(rr.(*dns.CNAME).Target))
				rest, err := z.Lookup(ctx, target, qtype)
				if err != nil {
					return nil, err
				}
				rest.Name, rest.Aliases = name, append([]world.Name{target}, rest.Aliases...)
				return rest, nil
			}
		}
	}
	switch {
	case len(a.Records) > 0:
		return a, nil
	case exists:
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoData, Security: z.security()}
	}
	return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoName, Security: z.security()}
}

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

func newAuthority(t testing.TB, up *authority) *authority {
	t.Helper()
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: testTime.AddDate(1, 0, 0),
	}
	a := &authority{next: 100}
	a.cert, a.key = up.sign(t, tmpl)
	return a
}

func (a *authority) leaf(t testing.TB, until time.Time, names ...string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	return a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "leaf"}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: until,
	})
}

// sign signs with the authority, or with the new key itself when there is none.
func (a *authority) sign(t testing.TB, tmpl *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := tmpl, key
	tmpl.SerialNumber = big.NewInt(1)
	if a != nil {
		a.next++
		tmpl.SerialNumber = big.NewInt(a.next)
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// policyWorld is a world whose port 443 is a server with this certificate.
func policyWorld(t *testing.T, z world.Resolver, roots *authority, cert tls.Certificate, h http.Handler) *world.World {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(roots.cert)
	return &world.World{
		Resolver: z, Network: world.Machine(), Roots: pool, Clock: func() time.Time { return testTime },
		Map: world.Map{Public: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: map[uint16]uint16{443: uint16(srv.Listener.Addr().(*net.TCPAddr).Port)}},
	}
}

func domain(s string) mail.Domain { return mail.MustParseDomain(s) }

// codes is the codes of problems, a "!" behind the fatal ones.
func codes(problems []Problem) string {
	var words []string
	for _, p := range problems {
		if p.Fatal {
			p.Code += "!"
		}
		words = append(words, p.Code)
	}
	return strings.Join(words, " ")
}
