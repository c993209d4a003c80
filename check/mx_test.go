package check

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// What nobody saw of a host is neither a fault of it nor a merit.
func TestMXHosts(t *testing.T) {
	const (
		two = `
example.com. MX 10 a.example.com.
example.com. MX 20 b.example.com.
a.example.com. A 192.0.2.1
b.example.com. A 192.0.2.2
`
		bothFamilies = oneHost + "mx.example.com. AAAA 2001:db8::1\n"
		onlySix      = oneHost + "example.com. MX 20 six.example.com.\nsix.example.com. AAAA 2001:db8::6\n"
		v4, v6       = "mx.example.com. A", "mx.example.com. AAAA"
	)
	strict := script{"RCPT": "550 5.1.1 no such user"}
	tests := []struct {
		name, zone string
		fail       map[string]error
		hosts      scripts
		want       string
	}{
		{"both alike", two, nil, scripts{"192.0.2.1": strict, "192.0.2.2": strict}, `
			mx.reachable: answers/green answers/green
			mx.backup: alike/green`},
		{"one takes everything", two, nil, scripts{"192.0.2.1": strict, "192.0.2.2": {}}, `
			mx.backup: lax-recipients/red`},
		{"one breaks off at RCPT", two, nil, scripts{"192.0.2.1": strict, "192.0.2.2": {"RCPT": hangUp}}, `
			mx.backup: unseen/unknown`},
		{"one dislikes us", two, nil, scripts{"192.0.2.1": strict, "192.0.2.2": {"RCPT": "554 5.7.1 blocked"}}, `
			mx.backup: unseen/unknown`},
		{"one is dead", two, nil, scripts{"192.0.2.1": strict}, `
			mx.reachable: answers/green some-dead/yellow
			mx.backup: unseen/unknown`},
		{"one has no address at all", strings.Replace(two, "b.example.com. A", "c.example.com. A", 1), nil, scripts{"192.0.2.1": strict}, `
			mx.address: public/green none/red
			mx.reachable: answers/green
			mx.backup: alike/green`},
		{"one is private", strings.Replace(two, "192.0.2.2", "10.0.0.2", 1), nil, scripts{"192.0.2.1": strict}, `
			mx.address: public/green private/red
			mx.reachable: answers/green
			mx.backup: unseen/unknown`},
		{"all are private", strings.ReplaceAll(two, "192.0.2", "10.0.0"), nil, nil, `
			mx.address: private/red private/red
			mx.backup: needs/skip
			smtp.basics: needs/skip`},
		{"both refuse", two, nil, nil, "mx.reachable: all-dead/red all-dead/red"},
		{"one refuses, one is silent", two, nil, scripts{"192.0.2.2": {"": unreached}}, `
			mx.reachable: some-dead/yellow blocked-here/unknown`},
		{"both are silent", two, nil, scripts{"192.0.2.1": {"": unreached}, "192.0.2.2": {"": unreached}}, `
			mx.reachable: blocked-here/unknown blocked-here/unknown`},
		{"nobody knows an address", two, map[string]error{
			"a.example.com. A": world.ErrTemporary, "a.example.com. AAAA": world.ErrTemporary,
			"b.example.com. A": world.ErrBogus, "b.example.com. AAAA": world.ErrBogus,
		}, nil, `
			mx.target: no-answer/unknown bogus/unknown
			mx.address: no-answer/unknown bogus/unknown
			mx.reachable: no-answer/unknown bogus/unknown
			mx.backup: needs-unseen/skip
			rdns.forward-confirmed: no-answer/unknown`},
		{"one cannot be looked up, one refuses", two, map[string]error{"b.example.com. A": world.ErrTemporary, "b.example.com. AAAA": world.ErrTemporary}, nil, `
			mx.target: host/green no-answer/unknown
			mx.reachable: no-answer/unknown some-dead/yellow`},
		{"one family answers that there is no alias", oneHost, map[string]error{v6: world.ErrTemporary}, scripts{"192.0.2.1": strict}, `
			mx.target: host/green
			mx.ipv6: no-answer/unknown`},
		{"IPv6", bothFamilies, nil, scripts{"192.0.2.1": strict, "2001:db8::1": strict}, `
			mx.reachable: answers/green answers/green
			mx.ipv6: answers/green`},
		{"no IPv6", oneHost, nil, scripts{"192.0.2.1": strict}, "mx.ipv6: none/skip"},
		{"dead IPv6", bothFamilies, nil, scripts{"192.0.2.1": strict}, `
			mx.reachable: answers/green
			mx.ipv6: dead/red`},
		{"no IPv6 here", bothFamilies, nil, scripts{"192.0.2.1": strict, "2001:db8::1": {"": unrouted}}, `
			mx.reachable: answers/green
			mx.ipv6: no-ipv6-here/unknown`},
		{"no IPv6 here, and a host with nothing else", onlySix, nil, scripts{"192.0.2.1": strict, "2001:db8::6": {"": unrouted}}, `
			mx.reachable: answers/green no-way/unknown`},
		{"no domain", "", map[string]error{"example.com. MX": world.ErrTemporary}, nil, `
			mx.exists: no-answer/unknown
			rdns.forward-confirmed: no-answer/unknown`},
		{"no mail", "example.com. MX 0 .", nil, nil, `
			mx.exists: null-mx/skip
			mx.backup: single/skip`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, auditScripts(t, tt.zone, tt.fail, tt.hosts, noProof), tt.want)
		})
	}
}

// More addresses than one audit visits are said to be left out, and not called alike.
func TestMoreMXHostsThanAreVisited(t *testing.T) {
	var zone strings.Builder
	hosts := scripts{}
	for i := range maxServers + 1 {
		fmt.Fprintf(&zone, "example.com. MX %d m%02d.example.com.\nm%02d.example.com. A 192.0.2.%d\n", i, i, i, i+1)
		hosts[fmt.Sprintf("192.0.2.%d", i+1)] = script{"RCPT": "550 5.1.1 no such user"}
	}
	expect(t, auditScripts(t, zone.String(), nil, hosts, noProof), `
		mx.reachable: not-visited/skip`+strings.Repeat(" answers/green", maxServers)+`
		mx.backup: unseen/unknown`)
}

// One visit that takes all the time of an audit leaves the other address unseen, not
// dead, whichever of them it was.
func TestOurDeadlineKillsNoHost(t *testing.T) {
	zone := oneHost + "mx.example.com. AAAA 2001:db8::1\n"
	said := auditWithin(t, 10*time.Second, zone, nil, scripts{"192.0.2.1": {"EHLO": silence}, "2001:db8::1": {"EHLO": silence}}, noProof)
	for check, words := range said {
		if strings.HasPrefix(check, "mx.") && strings.Contains(words, "dead") || strings.HasPrefix(check, "smtp.") && strings.Contains(words, "/red") {
			t.Errorf("%s says %s", check, words)
		}
	}
	if words := said["mx.reachable"] + said["mx.ipv6"]; !strings.Contains(words, "out-of-time/unknown") {
		t.Errorf("nothing was out of time: %v", said)
	}
}

// A host by name that cannot be looked up is not a host without senders.
func TestHostThatIsNotThere(t *testing.T) {
	tests := []struct {
		name, zone string
		fail       error
		want       string
	}{
		{"private", "mx.example.com. A 10.0.0.1", nil, `
			mx.reachable: no-address/red`},
		{"no answer", "", world.ErrTemporary, `
			mx.reachable: no-answer/unknown
			rdns.forward-confirmed: no-answer/unknown`},
		{"gone", "", world.ErrNoName, `
			mx.reachable: no-address/red
			rdns.forward-confirmed: no-address/skip`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world.None()
				w.Resolver, w.Network = newNames(t, tt.zone, map[string]error{"mx.example.com. A": tt.fail, "mx.example.com. AAAA": tt.fail}), scripts{}
				target := Target{Text: "mx.example.com", Kind: Host, Domain: mail.MustParseDomain("mx.example.com")}
				said := map[string]string{}
				for _, f := range NewAudit(w, Options{}).Run(t.Context(), target, nil).Findings {
					said[f.Check] = f.Code + "/" + f.Status.String()
				}
				expect(t, said, tt.want)
			})
		})
	}
}
