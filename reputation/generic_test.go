package reputation

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
)

// TestJudgeName is the table of names good and bad. Where the address does not
// matter it is 192.0.2.37.
func TestJudgeName(t *testing.T) {
	const d, h, f = Dynamic, HosterDefault, Fine
	tests := []struct {
		name, ip string
		want     Class
	}{
		// Names people give to mail hosts.
		{"mx1.example.com", "", f},
		{"mail.example.com.", "", f},
		{"MAIL.EXAMPLE.COM", "", f},
		{"example.com", "", f},
		{"smtp-out-3.mail.example.co.uk", "", f},
		{"mout37.example.net", "", f},
		{"server1.example.com", "", f},
		{"vps1.example.com", "", f},
		{"ns2.example.com", "", f},
		{"node1.example.org", "", f},
		{"web01.example.org", "", f},
		{"host.example.org", "", f},
		{"bender.example.org", "", f},
		{"mail-wr1-x42f.example.com", "", f},
		{"a8-29.smtp-out.example.com", "", f},
		// Words of the registered domain say nothing.
		{"ip-symlabs.example", "", f},
		{"mail.cable.example", "", f},
		{"box.dynamic-corp.com", "", f},
		{"hermes.dsl.com", "", f},
		{"post.pool.com", "", f},
		// Words inside words are no words.
		{"dynamo.example.com", "", f},
		{"cabled.example.com", "", f},
		{"resolute.example.com", "", f},
		{"swimmingpool.example.com", "", f},
		{"clientele.example.com", "", f},
		// Numbers of another address prove nothing.
		{"mail-10-1.example.org", "", f},
		{"mail-198-51-100-7.example.org", "", f},
		{"a1-2-3-4.example.org", "", f},
		// A mail word softens the own address, as mail services name hosts.
		{"mail-192-0-2-37.example.org", "", f},
		{"mta-192-0-2-37.esp.example.org", "", f},
		{"o37.2.0.192.smtp.example.org", "", d}, // the first label does not say mail
		// A mail host inside a provider's zone.
		{"mx1.dsl.example.net", "", f},
		{"smtp.cable.example.net", "", f},
		// The own address, in all its clothes.
		{"192-0-2-37.example.net", "", d},
		{"192.0.2.37.example.net", "", d},
		{"37-2-0-192.example.net", "", d},
		{"37.2.0.192.example.net", "", d},
		{"host-192-0-2-37.example.net", "", d},
		{"h192000002037.example.net", "", d},
		{"192-000-002-037.example.net", "", d},
		{"037.002.000.192.example.net", "", d},
		{"c0000225.example.net", "", d},
		{"ipc0000225.example.net", "", d},
		{"c0-00-02-25.example.net", "", d},
		{"250200c0.example.net", "", d},
		{"3221226021.example.net", "", d},
		{"x192x0x2x37.example.net", "", d},
		{"2-37.0.192.example.net", "", f}, // neither direction
		{"ip-0-2-37.example.net", "", d},  // three octets in a row
		{"ip37.example.net", "", f},
		// Dynamic words.
		{"dyn-5.example.net", "", d},
		{"p5dd1c3f2.dip0.example.net", "", d},
		{"dhcp-77.lan.example.edu", "", d},
		{"dhcp77.example.edu", "", d},
		{"dsl.example.net", "", d},
		{"host7.adsl.example.net", "", d},
		{"cpe-12-34.nyc.res.example.com", "", d},
		{"pool-98-113-1-2.nycmny.fios.example.net", "", d},
		{"c-73-1-2-3.hsd1.ca.comcable.example.net", "", f},
		{"cable-192-0-2-37.example.net", "", d},
		{"ppp-3.example.gr", "", d},
		{"ppp3.dialup.example.gr", "", d},
		{"catv-89-1.example.hu", "", d},
		{"docsis7.example.net", "", d},
		{"client-12-34.example.net", "", d},
		{"customer-12345.example.net", "", d},
		{"res123.example.net", "", d},
		{"client.example.net", "", f},
		{"customers.example.net", "", f},
		{"home2.example.net", "", f},
		{"mobile-166-1.example.net", "", d},
		{"dyn-mail.example.net", "", d}, // a mail word does not outweigh one beside it
		{"mail.dyn-192-0-2-37.example.net", "", d},
		// Fixed, but the provider's words.
		{"static-192-0-2-37.example.net", "", h},
		{"static.37.2.0.192.clients.your-server.de", "", h},
		{"192-0-2-37.static.example.net", "", h},
		{"business-12-34.example.net", "", h},
		{"static.example.net", "", f},
		{"static-dsl-7.example.net", "", d},
		// What providers give every server.
		{"vps48211.example.net", "", h},
		{"vmi1234567.contaboserver.net", "", h},
		{"v2202101131234.example.net", "", h},
		{"srv123456.hstgr.cloud", "", h},
		{"ec2-192-0-2-37.compute-1.amazonaws.com", "", h},
		{"37.2.0.192.bc.googleusercontent.com", "", h},
		{"li123-45.members.linode.com", "", h},
		{"192-0-2-37.ip.linodeusercontent.com", "", h},
		{"192.0.2.37.vultrusercontent.com", "", h},
		{"vps-1a2b3c4d.vps.ovh.net", "", h},
		{"ip-192-0-2-37.ip.secureserver.net", "", h},
		{"mail.contaboserver.net", "", h},
		{"srv7.example.net", "", f},
		{"cloud2026.example.net", "", h},
		// IPv6.
		{"mx.example.com", "2001:db8::25", f},
		{"mail6.example.com", "2001:db8:1:2:3:4:5:6", f},
		{"2001-db8-1-2-3-4-5-6.example.net", "2001:db8:1:2:3:4:5:6", d},
		{"20010db8000100020003000400050006.example.net", "2001:db8:1:2:3:4:5:6", d},
		{"6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.example.net", "2001:db8:1:2:3:4:5:6", d},
		{"2001-db8--25.example.net", "2001:db8::25", d},
		{"x-0211-22ff-fe33-4455.example.net", "2001:db8::211:22ff:fe33:4455", d},
		{"mx25.example.net", "2001:db8::25", f},
		{"p200300c1.dip0.example.net", "2003:c1::1", d},
		// Too little to judge.
		{"", "", ""},
		{".", "", ""},
	}
	for _, tt := range tests {
		ip := netip.MustParseAddr("192.0.2.37")
		if tt.ip != "" {
			ip = netip.MustParseAddr(tt.ip)
		}
		j := JudgeName(tt.name, ip)
		if j.Class != tt.want {
			t.Errorf("%s: %s %q, want %s", tt.name, j.Class, j.Reasons, tt.want)
		}
		if (j.Class == Dynamic || j.Class == HosterDefault) && len(j.Reasons) == 0 {
			t.Errorf("%s: %s without a reason", tt.name, j.Class)
		}
	}
	if j := JudgeName("dyn.example.net", netip.Addr{}); j.Class != "" {
		t.Errorf("no address: %s", j.Class)
	}
}

func TestGenericData(t *testing.T) {
	var p patterns
	dec := json.NewDecoder(bytes.NewReader(genericJSON))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	for group, words := range map[string][]string{"dynamic": p.Dynamic, "weak": p.Weak, "static": p.Static, "softeners": p.Softeners} {
		if len(words) == 0 {
			t.Errorf("%s is empty", group)
		}
		for _, w := range words {
			if seen[w] != "" {
				t.Errorf("%q is %s and %s", w, seen[w], group)
			}
			seen[w] = group
		}
	}
	for w := range seen {
		if tokens := cutTokens(w); !slices.Equal(tokens, []string{w}) {
			t.Errorf("%q can never be a token: %q", w, tokens)
		}
	}
}

func FuzzJudgeName(f *testing.F) {
	f.Add("pool-192-0-2-1.example.net", "192.0.2.1")
	f.Add("..", "2001:db8::1")
	f.Fuzz(func(t *testing.T, name, address string) {
		ip, _ := netip.ParseAddr(address)
		JudgeName(name, ip)
	})
}

func BenchmarkJudgeName(b *testing.B) {
	ip := netip.MustParseAddr("192.0.2.37")
	for b.Loop() {
		JudgeName("host-198-51-100-7.static.example.net", ip)
	}
}
