package check

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

func TestRNameAddress(t *testing.T) {
	tests := []struct{ rname, want string }{
		{"hostmaster.example.com.", "hostmaster@example.com"},
		{`john\.doe.example.com.`, "john.doe@example.com"},
		{"Hostmaster.Example.COM.", "hostmaster@example.com"}, // names have no case
		{`dns-admin+zone.example.com.`, "dns-admin+zone@example.com"},
		{`hostmaster\@example.com.`, ""}, // written as an address
		{`hostmaster@example.com.`, ""},
		{`a\064b.example.com.`, ""},
		{".", ""},
		{"hostmaster.", ""},
		{`two\032words.example.com.`, ""},
		{`nul\000.example.com.`, ""},
		{`hostmaster._tcp.example.com.`, ""}, // no mail domain has an underscore
		{strings.Repeat("x", 64) + ".example.com.", ""},
	}
	for _, tt := range tests {
		got, err := rnameAddress(tt.rname)
		if (err == nil) != (tt.want != "") || err == nil && got.String() != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.rname, got, err, tt.want)
		}
	}
}

func FuzzRName(f *testing.F) {
	for _, seed := range []string{"hostmaster.example.com.", `a\.b.c.`, `\000.x.`, ".", `\`, `a\@b.c.`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rname string) {
		a, err := rnameAddress(rname)
		if err != nil {
			return
		}
		if again, err := mail.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q became %q, which is no address: %v", rname, a, err)
		}
	})
}

func TestTimerFault(t *testing.T) {
	sound := dns.SOA{Refresh: 7200, Retry: 1800, Expire: 1209600, Minttl: 3600}
	tests := []struct {
		name   string
		change func(*dns.SOA)
		want   string
	}{
		{"sound", func(*dns.SOA) {}, ""},
		{"any serial", func(s *dns.SOA) { s.Serial = 1 }, ""},
		{"refresh of minutes", func(s *dns.SOA) { s.Refresh, s.Retry = 600, 300 }, "refresh"},
		{"no retry", func(s *dns.SOA) { s.Retry = 0 }, "retry"},
		{"retry over refresh", func(s *dns.SOA) { s.Retry = 7201 }, "retry"},
		{"expire of days", func(s *dns.SOA) { s.Expire = 86400 }, "expire"},
		{"expire under refresh", func(s *dns.SOA) { s.Refresh, s.Expire = 1209600, 1209600 }, "expire"},
		{"long denials", func(s *dns.SOA) { s.Minttl = 86401 }, "minimum"},
		{"all ones", func(s *dns.SOA) {
			*s = dns.SOA{Refresh: 1<<32 - 1, Retry: 1<<32 - 1, Expire: 1<<32 - 1, Minttl: 1<<32 - 1}
		}, "expire"},
	}
	for _, tt := range tests {
		soa := sound
		tt.change(&soa)
		if got := timerFault(&soa); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func caa(t *testing.T, texts ...string) []*dns.CAA {
	t.Helper()
	var records []*dns.CAA
	for _, text := range texts {
		rr, err := dns.NewRR("mx.example.com. CAA " + text)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr.(*dns.CAA))
	}
	return records
}

func TestCAAIssuers(t *testing.T) {
	plain := &x509.Certificate{DNSNames: []string{"mx.example.com"}}
	wild := &x509.Certificate{DNSNames: []string{"*.example.com"}}
	tests := []struct {
		records    []string
		cert       *x509.Certificate
		allowed    []string
		restricted bool
	}{
		{[]string{`0 issue "letsencrypt.org"`}, plain, []string{"letsencrypt.org"}, true},
		{[]string{`0 issue " LetsEncrypt.org ; accounturi=https://x"`}, plain, []string{"letsencrypt.org"}, true},
		{[]string{`0 issue ";"`}, plain, nil, true},
		{[]string{`0 issue ";"`, `0 issue "pki.goog"`}, plain, []string{"pki.goog"}, true},
		{[]string{`0 issuewild ";"`}, plain, nil, false},
		{[]string{`0 issue "pki.goog"`, `0 issuewild ";"`}, wild, nil, true},
		{[]string{`0 issue "pki.goog"`}, wild, []string{"pki.goog"}, true},
		{[]string{`0 iodef "mailto:a@example.com"`}, plain, nil, false},
		{[]string{`0 issue "pki.goog"`}, nil, []string{"pki.goog"}, true},
	}
	for _, tt := range tests {
		allowed, restricted := caaIssuers(caa(t, tt.records...), tt.cert)
		if !slices.Equal(allowed, tt.allowed) || restricted != tt.restricted {
			t.Errorf("%v: got %v %v, want %v %v", tt.records, allowed, restricted, tt.allowed, tt.restricted)
		}
	}
}

func TestCAAFault(t *testing.T) {
	for record, want := range map[string]string{
		`0 issue "letsencrypt.org"`:                          "",
		`128 issue "letsencrypt.org"`:                        "",
		`128 future "x"`:                                     "critical",
		`0 future "x"`:                                       "",
		`0 issue "https://letsencrypt.org"`:                  "malformed",
		`0 issue "Let's Encrypt"`:                            "malformed",
		`0 issue ";"`:                                        "",
		`0 issue "letsencrypt.org;validationmethods=dns-01"`: "",
	} {
		if code, _ := caaFault(caa(t, record)); code != want {
			t.Errorf("%s: got %q, want %q", record, code, want)
		}
	}
}

func TestCompareIssuer(t *testing.T) {
	s := &Subject{Target: Target{Kind: Domain, Domain: mail.MustParseDomain("example.com")}}
	for _, tt := range []struct {
		organization string
		allowed      string
		want         string
	}{
		{"Let's Encrypt", "letsencrypt.org", "allowed"},
		{"Let's Encrypt", "pki.goog", "forbidden"},
		{"DigiCert Inc", "symantec.com", "allowed"},
		{"GoDaddy.com, Inc.", "godaddy.com", "allowed"},
		{"Nobody's CA", "letsencrypt.org", "not-compared"},
		{"", "letsencrypt.org", "not-compared"},
	} {
		var f finding.Finding
		s.compareIssuer(&f, Server{Name: s.Domain()}, &x509.Certificate{Issuer: pkix.Name{Organization: []string{tt.organization}}}, []string{tt.allowed})
		if f.Code != tt.want {
			t.Errorf("%s under CAA %s: got %s, want %s", tt.organization, tt.allowed, f.Code, tt.want)
		}
	}
}

// The list of authorities is data, and has to be right by itself.
func TestIssuersAreData(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range knownIssuers() {
		if k.Organization == "" || seen[k.Organization] || len(k.Domains) == 0 {
			t.Errorf("%q is empty, or stands there twice", k.Organization)
		}
		seen[k.Organization] = true
		for _, d := range k.Domains {
			if parsed, err := mail.ParseDomain(d); err != nil || parsed.String() != d {
				t.Errorf("%s: %q is no identifier: %v", k.Organization, d, err)
			}
		}
	}
}

// forbidden is an exchanger that must not be used.
type forbidden struct{ t *testing.T }

func (x forbidden) Exchange(_ context.Context, q world.Query) (*dns.Msg, error) {
	x.t.Errorf("%s was asked for %s", q.Server, q.Name)
	return nil, world.ErrNoWorld
}

// A zone must not be able to have us ask in somebody's private network.
func TestPrivateNameServersAreNotAsked(t *testing.T) {
	s := &Subject{World: &world.World{Exchanger: forbidden{t}}, Target: Target{Kind: Domain, Domain: mail.MustParseDomain("example.com")}}
	for _, ip := range []string{"10.0.0.1", "127.0.0.1", "169.254.169.254", "fd00::1", "::1"} {
		n := &NameServer{Name: "ns.example.com.", IP: netip.MustParseAddr(ip)}
		s.interview(t.Context(), n, "example.com.", s.Domain())
		if code, _ := n.fault(); code != "private" {
			t.Errorf("%s: got %q, want private", ip, code)
		}
	}
}

// scripted answers for name servers.
type scripted func(q world.Query) (*dns.Msg, error)

func (x scripted) Exchange(_ context.Context, q world.Query) (*dns.Msg, error) { return x(q) }

// What name servers may answer, and what is made of it.
func TestInterview(t *testing.T) {
	soa, err := dns.NewRR("example.com. SOA ns. a.example.com. 1 7200 1800 1209600 3600")
	if err != nil {
		t.Fatal(err)
	}
	reply := func(change func(*dns.Msg)) scripted {
		return func(q world.Query) (*dns.Msg, error) {
			m := new(dns.Msg)
			m.Authoritative = true
			if q.Type == dns.TypeSOA {
				m.Answer = []dns.RR{soa}
			}
			if !q.Plain {
				m.SetEdns0(1232, false)
			}
			if change != nil {
				change(m)
			}
			return m, nil
		}
	}
	lost := &world.LookupError{Kind: world.ErrTemporary, Detail: "time-out", Cause: context.DeadlineExceeded}
	good := reply(nil)
	tests := []struct {
		name   string
		answer scripted
		want   string
	}{
		{"good", good, ""},
		{"nothing at all", func(world.Query) (*dns.Msg, error) { return nil, lost }, "silent"},
		{"refused", reply(func(m *dns.Msg) { m.Rcode, m.Answer, m.Authoritative = dns.RcodeRefused, nil, false }), "lame"},
		{"not authoritative", reply(func(m *dns.Msg) { m.Authoritative = false }), "lame"},
		{"another zone's SOA", reply(func(m *dns.Msg) {
			other := dns.Copy(soa)
			other.Header().Name = "com."
			m.Answer = []dns.RR{other}
		}), "lame"},
		{"EDNS left out", reply(func(m *dns.Msg) { m.Extra = nil }), "no-edns"},
		{"EDNS dropped", func(q world.Query) (*dns.Msg, error) {
			if !q.Plain && q.UDP && q.Type == dns.TypeSOA {
				return nil, lost
			}
			return good(q)
		}, "no-edns"},
		{"TCP refused", func(q world.Query) (*dns.Msg, error) {
			if q.TCP {
				return nil, &world.LookupError{Kind: world.ErrTemporary, Detail: "connection refused"}
			}
			return good(q)
		}, "no-tcp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Subject{World: &world.World{Exchanger: tt.answer}, Target: Target{Kind: Domain, Domain: mail.MustParseDomain("example.com")}}
			n := &NameServer{Name: "ns.example.com.", IP: netip.MustParseAddr("8.8.8.8")}
			s.interview(t.Context(), n, "example.com.", s.Domain())
			if code, words := n.fault(); code != tt.want {
				t.Errorf("got %q (%s), want %q", code, words, tt.want)
			}
		})
	}
}

// An answer with recursion from a parent's server is nobody's word: something on the
// way redirects port 53.
func TestInterceptedIsUnknown(t *testing.T) {
	d := &Delegation{Zone: "example.com."}
	m := &dns.Msg{MsgHdr: dns.MsgHdr{RecursionAvailable: true}}
	ns, err := dns.NewRR("example.com. NS ns.example.com.")
	if err != nil {
		t.Fatal(err)
	}
	m.Answer = []dns.RR{ns}
	if d.hear(m); !d.Intercepted || len(d.AtParent) > 0 {
		t.Errorf("a resolver was taken for the parent: %+v", d)
	}
}
