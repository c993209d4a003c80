package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// acmeServer is an authority after RFC 8555: enough of it to issue for one name at a
// time, and strict about signatures, nonces and proofs. It proves by HTTP-01, by
// TLS-ALPN-01 (RFC 8737) or by DNS-01, over the world it is in, and gives renewal
// information (RFC 9773).
type acmeServer struct {
	t     testing.TB
	world *world.World // in which it looks for proofs
	url   string
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate

	mu       sync.Mutex
	offers   []string // types of challenges
	life     time.Duration
	nonces   map[string]bool
	accounts map[string]jwk // by URL
	orders   []*acmeOrder
	problems []string // why requests and proofs were refused
}

type acmeOrder struct {
	account, name, token, status, replaces string
	proof                                  string // type of the challenge that was met
	chain                                  []byte
}

type jwk struct {
	Crv string `json:"crv"`
	Kty string `json:"kty"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func (k jwk) thumbprint() string {
	text, _ := json.Marshal(k) // RFC 7638: these members, in this order
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (k jwk) public() *ecdsa.PublicKey {
	point := []byte{4} // uncompressed (SEC 1 section 2.3.3)
	for _, s := range []string{k.X, k.Y} {
		octets, _ := base64.RawURLEncoding.DecodeString(s)
		point = append(point, octets...)
	}
	key, _ := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point) // nil verifies nothing
	return key
}

// startACME runs the authority at an address of the lab.
func startACME(t testing.TB, l *lab.Lab, w *world.World, name, ip string) *acmeServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, 3, 4},
		NotBefore: w.Now().Add(-time.Hour), NotAfter: w.Now().Add(5 * 365 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := &acmeServer{t: t, world: w, url: "https://" + name, key: key, life: 90 * 24 * time.Hour,
		nonces: map[string]bool{}, accounts: map[string]jwk{}, offers: []string{"http-01"}}
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	own, err := l.Certificate(ca.Good, name)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, w, ip, 443, s, &tls.Config{Certificates: []tls.Certificate{*own}})
	return s
}

// serve runs a web server until the test ends.
func serve(t testing.TB, w *world.World, ip string, port uint16, h http.Handler, config *tls.Config) {
	t.Helper()
	listener, err := w.Listen(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(ip), port))
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done })
}

func (s *acmeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nonce := rand.Text()
	s.nonces[nonce] = true
	w.Header().Set("Replay-Nonce", nonce)
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPost {
		s.get(w, r)
		return
	}
	account, payload, err := s.verify(r)
	if err == nil {
		err = s.post(w, r, account, payload)
	}
	if err != nil {
		s.problems = append(s.problems, r.URL.Path+": "+err.Error())
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "detail": err.Error()})
	}
}

func (s *acmeServer) get(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/directory":
		json.NewEncoder(w).Encode(map[string]any{
			"newNonce": s.url + "/nonce", "newAccount": s.url + "/account", "newOrder": s.url + "/order",
			"revokeCert": s.url + "/revoke", "keyChange": s.url + "/rollover", "renewalInfo": s.url + "/renewal",
			"meta": map[string]any{"caaIdentities": []string{"authority.example"}},
		})
	case strings.HasPrefix(r.URL.Path, "/renewal/"):
		middle := s.world.Now().Add(s.life / 2)
		json.NewEncoder(w).Encode(map[string]any{"suggestedWindow": map[string]any{
			"start": middle.Format(time.RFC3339), "end": middle.Add(time.Hour).Format(time.RFC3339)}})
	case r.URL.Path == "/nonce":
	default:
		http.NotFound(w, r)
	}
}

// verify checks a request as RFC 8555 section 6 wants it, and names the account.
func (s *acmeServer) verify(r *http.Request) (account string, payload []byte, err error) {
	var jws struct{ Protected, Payload, Signature string }
	var head struct {
		Alg, Kid, Nonce, URL string
		JWK                  *jwk
	}
	if err := json.NewDecoder(r.Body).Decode(&jws); err != nil {
		return "", nil, err
	}
	protected, err1 := base64.RawURLEncoding.DecodeString(jws.Protected)
	payload, err2 := base64.RawURLEncoding.DecodeString(jws.Payload)
	signature, err3 := base64.RawURLEncoding.DecodeString(jws.Signature)
	if err := errors.Join(err1, err2, err3, json.Unmarshal(protected, &head)); err != nil {
		return "", nil, err
	}
	key, known := s.accounts[head.Kid]
	if r.URL.Path == "/account" && head.JWK != nil {
		key, known = *head.JWK, true
		head.Kid = s.url + "/account/" + key.thumbprint()
	}
	switch {
	case !known:
		return "", nil, fmt.Errorf("no account %q", head.Kid)
	case !s.nonces[head.Nonce]:
		return "", nil, errors.New("a nonce that is not ours, or used")
	case head.URL != s.url+r.URL.Path || head.Alg != "ES256":
		return "", nil, fmt.Errorf("signed for %s with %s", head.URL, head.Alg)
	}
	delete(s.nonces, head.Nonce)
	sum := sha256.Sum256([]byte(jws.Protected + "." + jws.Payload))
	n := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
	public := key.public()
	if public == nil || len(signature) != 64 || !ecdsa.Verify(public, sum[:], n(signature[:32]), n(signature[32:])) {
		return "", nil, errors.New("the signature is wrong")
	}
	if head.JWK != nil {
		s.accounts[head.Kid] = key
	}
	return head.Kid, payload, nil
}

func (s *acmeServer) post(w http.ResponseWriter, r *http.Request, account string, payload []byte) error {
	words := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if words[0] == "account" {
		w.Header().Set("Location", account)
		w.WriteHeader(http.StatusCreated)
		return json.NewEncoder(w).Encode(map[string]any{"status": "valid"})
	}
	if words[0] == "order" && len(words) == 1 {
		return s.newOrder(w, account, payload)
	}
	var n int
	if len(words) < 2 {
		return errors.New("nothing is here")
	}
	if _, err := fmt.Sscan(words[1], &n); err != nil || n >= len(s.orders) || s.orders[n].account != account {
		return errors.New("no order of this account")
	}
	o := s.orders[n]
	switch words[0] {
	case "challenge":
		o.status = "ready"
		if err := s.prove(r.Context(), words[2], o); err != nil {
			o.status = "invalid"
			s.problems = append(s.problems, o.name+": "+err.Error())
		}
		return json.NewEncoder(w).Encode(s.challenge(n, words[2]))
	case "authorization":
		return json.NewEncoder(w).Encode(s.authorization(n))
	case "finalize":
		if err := s.issue(o, payload); err != nil {
			return err
		}
	case "certificate":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, err := w.Write(o.chain)
		return err
	}
	return json.NewEncoder(w).Encode(s.order(n))
}

func (s *acmeServer) newOrder(w http.ResponseWriter, account string, payload []byte) error {
	var wish struct {
		Identifiers []struct{ Type, Value string }
		Replaces    string
	}
	if err := json.Unmarshal(payload, &wish); err != nil || len(wish.Identifiers) != 1 {
		return fmt.Errorf("an order for %v: %v", wish.Identifiers, err)
	}
	s.orders = append(s.orders, &acmeOrder{account: account, name: wish.Identifiers[0].Value, token: rand.Text(), status: "pending", replaces: wish.Replaces})
	n := len(s.orders) - 1
	w.Header().Set("Location", fmt.Sprintf("%s/order/%d", s.url, n))
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(s.order(n))
}

func (s *acmeServer) order(n int) map[string]any {
	o := s.orders[n]
	return map[string]any{"status": o.status, "identifiers": []map[string]string{{"type": "dns", "value": o.name}},
		"authorizations": []string{fmt.Sprintf("%s/authorization/%d", s.url, n)},
		"finalize":       fmt.Sprintf("%s/finalize/%d", s.url, n), "certificate": fmt.Sprintf("%s/certificate/%d", s.url, n)}
}

func (s *acmeServer) authorization(n int) map[string]any {
	o := s.orders[n]
	status := map[string]string{"pending": "pending", "invalid": "invalid"}[o.status]
	if status == "" {
		status = "valid"
	}
	var challenges []any
	for _, kind := range s.offers {
		challenges = append(challenges, s.challenge(n, kind))
	}
	return map[string]any{"status": status, "identifier": map[string]string{"type": "dns", "value": o.name}, "challenges": challenges}
}

func (s *acmeServer) challenge(n int, kind string) map[string]any {
	c := map[string]any{"type": kind, "token": s.orders[n].token, "status": s.orders[n].status, "url": fmt.Sprintf("%s/challenge/%d/%s", s.url, n, kind)}
	switch s.orders[n].status {
	case "invalid":
		c["error"] = map[string]any{"type": "urn:ietf:params:acme:error:incorrectResponse", "detail": s.problems[len(s.problems)-1]}
	case "ready", "valid":
		c["status"] = "valid"
	}
	return c
}

// prove looks for the proof where it must be.
func (s *acmeServer) prove(ctx context.Context, kind string, o *acmeOrder) (err error) {
	want := o.token + "." + s.accounts[o.account].thumbprint()
	switch kind {
	case "http-01":
		err = s.proveHTTP(ctx, o, want)
	case "tls-alpn-01":
		err = s.proveALPN(ctx, o.name, want)
	case "dns-01":
		sum := sha256.Sum256([]byte(want))
		texts, _, lookupErr := world.LookupTXT(ctx, s.world, world.MustParseName("_acme-challenge."+o.name))
		if !slices.ContainsFunc(texts, func(x world.TXT) bool { return x.Text == base64.RawURLEncoding.EncodeToString(sum[:]) }) {
			err = fmt.Errorf("the proof is not in the DNS (%v): %v", lookupErr, texts)
		}
	}
	if err == nil {
		o.proof = kind
	}
	return err
}

func (s *acmeServer) proveHTTP(ctx context.Context, o *acmeOrder, want string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.name+"/.well-known/acme-challenge/"+o.token, nil)
	if err != nil {
		return err
	}
	answer, err := s.world.HTTPClient(5 * time.Second).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if err != nil || answer.StatusCode != http.StatusOK || string(text) != want {
		return fmt.Errorf("HTTP %s: %.60q, %v", answer.Status, text, err)
	}
	return nil
}

// proveALPN shakes hands as RFC 8737 section 3 wants it.
func (s *acmeServer) proveALPN(ctx context.Context, name, want string) error {
	ips, err := world.LookupHost(ctx, s.world, mail.MustParseDomain(name))
	if err != nil {
		return err
	}
	conn, err := s.world.Dial(ctx, netip.AddrPortFrom(ips[0], 443))
	if err != nil {
		return err
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{ServerName: name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	leaf := c.ConnectionState().PeerCertificates[0]
	sum := sha256.Sum256([]byte(want))
	value, _ := asn1.Marshal(sum[:])
	for _, e := range leaf.Extensions {
		if e.Id.String() == "1.3.6.1.5.5.7.1.31" && e.Critical && string(e.Value) == string(value) &&
			slices.Equal(leaf.DNSNames, []string{name}) && c.ConnectionState().NegotiatedProtocol == "acme-tls/1" {
			return nil
		}
	}
	return errors.New("the certificate is no proof")
}

// issue signs what the request asks for.
func (s *acmeServer) issue(o *acmeOrder, payload []byte) error {
	var wish struct{ CSR string }
	err := json.Unmarshal(payload, &wish)
	if err != nil || o.status != "ready" {
		return fmt.Errorf("the order is %s: %v", o.status, err)
	}
	der, err := base64.RawURLEncoding.DecodeString(wish.CSR)
	if err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || csr.CheckSignature() != nil || !slices.Equal(csr.DNSNames, []string{o.name}) {
		return fmt.Errorf("a request for another name, or not signed: %v", err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	now := s.world.Now()
	leaf := &x509.Certificate{SerialNumber: serial, DNSNames: csr.DNSNames, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(s.life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, AuthorityKeyId: s.cert.SubjectKeyId}
	der, err = x509.CreateCertificate(rand.Reader, leaf, s.cert, csr.PublicKey.(crypto.PublicKey), s.key)
	if err != nil {
		return err
	}
	for _, octets := range [][]byte{der, s.cert.Raw} {
		o.chain = append(o.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: octets})...)
	}
	o.status = "valid"
	return nil
}

// issued lists what was ordered, as "name by proof" or "name refused".
func (s *acmeServer) issued() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if o.status == "valid" {
			all = append(all, o.name+" by "+o.proof)
		} else {
			all = append(all, o.name+" refused")
		}
	}
	slices.Sort(all)
	return all
}
