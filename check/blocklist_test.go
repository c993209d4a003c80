package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

// listOf is a list of addresses in the zone <id>.dnsbl.example.
func listOf(t *testing.T, id, weight, more string) reputation.List {
	t.Helper()
	var l reputation.List
	text := fmt.Sprintf(`{"id":%q,"name":%q,"operator":"us","zone":"%s.dnsbl.example","subjects":["ip","domain"],"purpose":"block","access":"open",
		"state":"alive","weight":%q,"codes":[{"code":"127.0.0.2","means":"bad things"},{"code":"127.0.0.9","means":"a home","says":"policy"}],
		"control":{"listed":["127.0.0.2"],"clean":["127.0.0.1"]}%s}`, id, id, id, weight, more)
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// subjectAt is an address in a world of names, with lists of its own.
func subjectAt(ip string, n world.Resolver, lists ...reputation.List) *Subject {
	w := world.None()
	w.Resolver = n
	a := NewAudit(w, Options{Lists: reputation.NewDirectory(reputation.Options{Lists: lists})})
	return newSubject(context.Background(), a, Target{Text: ip, Kind: Address, IP: netip.MustParseAddr(ip)})
}

func TestListingsHaveTheWeightOfTheirList(t *testing.T) {
	const point, entry = "2.0.0.127.l.dnsbl.example.", "7.5.5.5.l.dnsbl.example."
	holds := point + " A 127.0.0.2\n"
	tests := []struct {
		name, weight, records string
		fail                  map[string]error
		address, policy       string
	}{
		{"clean", "critical", holds, nil, "clean/green", "clean/green"},
		{"critical", "critical", holds + entry + " A 127.0.0.2", nil, "listed/red", "clean/green"},
		{"high", "high", holds + entry + " A 127.0.0.2", nil, "listed/red", "clean/green"},
		{"medium", "medium", holds + entry + " A 127.0.0.2", nil, "listed-medium/yellow", "clean/green"},
		{"low", "low", holds + entry + " A 127.0.0.2", nil, "listed-minor/skip", "clean/green"},
		{"info", "info", holds + entry + " A 127.0.0.2", nil, "listed-minor/skip", "clean/green"},
		{"policy", "high", holds + entry + " A 127.0.0.9", nil, "clean/green", "listed/red"},
		{"both", "high", holds + entry + " A 127.0.0.9\n" + entry + " A 127.0.0.2", nil, "listed/red", "listed/red"},
		{"refuses", "high", holds + entry + " A 127.255.255.254", nil, "could-not-say/unknown", "could-not-say/unknown"},
		{"refuses, and nobody minds", "low", holds + entry + " A 127.255.255.254", nil, "", ""},
		{"rewritten", "high", holds + entry + " A 192.0.2.80", nil, "could-not-say/unknown", "could-not-say/unknown"},
		{"undocumented code", "high", holds + entry + " A 127.0.0.77", nil, "could-not-say/unknown", "could-not-say/unknown"},
		{"dead", "high", "", nil, "could-not-say/unknown", "could-not-say/unknown"},
		{"lists the world", "high", holds + "1.0.0.127.l.dnsbl.example. A 127.0.0.2\n" + entry + " A 127.0.0.2", nil, "could-not-say/unknown", "could-not-say/unknown"},
		{"time-out", "high", holds, map[string]error{entry + " A": world.ErrTemporary}, "could-not-say/unknown", "could-not-say/unknown"},
		{"bogus", "high", holds, map[string]error{entry + " A": world.ErrBogus}, "could-not-say/unknown", "could-not-say/unknown"},
		{"control times out", "high", holds, map[string]error{point + " A": world.ErrTemporary}, "could-not-say/unknown", "could-not-say/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := subjectAt("5.5.5.7", newNames(t, tt.records, tt.fail), listOf(t, "l", tt.weight, ""))
			if got := said(t, blocklistAddress, s); got != tt.address {
				t.Errorf("blocklist.address says %q, want %q", got, tt.address)
			}
			if got := said(t, blocklistPolicy, s); got != tt.policy {
				t.Errorf("blocklist.policy says %q, want %q", got, tt.policy)
			}
		})
	}
}

// A list of little weight that cannot say is told beside the clean ones: it does not
// make the whole audit unknown.
func TestLightListsThatCannotSayAreEvidence(t *testing.T) {
	n := newNames(t, "2.0.0.127.good.dnsbl.example. A 127.0.0.2", nil)
	s := subjectAt("5.5.5.7", n, listOf(t, "good", "high", ""), listOf(t, "gone", "low", ""))
	found := blocklistAddress.Run(t.Context(), s)
	if len(found) != 1 || found[0].Code != "clean" || !strings.Contains(found[0].Summary, "1 of the 2") ||
		!strings.Contains(strings.Join(found[0].Evidence, "\n"), "gone (low)") {
		t.Errorf("found %+v", found)
	}
}

func TestKeysAreAskedFor(t *testing.T) {
	l := listOf(t, "shy", "critical", `,"key_zone":"{key}.shy.dnsbl.example","key_name":"shared","access":"key"`)
	l.Zone, l.Access = "", reputation.KeyRequired
	s := subjectAt("5.5.5.7", newNames(t, "", nil), l)
	if got := said(t, blocklistAddress, s); got != "key-needed/skip" {
		t.Errorf("says %q", got)
	}
	found := blocklistAddress.Run(t.Context(), s)
	if !strings.Contains(found[0].Evidence[0], "--list-key shared=KEY") {
		t.Errorf("nobody learns how: %v", found[0].Evidence)
	}
}

// Addresses that are not public are nobody's business.
func TestPrivateAddressesAreToldToNobody(t *testing.T) {
	for _, c := range []Check{blocklistAddress, blocklistPolicy, asnRange, asnOrigin, asnNeighbours, blocklistLists} {
		if got := said(t, c, subjectAt("10.1.2.3", newNames(t, "", nil), listOf(t, "l", "high", ""))); got != "" {
			t.Errorf("%s says %q", c.About().ID, got)
		}
	}
}

func TestListsAndResolverAreJudged(t *testing.T) {
	const holds = "2.0.0.127.a.dnsbl.example. A 127.0.0.2\n"
	tests := []struct{ name, records, lists, resolver string }{
		{"all answer", holds + "2.0.0.127.b.dnsbl.example. A 127.0.0.2", "in-order/green", "fit/green"},
		{"one is dead", holds, "in-order/green out-of-order/skip", "fit/green"},
		{"one refuses", holds + "7.5.5.5.b.dnsbl.example. A 127.255.255.254", "in-order/green", "partly/skip"},
		{"all refuse", "7.5.5.5.a.dnsbl.example. A 127.255.255.254\n7.5.5.5.b.dnsbl.example. A 127.255.255.254", "", "refused/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := subjectAt("5.5.5.7", newNames(t, tt.records, nil), listOf(t, "a", "high", ""), listOf(t, "b", "high", ""))
			if got := said(t, blocklistLists, s); got != tt.lists {
				t.Errorf("blocklist.lists says %q, want %q", got, tt.lists)
			}
			if got := said(t, blocklistResolver, s); got != tt.resolver {
				t.Errorf("blocklist.resolver says %q, want %q", got, tt.resolver)
			}
		})
	}
}

func TestNeighboursAreJudgedByShare(t *testing.T) {
	listed := func(n int) []netip.Addr { return make([]netip.Addr, n) }
	refused := []reputation.Answer{{List: &reputation.List{Name: "ZEN"}, Why: reputation.Refused, Cure: "an own resolver"}}
	tests := []struct {
		name string
		n    reputation.Neighbourhood
		want string
	}{
		{"none", reputation.Neighbourhood{Asked: 16}, "decent"},
		{"a tenth at most", reputation.Neighbourhood{Asked: 16, Listed: listed(1)}, "decent"},
		{"two of sixteen", reputation.Neighbourhood{Asked: 16, Listed: listed(2)}, "some-listed"},
		{"five of sixteen", reputation.Neighbourhood{Asked: 16, Listed: listed(5)}, "many-listed"},
		{"one list refuses, none listed", reputation.Neighbourhood{Asked: 16, Refused: refused}, "could-not-say"},
		{"one list refuses, many listed", reputation.Neighbourhood{Asked: 16, Listed: listed(6), Refused: refused}, "many-listed"},
		{"nobody answers", reputation.Neighbourhood{Refused: refused}, "could-not-say"},
		{"nothing asked", reputation.Neighbourhood{}, ""},
	}
	for _, tt := range tests {
		if f := judgeNeighbours(netip.MustParseAddr("5.5.5.7"), tt.n); f.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, f.Code, tt.want)
		}
	}
}

func TestNetworks(t *testing.T) {
	const zone = "7.5.5.5.origin.asn.cymru.com."
	tests := []struct {
		name, records string
		fail          map[string]error
		want          string
	}{
		{"announced", zone + ` TXT "64500 | 5.5.5.0/24 | DE | ripencc | 2001-01-01"`, nil, "announced/green"},
		{"nobody", "", nil, "unannounced/skip"},
		{"time-out", "", map[string]error{zone + " TXT": world.ErrTemporary}, "no-answer/unknown"},
		{"nonsense", zone + ` TXT "buy this domain"`, nil, "no-answer/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, asnOrigin, subjectAt("5.5.5.7", newNames(t, tt.records, tt.fail))); got != tt.want {
				t.Errorf("says %q, want %q", got, tt.want)
			}
		})
	}
}
