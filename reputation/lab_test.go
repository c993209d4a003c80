package reputation_test

import (
	"net/netip"
	"testing"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/reputation"
)

// blocklists are zones as operators serve them, and one that stopped answering.
const blocklists = `
bl.spamcop.net. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
bl.spamcop.net. 300 NS ns1.nameserver.example.
2.0.0.127.bl.spamcop.net. 300 A 127.0.0.2
9.9.10.127.bl.spamcop.net. 300 A 127.0.0.2
9.9.10.127.bl.spamcop.net. 300 TXT "Blocked - see the page"
zen.spamhaus.org. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
zen.spamhaus.org. 300 NS ns1.nameserver.example.
*.zen.spamhaus.org. 300 A 127.255.255.254
psbl.surriel.com. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
psbl.surriel.com. 300 NS ns1.nameserver.example.
;lab fault *.psbl.surriel.com. ANY servfail
asn.cymru.com. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
asn.cymru.com. 300 NS ns1.nameserver.example.
9.9.10.127.origin.asn.cymru.com. 300 TXT "64500 | 127.10.0.0/16 | ZZ | lab | 2026-11-21"
as64500.asn.cymru.com. 300 TXT "64500 | ZZ | lab | 2026-11-21 | LAB Loopback Networks, ZZ"
`

// TestLab asks lists over real DNS.
func TestLab(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{Zones: []string{blocklists}, Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := l.World()
	d := reputation.NewDirectory(reputation.Options{Now: w.Now})
	ip := netip.MustParseAddr("127.10.9.9")
	got := make(map[string]reputation.Answer)
	for _, a := range d.CheckIP(t.Context(), w, ip) {
		got[a.List.ID] = a
	}
	for id, want := range map[string]struct {
		result reputation.Result
		why    reputation.Reason
	}{
		"spamcop":      {reputation.Listed, ""},
		"spamhaus-zen": {reputation.Unknown, reputation.Refused},
		"psbl":         {reputation.Unknown, reputation.NoAnswer},
		"mailspike-bl": {reputation.Unknown, reputation.Dead},
		"abusix":       {reputation.Unknown, reputation.NeedsKey},
	} {
		if a := got[id]; a.Result != want.result || a.Why != want.why {
			t.Errorf("%s: %s %s (%s) %v", id, a.Result, a.Why, a.Detail, a.Raw)
		}
	}
	if text := got["spamcop"].Text; len(text) != 1 || text[0] != "Blocked - see the page" {
		t.Errorf("text %q", text)
	}
	o, err := reputation.LookupOrigin(t.Context(), w, ip)
	if err != nil || o.ASNs[0] != 64500 {
		t.Errorf("origin %+v, %v", o, err)
	}
	s, err := reputation.LookupSystem(t.Context(), w, 64500)
	if err != nil || s.Name != "LAB Loopback Networks, ZZ" {
		t.Errorf("system %+v, %v", s, err)
	}
}
