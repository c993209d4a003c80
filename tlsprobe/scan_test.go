package tlsprobe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// facts is a result in few words, for tables.
func facts(r Result) map[string]string {
	f := map[string]string{
		"order": r.ServerOrder.Is.String(), "pq": r.PostQuantum.Is.String(), "weak-hash": r.WeakHash.Is.String(),
		"ems": r.ExtendedMasterSecret.Is.String(), "compression": r.Compression.Is.String(),
		"secure-reneg": r.SecureRenegotiation.Is.String(), "client-reneg": r.ClientRenegotiation.Is.String(),
		"tickets": r.SessionTickets.Is.String(), "early-data": r.EarlyData.Is.String(), "handshake": r.Handshake.Done.Is.String(),
		"suites": families(r.Suites), "groups": families(r.Groups),
	}
	var accepted []string
	for _, v := range r.Versions {
		switch v.Is {
		case Yes:
			accepted = append(accepted, v.Name)
		case Unknown, NotApplicable:
			accepted = append(accepted, v.Name+"?")
		}
	}
	f["versions"] = strings.Join(accepted, ", ")
	return f
}

func families(o Offered) string {
	var all []string
	for _, a := range o.Accepted {
		if !slices.Contains(all, a.Family) {
			all = append(all, a.Family)
		}
	}
	slices.Sort(all)
	s := strings.Join(all, " ")
	if !o.Families {
		s += " ?"
	}
	return s
}

func TestServers(t *testing.T) {
	root := newRoot(t)
	rsaLeaf := root.issue(t, wish{name: "mx.example", key: rsaKey()})
	ecLeaf := root.issue(t, wish{name: "mx.example"})
	config := func(c *tls.Config) *tls.Config {
		if c.Certificates == nil {
			c.Certificates = []tls.Certificate{rsaLeaf.tls()}
		}
		return c
	}
	tests := []struct {
		name string
		dial func(*testing.T) DialFunc
		want map[string]string
	}{
		{"Go as it comes", func(t *testing.T) DialFunc { return goServer(t, config(&tls.Config{})) }, map[string]string{
			"versions": "TLS 1.3, TLS 1.2", "suites": "ecdhe-aead ecdhe-best ecdhe-cbc tls13", "groups": "hybrid modern", "order": "yes",
			"pq": "yes", "weak-hash": "no", "ems": "yes", "compression": "no", "secure-reneg": "yes", "client-reneg": "no",
			"tickets": "yes", "early-data": "no", "handshake": "yes"}},
		{"only TLS 1.3, no tickets", func(t *testing.T) DialFunc {
			return goServer(t, config(&tls.Config{MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, CurvePreferences: []tls.CurveID{tls.CurveP256}}))
		}, map[string]string{"versions": "TLS 1.3", "suites": "tls13", "groups": "modern", "order": "n/a", "pq": "no", "weak-hash": "n/a",
			"ems": "n/a", "compression": "no", "secure-reneg": "n/a", "client-reneg": "n/a", "tickets": "no", "early-data": "no", "handshake": "yes"}},
		{"only TLS 1.0, static RSA", func(t *testing.T) DialFunc {
			return goServer(t, config(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
				CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}}))
		}, map[string]string{"versions": "TLS 1.0", "suites": "3des static-key", "groups": "", "order": "n/a", "pq": "no", "weak-hash": "no",
			"ems": "yes", "compression": "no", "secure-reneg": "yes", "client-reneg": "unknown", "tickets": "yes", "early-data": "n/a", "handshake": "yes"}},
		{"only TLS 1.2, CBC, ECDSA", func(t *testing.T) DialFunc {
			return goServer(t, config(&tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ecLeaf.tls()},
				CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}))
		}, map[string]string{"versions": "TLS 1.2", "suites": "ecdhe-cbc", "groups": "modern", "order": "n/a", "pq": "no", "weak-hash": "no",
			"ems": "yes", "compression": "no", "secure-reneg": "yes", "client-reneg": "unknown", "tickets": "yes", "early-data": "n/a", "handshake": "yes"}},
		{"OpenSSL with everything on", func(t *testing.T) DialFunc {
			return openssl(t, rsaLeaf, "-cipher", "ALL:eNULL:@SECLEVEL=0", "-client_renegotiation", "-early_data", "-max_early_data", "16384",
				"-groups", "X25519:P-256:ffdhe3072:P-192:sect571r1")
		}, map[string]string{"versions": "TLS 1.3, TLS 1.2, TLS 1.1, TLS 1.0",
			"suites": "anonymous dhe ecdhe-aead ecdhe-best ecdhe-cbc null static-key tls13", "groups": "binary ffdhe modern old", "order": "no",
			"pq": "no", "weak-hash": "yes", "ems": "yes", "compression": "no", "secure-reneg": "yes", "client-reneg": "yes", "tickets": "yes",
			"early-data": "yes", "handshake": "yes"}},
		{"OpenSSL as it should be", func(t *testing.T) DialFunc {
			return openssl(t, ecLeaf, "-cipher", "ECDHE+AESGCM:ECDHE+CHACHA20", "-serverpref", "-no_renegotiation", "-no_ticket", "-num_tickets", "0",
				"-sigalgs", "ECDSA+SHA256:ECDSA+SHA384", "-groups", "X25519:P-256", "-no_tls1", "-no_tls1_1")
		}, map[string]string{"versions": "TLS 1.3, TLS 1.2", "suites": "ecdhe-aead ecdhe-best tls13", "groups": "modern", "order": "n/a",
			"pq": "no", "weak-hash": "no", "ems": "yes", "compression": "no", "secure-reneg": "yes", "client-reneg": "no", "tickets": "no",
			"early-data": "no", "handshake": "yes"}},
		{"OpenSSL 1.1 and 1.2 with DHE", func(t *testing.T) DialFunc {
			return openssl(t, rsaLeaf, "-cipher", "DHE:@SECLEVEL=0", "-no_tls1_3", "-no_tls1", "-serverpref")
		}, map[string]string{"versions": "TLS 1.2, TLS 1.1", "suites": "dhe", "groups": "", "order": "n/a", "pq": "no", "weak-hash": "yes",
			"ems": "yes", "compression": "no", "secure-reneg": "yes", "client-reneg": "unknown", "tickets": "yes", "early-data": "n/a", "handshake": "no"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Scan(t.Context(), tt.dial(t), options(root))
			if d := cmp.Diff(tt.want, facts(r)); d != "" {
				t.Error(d)
			}
			if r.Connections > 25 {
				t.Errorf("%d connections", r.Connections)
			}
			if len(r.Chains) == 0 || r.Chains[0].Trusted.Is != Yes || r.Chains[0].NameMatches.Is != Yes {
				t.Errorf("chains %+v", r.Chains)
			}
		})
	}
}

// TestWholeList wants every suite that openssl itself lists, given connections enough.
func TestWholeList(t *testing.T) {
	root := newRoot(t)
	leaf := root.issue(t, wish{name: "mx.example", key: rsaKey()})
	dial := openssl(t, leaf, "-cipher", "ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA:DHE-RSA-AES128-SHA:DHE-RSA-CAMELLIA256-SHA:ECDHE-RSA-AES128-SHA256",
		"-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_8_SHA256", "-groups", "P-521:ffdhe4096:X448:brainpoolP384r1")
	o := options(root)
	o.Connections = 100
	r := Scan(t.Context(), dial, o)
	if !r.Suites.Complete || !r.Groups.Complete {
		t.Errorf("not complete: %s, %s", r.Suites.Why, r.Groups.Why)
	}
	want := []string{"TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA",
		"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_CBC_SHA"}
	if d := cmp.Diff(want, names(r.Suites)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"P-521", "X448", "brainpoolP384r1", "ffdhe4096"}, names(r.Groups)); d != "" {
		t.Error(d)
	}
}

func names(o Offered) []string {
	var all []string
	for _, a := range o.Accepted {
		all = append(all, a.Name)
	}
	slices.Sort(all)
	return all
}

func TestQuick(t *testing.T) {
	root := newRoot(t)
	leaf := root.issue(t, wish{name: "mx.example"})
	for _, tt := range []struct {
		min  uint16
		want string
	}{
		{tls.VersionTLS12, "TLS 1.3, TLS 1.2, SSL 2.0?"},
		{tls.VersionTLS10, "TLS 1.3, TLS 1.2, TLS 1.1, TLS 1.0?, SSL 3.0?, SSL 2.0?"},
		{tls.VersionTLS13, "TLS 1.3, SSL 2.0?"},
	} {
		o := options(root)
		o.Depth = Quick
		r := Scan(t.Context(), goServer(t, &tls.Config{MinVersion: tt.min, Certificates: []tls.Certificate{leaf.tls()}}), o)
		if got := facts(r)["versions"]; got != tt.want || r.Connections > 3 {
			t.Errorf("from %s: %s in %d connections, want %s", tls.VersionName(tt.min), got, r.Connections, tt.want)
		}
	}
}

func TestChains(t *testing.T) {
	root, stranger := newRoot(t), newRoot(t)
	between := root.issue(t, wish{name: "between", issuer: true})
	day := 24 * time.Hour
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	old := root.issue(t, wish{name: "mx.example", from: now.Add(-90 * day), to: now.Add(-day)})
	young := root.issue(t, wish{name: "mx.example", from: now.Add(day), to: now.Add(90 * day)})
	self := (*authority)(nil).issue(t, wish{name: "mx.example"})
	below := between.issue(t, wish{name: "mx.example", key: p384})
	foreign := stranger.issue(t, wish{name: "mx.example"})
	other := root.issue(t, wish{name: "other.example", key: ed})
	tests := []struct {
		name        string
		cert        tls.Certificate
		fault       Fault
		nameMatches Is
		key         string
		bits        int
	}{
		{"whole", below.tls(between), "", Yes, "ECDSA", 384},
		{"incomplete", below.tls(), Incomplete, Yes, "ECDSA", 384},
		{"expired", old.tls(), Expired, Yes, "ECDSA", 256},
		{"not yet valid", young.tls(), NotYetValid, Yes, "ECDSA", 256},
		{"self-signed", self.tls(), SelfSigned, Yes, "ECDSA", 256},
		{"unknown root", foreign.tls(stranger), UnknownRoot, Yes, "ECDSA", 256},
		{"wrong name", other.tls(), "", No, "Ed25519", 256},
	}
	for _, tt := range tests {
		o := options(root)
		o.Depth = Quick
		r := Scan(t.Context(), goServer(t, &tls.Config{Certificates: []tls.Certificate{tt.cert}}), o)
		if len(r.Chains) != 1 {
			t.Errorf("%s: %d chains", tt.name, len(r.Chains))
			continue
		}
		c := r.Chains[0]
		leaf := c.Certificates[0]
		if c.Fault != tt.fault || (c.Trusted.Is == Yes) != (tt.fault == "") || c.NameMatches.Is != tt.nameMatches {
			t.Errorf("%s: fault %q, trusted %s, name %s", tt.name, c.Fault, c.Trusted, c.NameMatches)
		}
		if leaf.KeyType != tt.key || leaf.KeyBits != tt.bits || leaf.Signature != "ECDSA-SHA256" || len(c.Certificates) != len(tt.cert.Certificate) {
			t.Errorf("%s: %+v", tt.name, leaf)
		}
	}
}

// TestTwoKeys wants both certificates of a server that has an RSA and an ECDSA key.
func TestTwoKeys(t *testing.T) {
	root := newRoot(t)
	certs := []tls.Certificate{root.issue(t, wish{name: "mx.example"}).tls(), root.issue(t, wish{name: "mx.example", key: rsaKey()}).tls()}
	o := options(root)
	o.Connections = 40
	r := Scan(t.Context(), goServer(t, &tls.Config{Certificates: certs}), o)
	var kinds []string
	for _, c := range r.Chains {
		kinds = append(kinds, c.Certificates[0].KeyType)
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"ECDSA", "RSA"}) {
		t.Errorf("keys seen: %q", kinds)
	}
}

// TestNobodyThere wants unknown everywhere, and a reason: never "no".
func TestNobodyThere(t *testing.T) {
	broken := errors.New("454 4.7.0 TLS not available")
	calls := 0
	r := Scan(t.Context(), func(context.Context) (net.Conn, error) { calls++; return nil, broken }, options(newRoot(t)))
	for k, v := range facts(r) {
		switch k {
		case "versions":
			if strings.Count(v, "?") != 6 {
				t.Errorf("versions %s", v)
			}
		case "suites", "groups":
			if v != " ?" {
				t.Errorf("%s %q", k, v)
			}
		default:
			if v != "unknown" {
				t.Errorf("%s %s", k, v)
			}
		}
	}
	if a := r.Version(tls.VersionTLS12); !strings.Contains(a.Why, "454") {
		t.Errorf("no reason: %s", a)
	}
	if calls != 2 {
		t.Errorf("dialed %d times", calls)
	}
}

// TestHostileServers wants each to end in time, bounded, with nothing green: no
// version may be told as refused or accepted on the word of garbage.
func TestHostileServers(t *testing.T) {
	record := func(kind byte, n int) []byte { return plainRecord(kind, tls12, make([]byte, n)) }
	tests := []struct {
		name  string
		serve func(net.Conn)
	}{
		{"silent", func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"speaks SMTP", func(c net.Conn) { io.WriteString(c, "500 5.5.2 what\r\n"); io.Copy(io.Discard, c) }},
		{"hangs up at once", func(c net.Conn) {}},
		{"half a record", func(c net.Conn) { c.Write(record(recordHandshake, 100)[:50]) }},
		{"a hello of zeros", func(c net.Conn) { c.Write(record(recordHandshake, 100)); io.Copy(io.Discard, c) }},
		{"endless empty records", func(c net.Conn) { forever(c, record(recordHandshake, 0)) }},
		{"endless change cipher", func(c net.Conn) { forever(c, record(recordChangeCipher, 1)) }},
		{"an endless message", func(c net.Conn) {
			c.Write(plainRecord(recordHandshake, tls12, []byte{typeServerHello, 0xff, 0xff, 0xff}))
			forever(c, record(recordHandshake, 1<<14))
		}},
		{"a huge record", func(c net.Conn) { forever(c, []byte{recordHandshake, 3, 3, 0xff, 0xff}) }},
		{"drips", func(c net.Conn) {
			for _, b := range record(recordHandshake, 1<<14) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
		{"application data", func(c net.Conn) { forever(c, record(recordData, 10)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := 0
				var serving sync.WaitGroup
				defer serving.Wait()
				dial := func(ctx context.Context) (net.Conn, error) {
					ours, theirs := net.Pipe()
					open++
					serving.Go(func() {
						defer theirs.Close()
						theirs.Read(make([]byte, 4096))
						serving.Go(func() { io.Copy(io.Discard, theirs) })
						tt.serve(theirs)
					})
					return ours, nil
				}
				start := time.Now()
				r := Scan(t.Context(), dial, Options{Now: now, Depth: Full, Timeout: 5 * time.Second})
				if d := time.Since(start); d > 2*5*time.Second {
					t.Errorf("took %s", d)
				}
				for _, v := range r.Versions {
					if v.Is != Unknown {
						t.Errorf("%s: %s", v.Name, v.Answer)
					}
				}
				if open > 8 || len(r.Suites.Accepted) > 0 {
					t.Errorf("%d connections, suites %v", open, r.Suites.Accepted)
				}
			})
		})
	}
}

func forever(c net.Conn, octets []byte) {
	for {
		if _, err := c.Write(octets); err != nil {
			return
		}
	}
}

// TestHadEnough wants what was seen to stay when the server stops answering, and what
// was not to be unknown.
func TestHadEnough(t *testing.T) {
	root := newRoot(t)
	dial := goServer(t, &tls.Config{Certificates: []tls.Certificate{root.issue(t, wish{name: "mx.example"}).tls()}})
	calls := 0
	r := Scan(t.Context(), func(ctx context.Context) (net.Conn, error) {
		if calls++; calls > 3 {
			return nil, errors.New("421 4.7.0 too many connections")
		}
		return dial(ctx)
	}, options(root))
	if got := facts(r); got["versions"] != "TLS 1.3, TLS 1.2, TLS 1.1?, TLS 1.0?, SSL 3.0?, SSL 2.0?" || got["weak-hash"] != "unknown" ||
		!strings.HasSuffix(got["suites"], "?") || got["ems"] != "yes" || calls != 5 {
		t.Errorf("%d calls: %v", calls, got)
	}
}

// TestUnreadableCertificate wants one chain that says so.
func TestUnreadableCertificate(t *testing.T) {
	cert := tls.Certificate{Certificate: [][]byte{[]byte("no DER")}, PrivateKey: rsaKey()}
	r := Scan(t.Context(), goServer(t, &tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}), options(newRoot(t)))
	if len(r.Chains) != 1 || r.Chains[0].Fault != Unreadable || r.Chains[0].Trusted.Is != No || r.Handshake.Done.Is != No {
		t.Errorf("%+v, %s", r.Chains, r.Handshake.Done)
	}
}

// TestOldProtocols plays what no server at hand speaks any more.
func TestOldProtocols(t *testing.T) {
	serverHello3 := func() []byte {
		body := append([]byte{3, 0}, make([]byte, 32)...)
		body = append(body, 0, 0, 5, 1) // no session, RC4-SHA, DEFLATE
		return append(handshake(typeServerHello, body), handshake(typeServerHelloDone, nil)...)
	}
	dial := connServer(t, func(c net.Conn) {
		hello := make([]byte, 4096)
		n, err := c.Read(hello)
		switch {
		case err != nil:
		case hello[0]&0x80 != 0 && hello[2] == 1:
			c.Write(append([]byte{0x80, 11, 4, 0, 1, 0, 2}, make([]byte, 6)...))
		case bytes.Contains(hello[:n], []byte{0, 5}):
			c.Write(plainRecord(recordHandshake, ssl3, serverHello3()))
		default:
			c.Write(plainRecord(recordAlert, ssl3, []byte{2, 40}))
		}
	})
	r := Scan(t.Context(), dial, options(newRoot(t)))
	if got := facts(r); got["versions"] != "SSL 3.0, SSL 2.0" || got["suites"] != "rc4" || got["compression"] != "yes" ||
		got["secure-reneg"] != "no" || got["ems"] != "no" {
		t.Errorf("%v", got)
	}
}

func handshake(kind byte, body []byte) []byte {
	return append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}
