package authority_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab/authority"
)

// root is the least that can be loaded.
const root = `
. SOA ns.root. hostmaster.root. 1 7200 1800 1814400 3600
. NS ns.root.
ns.root. A 127.1.0.1
`

// tree is a small Internet with a signed and an unsigned side.
const tree = `
;lab sign .
;lab sign signed.
;lab sign three. nsec3
signed. SOA ns.root. h.root. 1 7200 1800 1814400 300
signed. NS ns.signed.
ns.signed. A 127.1.0.2
a.b.c.signed. A 127.1.1.1
*.wild.signed. TXT "wild"
alias.signed. CNAME target.plain.
loop.signed. CNAME loop.signed.
three. SOA ns.root. h.root. 1 7200 1800 1814400 300
three. NS ns.root.
x.y.three. A 127.1.1.2
plain. SOA ns.root. h.root. 1 7200 1800 1814400 300
plain. NS ns.plain.
ns.plain. A 127.1.0.3
target.plain. A 127.1.1.3
;lab fault fails.plain. ANY servfail
;lab fault *.quiet.plain. TXT drop
`

func load(t testing.TB, texts ...string) *authority.Authority {
	t.Helper()
	a, err := authority.Load(time.Now(), append([]string{root}, texts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ask(t testing.TB, r authority.Responder, name string, qtype uint16, dnssec bool) *dns.Msg {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name, qtype)
	if dnssec {
		q.SetEdns0(4096, true)
	}
	return r.Answer(t.Context(), q, true)
}

// summary is the reply as one line: code, then owner/type of each record.
func summary(m *dns.Msg) string {
	if m == nil {
		return "silence"
	}
	words := []string{dns.RcodeToString[m.Rcode]}
	for i, section := range [][]dns.RR{m.Answer, m.Ns} {
		for _, rr := range section {
			if t := rr.Header().Rrtype; t != dns.TypeRRSIG {
				words = append(words, []string{"an:", "ns:"}[i]+rr.Header().Name+"/"+dns.TypeToString[t])
			}
		}
	}
	return strings.Join(words, " ")
}

func TestResolverAnswers(t *testing.T) {
	r := load(t, tree).Resolver()
	for _, c := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"a.b.c.signed.", dns.TypeA, "NOERROR an:a.b.c.signed./A"},
		{"A.B.C.Signed.", dns.TypeA, "NOERROR an:a.b.c.signed./A"},
		{"a.b.c.signed.", dns.TypeMX, "NOERROR ns:signed./SOA ns:a.b.c.signed./NSEC"},
		{"b.c.signed.", dns.TypeA, "NOERROR ns:signed./SOA ns:alias.signed./NSEC"}, // an empty non-terminal
		{"no.signed.", dns.TypeA, "NXDOMAIN ns:signed./SOA ns:loop.signed./NSEC ns:signed./NSEC"},
		{"deep.below.wild.signed.", dns.TypeTXT, "NOERROR an:deep.below.wild.signed./TXT ns:*.wild.signed./NSEC"},
		{"x.wild.signed.", dns.TypeA, "NOERROR ns:signed./SOA ns:*.wild.signed./NSEC"},
		{"alias.signed.", dns.TypeA, "NOERROR an:alias.signed./CNAME an:target.plain./A"},
		{"alias.signed.", dns.TypeCNAME, "NOERROR an:alias.signed./CNAME"},
		{"loop.signed.", dns.TypeA, "SERVFAIL"},
		{"plain.", dns.TypeDS, "NOERROR ns:./SOA ns:plain./NSEC"},
		{"signed.", dns.TypeDS, "NOERROR an:signed./DS"},
		{"nowhere.", dns.TypeA, "NXDOMAIN"},
		{"fails.plain.", dns.TypeA, "SERVFAIL"},
		{"x.quiet.plain.", dns.TypeTXT, "silence"},
		{"quiet.plain.", dns.TypeTXT, "silence"},
		{"x.quiet.plain.", dns.TypeA, "NXDOMAIN"},
	} {
		got := summary(ask(t, r, c.name, c.qtype, true))
		if got != c.want && !(strings.HasPrefix(got, c.want+" ") && !strings.Contains(c.want, ":")) {
			t.Errorf("%s %s:\n got %s\nwant %s", c.name, dns.TypeToString[c.qtype], got, c.want)
		}
		if strings.Contains(summary(ask(t, r, c.name, c.qtype, false)), "NSEC") {
			t.Errorf("%s: a proof went to somebody who did not ask for it", c.name)
		}
	}
}

// Every signature must verify with the zone's key, over exactly what was sent.
func TestSignaturesVerify(t *testing.T) {
	r := load(t, tree).Resolver()
	for _, c := range []struct {
		name  string
		qtype uint16
	}{
		{".", dns.TypeDNSKEY}, {"a.b.c.signed.", dns.TypeA}, {"x.wild.signed.", dns.TypeTXT},
		{"no.signed.", dns.TypeA}, {"x.y.three.", dns.TypeA}, {"no.three.", dns.TypeA}, {"y.three.", dns.TypeA},
	} {
		reply := ask(t, r, c.name, c.qtype, true)
		all := append(slices.Clone(reply.Answer), reply.Ns...)
		verified := 0
		for _, rr := range all {
			sig, ok := rr.(*dns.RRSIG)
			if !ok {
				continue
			}
			covered := slices.DeleteFunc(slices.Clone(all), func(rr dns.RR) bool {
				return rr.Header().Rrtype != sig.TypeCovered || rr.Header().Name != sig.Hdr.Name
			})
			key := ask(t, r, sig.SignerName, dns.TypeDNSKEY, false).Answer[0].(*dns.DNSKEY)
			if err := sig.Verify(key, covered); err != nil {
				t.Errorf("%s %s: signature over %s: %s", c.name, dns.TypeToString[c.qtype], sig.Hdr.Name, err)
			}
			verified++
		}
		if verified == 0 {
			t.Errorf("%s %s: no signature at all", c.name, dns.TypeToString[c.qtype])
		}
	}
}

func TestServersSpeakForTheirZones(t *testing.T) {
	a := load(t, tree)
	at := func(ip string) authority.Responder { return a.Server(netip.MustParseAddr(ip)) }
	if got := a.NameServers(); len(got) != 3 {
		t.Errorf("name servers: %v", got)
	}
	for _, c := range []struct {
		ip, name string
		qtype    uint16
		want     string
		aa       bool
	}{
		{"127.1.0.2", "signed.", dns.TypeSOA, "NOERROR an:signed./SOA", true},
		{"127.1.0.2", "plain.", dns.TypeSOA, "REFUSED", false},
		{"127.1.0.1", "target.plain.", dns.TypeA, "NOERROR ns:plain./NS", false},
		{"127.1.0.1", "plain.", dns.TypeDS, "NOERROR ns:./SOA", true},
		{"127.1.0.3", "target.plain.", dns.TypeA, "NOERROR an:target.plain./A", true},
	} {
		m := ask(t, at(c.ip), c.name, c.qtype, false)
		if got := summary(m); got != c.want || m.Authoritative != c.aa {
			t.Errorf("%s about %s %s: %s, AA %v", c.ip, c.name, dns.TypeToString[c.qtype], got, m.Authoritative)
		}
	}
	if m := ask(t, at("127.1.0.1"), "target.plain.", dns.TypeA, false); len(m.Extra) != 1 {
		t.Errorf("glue: %v", m.Extra)
	}
}

func TestLoadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"x. MX":                            "zone text",
		";lab fly x.":                      "does not know",
		";lab sign x. magic":               "magic",
		";lab fault x. A":                  "name, a type and an effect",
		";lab fault x. A explode":          "explode",
		";lab fault x. BLUB drop":          "BLUB",
		";lab server ns.x. x. serial=many": "many",
		";lab server ns.x. x. asleep":      "asleep",
		";lab without x. A":                "take away",
		";lab forward x. 192.0.2.1:53":     "on loopback",
		"x. SOA a. b. 1 2 3 4 5":           "no NS",
		";lab sign x.":                     "no zone",
		";lab \n;lab sign":                 "says nothing",
	} {
		_, err := authority.Load(time.Now(), root, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzLoad: whatever a text says, it is an error or a zone that answers.
func FuzzLoad(f *testing.F) {
	f.Add(tree)
	f.Add("x. SOA a. b. 1 2 3 4 5\nx. NS x.\n;lab sign x. nsec3\n\\000.x. TXT \"\\255\"")
	f.Add(";lab without x. A")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "$GENERATE") || strings.Contains(text, "$INCLUDE") {
			t.Skip("slow by design, or about files")
		}
		a, err := authority.Load(time.Unix(1800000000, 0), root, text)
		if err != nil {
			return
		}
		for _, name := range []string{".", "x.", "no.x.", "a.b.c.signed."} {
			if m := ask(t, a.Resolver(), name, dns.TypeANY, true); m != nil {
				if _, err := m.Pack(); err != nil {
					t.Errorf("%s: an answer that cannot be sent: %s", name, err)
				}
			}
		}
	})
}

// FuzzAnswer: whatever is asked, there is an answer that can be sent, or silence.
func FuzzAnswer(f *testing.F) {
	a := load(f, tree)
	for _, name := range []string{"a.b.c.signed.", "no.three.", "x.wild.signed."} {
		q := new(dns.Msg).SetQuestion(name, dns.TypeA)
		q.SetEdns0(1232, true)
		wire, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, false)
	}
	f.Fuzz(func(t *testing.T, wire []byte, tcp bool) {
		q := new(dns.Msg)
		if q.Unpack(wire) != nil {
			return
		}
		for _, r := range []authority.Responder{a.Resolver(), a.Server(netip.MustParseAddr("127.1.0.1"))} {
			m := r.Answer(t.Context(), q, tcp)
			if m == nil {
				continue
			}
			out, err := m.Pack()
			if err != nil {
				t.Fatalf("an answer that cannot be sent: %s", err)
			}
			if !tcp && len(out) > 1232 {
				t.Errorf("%d octets over UDP", len(out))
			}
		}
	})
}
