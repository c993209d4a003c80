package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/world"
)

// soundZone is a small domain that all checks of names call right; the cases change
// one thing each. ZONE stands for the domain.
const soundZone = `
$ORIGIN ZONE.
$TTL 3600
@ SOA ns1.nameserver.example. hostmaster.nameserver.example. 1 7200 1800 1209600 3600
@ NS ns1.nameserver.example.
@ NS ns2.nameserver.example.
@ MX 10 mx.nameserver.example.
@ TXT "v=spf1 -all"
_dmarc TXT "v=DMARC1; p=reject"
`

// withoutNS makes room for other name servers.
const withoutNS = ";lab without ZONE. NS\n"

var zoneCases = []struct {
	name string
	more string   // added to the sound zone
	want []string // "check code", and a word of the summary or evidence
}{
	{"sound", "", []string{
		"dns.delegation delegated", "dns.servers spread", "dns.consistent alike", "dns.recursion closed", "dns.ipv6 reachable",
		"dns.soa sound", "dns.rname deliverable", "dns.sender-soa answers", "dns.dnssec unsigned", "dns.signatures unsigned",
		"dns.wildcard none", "dns.ttl fine", "mx.consistent same", "mx.parked in-use",
	}},
	{"signed", ";lab sign ZONE.\n", []string{"dns.dnssec secure", "dns.signatures ahead"}},
	{"bogus", ";lab sign ZONE. bogus\n", []string{"dns.dnssec broken", "dns.mx-dnssec broken", "dns.delegation delegated", "dns.soa bogus", "dns.signatures needs"}},
	{"all-dead", ";lab server ns1.nameserver.example. ZONE. drop\n;lab server ns2.nameserver.example. ZONE. drop\n;lab fault *.ZONE. ANY servfail\n",
		[]string{"dns.delegation no-answer", "dns.servers needs-unseen", "dns.consistent needs-unseen"}},
	{"all-lame", ";lab server ns1.nameserver.example. ZONE. lame\n;lab server ns2.nameserver.example. ZONE. lame\n", []string{"dns.delegation dead REFUSED"}},
	{"unanswered", ";lab fault ZONE. SOA drop\n", []string{"dns.delegation dead time-out", "dns.soa needs"}},
	{"mx-unanswered", ";lab fault ZONE. MX servfail\n", []string{"mx.consistent unseen", "mx.parked no-answer", "dns.mx-dnssec nothing", "dns.ttl no-answer"}},
	{"no-address", withoutNS + "@ NS ns1.nameserver.example.\n@ NS gone.nameserver.example.\n", []string{"dns.consistent no-address gone", "dns.servers single"}},
	{"neighbours", withoutNS + "@ NS a\n@ NS b\na A 127.10.130.1\nb A 127.10.130.2\n", []string{"dns.servers one-network 127.10.130.0/24", "dns.ipv6 none"}},
	{"one-system", withoutNS + "@ NS a\n@ NS b\na A 127.10.131.1\nb A 127.10.132.1\n", []string{"dns.servers one-system AS64510"}},
	{"no-origin", withoutNS + "@ NS a\n@ NS b\na A 127.10.133.1\nb A 127.10.134.1\n;lab fault 1.133.10.127.origin.asn.cymru.com. TXT servfail\n", []string{"dns.servers no-answer"}},
	{"one-v6", withoutNS + "@ NS ns1.nameserver.example.\n@ NS b\nb A 127.20.133.1\n", []string{"dns.ipv6 one"}},
	{"v6-unknown", withoutNS + "@ NS a\n@ NS b\na A 127.10.135.1\nb A 127.20.135.1\n;lab fault a.ZONE. AAAA servfail\n", []string{"dns.ipv6 no-answer"}},
	{"timers", ";lab without ZONE. SOA\n@ SOA ns1.nameserver.example. hostmaster.nameserver.example. 1 60 30 1209600 3600\n", []string{"dns.soa timers refresh"}},
	{"no-primary", ";lab without ZONE. SOA\n@ SOA gone.nameserver.example. hostmaster.nameserver.example. 1 7200 1800 1209600 3600\n", []string{"dns.soa no-primary gone"}},
	{"rname-at", ";lab without ZONE. SOA\n" + `@ SOA ns1.nameserver.example. a\@nameserver.example. 1 7200 1800 1209600 3600` + "\n", []string{"dns.rname malformed"}},
	{"rname-lost", ";lab without ZONE. SOA\n@ SOA ns1.nameserver.example. a.gone.nameserver.example. 1 7200 1800 1209600 3600\n", []string{"dns.rname undeliverable gone"}},
	{"rname-open", ";lab without ZONE. SOA\n@ SOA ns1.nameserver.example. a.fails.ZONE. 1 7200 1800 1209600 3600\n;lab fault fails.ZONE. MX servfail\n", []string{"dns.rname no-answer"}},
	{"wild-mx", "* MX 10 mx.nameserver.example.\n", []string{"dns.wildcard wildcard-mx"}},
	{"wild-txt", "* TXT \"anything\"\n", []string{"dns.wildcard wildcard-txt anything"}},
	{"apex-alias", ";lab without ZONE. MX\n@ CNAME other.nameserver.example.\n", []string{"dns.wildcard apex-alias other"}},
	{"long", ";lab without ZONE. MX\n@ 259200 MX 10 mx.nameserver.example.\n", []string{"dns.ttl long 259200"}},
	{"short", ";lab without ZONE. MX\n@ 30 MX 10 mx.nameserver.example.\n", []string{"dns.ttl short"}},
	{"parked", ";lab without ZONE. MX\n@ MX 0 .\n*._domainkey TXT \"v=DKIM1; p=\"\n", []string{"mx.parked parked"}},
	{"half-parked", ";lab without ZONE. MX\n", []string{"mx.parked partial null"}},
	{"parked-open", ";lab without ZONE. MX\n@ MX 0 .\n;lab fault *._domainkey.ZONE. TXT servfail\n", []string{"mx.parked no-answer"}},
}

// Each zone is the sound one with one change, and the checks of names say what the
// change did: absence, silence and lies are told apart.
func TestZones(t *testing.T) {
	zones := []string{nameServerMX}
	var targets []check.Target
	for _, c := range zoneCases {
		name := c.name + "-zones.example"
		zones = append(zones, strings.ReplaceAll(soundZone, "ZONE", name), strings.ReplaceAll(relative(c.more), "ZONE", name))
		targets = append(targets, target(t, name))
	}
	l := start(t, lab.Options{Bare: true, Zones: append(zones, originZones)})
	w, err := l.File().World(world.Options{Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	reports := map[string]*finding.Report{}
	audit := check.NewAudit(w, check.Options{Timeout: time.Minute, Only: []string{"dns", "mx.consistent", "mx.parked"}})
	audit.RunAll(t.Context(), targets, func(r *finding.Report) { reports[r.Target] = r })
	for _, c := range zoneCases {
		t.Run(c.name, func(t *testing.T) { judgeZone(t, reports[c.name+"-zones.example"], c.want) })
	}
}

func judgeZone(t *testing.T, r *finding.Report, wants []string) {
	t.Helper()
	for _, want := range wants {
		words := strings.Fields(want)
		if words[1] == "nothing" {
			if f := find(r, words[0]); f.Check != "" {
				t.Errorf("%s speaks: %s", words[0], f.Summary)
			}
			continue
		}
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return says(f, words) }) {
			f := find(r, words[0])
			t.Errorf("nothing says %q, but %s: %s %q", want, f.Code, f.Summary, f.Evidence)
		}
	}
}

// relative puts the records of a case under its own name.
func relative(more string) string { return "$ORIGIN ZONE.\n$TTL 3600\n" + more }

// nameServerMX gives the host that the zones name as their MX an address.
const nameServerMX = `
$ORIGIN nameserver.example.
$TTL 3600
mx A 127.10.0.98
98.0.10.127.in-addr.arpa. PTR mx
;lab without nameserver.example. MX
@ MX 10 mx
`

// originZones say who announces the networks of the name servers.
const originZones = `
$ORIGIN asn.cymru.com.
$TTL 3600
@ SOA ns1.nameserver.example. hostmaster.nameserver.example. 1 7200 1800 1209600 300
@ NS ns1.nameserver.example.
@ NS ns2.nameserver.example.
*.10.127.origin TXT "64510 | 127.10.0.0/16 | ZZ | lab | 2026-01-01"
*.20.127.origin TXT "64520 | 127.20.0.0/16 | ZZ | lab | 2026-01-01"
`

// A domain that is not there, and a name that is not there in one that is.
func TestNoSuchDomain(t *testing.T) {
	l := start(t, lab.Options{Bare: true, Zones: []string{originZones}})
	for name, wants := range map[string][]string{
		"not-registered.example":      {"domain.exists no-domain"},
		"gone.nameserver.example":     {"domain.exists no-domain"},
		"resolver.nameserver.example": {"dns.delegation delegated nameserver.example", "dns.sender-soa answers"},
	} {
		audit := check.NewAudit(l.World(), check.Options{Only: []string{"dns"}})
		judgeZone(t, audit.Run(t.Context(), target(t, name), nil), wants)
	}
}

// Name servers that lie, or are somebody else, leave the question open.
func TestDelegationWithoutWorld(t *testing.T) {
	w := world.None()
	r := check.NewAudit(w, check.Options{Only: []string{"dns"}}).Run(t.Context(), target(t, "example.com"), nil)
	for _, f := range r.Findings {
		if f.Status != finding.Unknown && f.Status != finding.Skip {
			t.Errorf("%s says %s: %s", f.Check, f.Code, f.Summary)
		}
	}
}
