package route_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

// faults are domains of the lab's Internet that go wrong in the ways that only a
// validating resolver sees.
const faults = `
;lab sign dane-only.example.
dane-only.example. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
dane-only.example. 300 NS ns1.nameserver.example.
dane-only.example. 300 MX 10 mx.green.example.
unsigned.example. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
unsigned.example. 300 NS ns1.nameserver.example.
unsigned.example. 300 MX 10 mx.green.example.
;lab sign broken.example. bogus
broken.example. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
broken.example. 300 NS ns1.nameserver.example.
broken.example. 300 MX 10 mx.green.example.
;lab sign silent.example.
silent.example. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
silent.example. 300 NS ns1.nameserver.example.
silent.example. 300 MX 10 mx.silent.example.
mx.silent.example. 300 A 127.10.9.9
;lab fault _25._tcp.mx.silent.example. TLSA servfail
`

// way is what Requirement should find for a domain of the lab.
type way struct {
	domain string
	kind   route.Kind
	level  route.Level
	err    error
	sts    bool
}

// TestLab finds the way through a whole Internet: names, policies, TLS.
func TestLab(t *testing.T) {
	w := startLab(t)
	walk(t, w, []way{
		{"unsigned.example", route.ByMX, route.Opportunistic, nil, false},
		{"nobody.example", route.Nowhere, 0, world.ErrNoName, false},
	})
	p := route.Requirement(t.Context(), w, mail.MustParseDomain("green.example"))
	if !p.STS.Usable() || !p.STS.Policy.Allows(p.Hosts[0].Host) {
		t.Fatalf("policy: %v %v %v", p.STS.RecordErr, p.STS.FetchErr, p.STS.PolicyProblems)
	}
	need := p.Needs[0]
	if need.Level != route.DANE && need.Level != route.WebPKI {
		t.Fatalf("level %s", need.Level)
	}
	chain := presented(t, w, p.Hosts[0].V4[0])
	if err := need.Verify(chain, w.Roots, w.Now()); err != nil {
		t.Errorf("the lab's host does not meet its need: %v", err)
	}
	if err := need.Verify(chain[1:], w.Roots, w.Now()); err == nil {
		t.Error("a chain without the host's certificate passes")
	}
	set := route.LookupTLSA(t.Context(), w, p.Hosts[0].Name)
	if m, err := set.Match(chain, need.Names, w.Now()); err != nil || m.Depth != 0 {
		t.Errorf("TLSA: %+v, %v", m, err)
	}
	if r := route.LookupTLSRPT(t.Context(), w, p.Domain); r.Err != nil || len(r.Problems) > 0 {
		t.Errorf("TLS reports: %v %v", r.Err, r.Problems)
	}
}

// TestLabDNSSEC is what depends on a world that validates.
func TestLabDNSSEC(t *testing.T) {
	w := startLab(t)
	if a, err := w.Lookup(t.Context(), "green.example.", dns.TypeMX); err != nil || a.Security == world.Indeterminate {
		t.Skipf("this world does not validate DNSSEC (%v)", err)
	}
	walk(t, w, []way{
		{"green.example", route.ByMX, route.DANE, nil, true},
		{"dane-only.example", route.ByMX, route.DANE, nil, false},
		{"silent.example", route.ByMX, route.Undetermined, world.ErrTemporary, false},
		{"broken.example", route.Unknown, 0, world.ErrBogus, false},
	})
}

func startLab(t *testing.T) *world.World {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Zones: []string{faults}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.World()
}

func walk(t *testing.T, w *world.World, ways []way) {
	t.Helper()
	for _, tt := range ways {
		t.Run(tt.domain, func(t *testing.T) {
			p := route.Requirement(t.Context(), w, mail.MustParseDomain(tt.domain))
			if p.Kind != tt.kind || p.STS.Usable() != tt.sts {
				t.Fatalf("%s (%v), usable policy %v: %v %v", p.Kind, p.Err, p.STS.Usable(), p.STS.RecordErr, p.STS.FetchErr)
			}
			err := p.Err
			if len(p.Needs) > 0 {
				err = p.Needs[0].Err
				if p.Needs[0].Level != tt.level {
					t.Errorf("level %s, want %s", p.Needs[0].Level, tt.level)
				}
			}
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

// presented is the chain that a mail host shows after STARTTLS.
func presented(t *testing.T, w *world.World, ip netip.Addr) []*x509.Certificate {
	t.Helper()
	conn, err := w.Dial(t.Context(), netip.AddrPortFrom(ip, 25))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute)) // deadline
	lines := bufio.NewScanner(conn)
	for _, command := range []string{"", "EHLO probe.example\r\n", "STARTTLS\r\n"} {
		io.WriteString(conn, command)
		for lines.Scan() && strings.HasPrefix(lines.Text()[3:], "-") {
		}
	}
	session := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := session.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return session.ConnectionState().PeerCertificates
}
