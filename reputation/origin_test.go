package reputation

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/world"
)

func TestLookupOrigin(t *testing.T) {
	r := &lists{txt: map[string]string{
		ownLabels + originZone: "64500 64501 | 192.0.2.0/24 | DE | ripencc | 2006-01-02",
		"9.9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2." + origin6Zone: "64502 | 2001:db8::/32 |  | arin | ",
		"as64500.asn.cymru.com.":              "64500 | DE | ripencc | 2006-01-02 | EXAMPLE-AS Example | Sons, DE",
		"1.100.51.198.origin.asn.cymru.com.":  "64500 | 192.0.2.0/24 | DE | ripencc | 2006-01-02",
		"2.100.51.198.origin.asn.cymru.com.":  "timeout",
		"3.100.51.198.origin.asn.cymru.com.":  "we are closed",
		"as64503.asn.cymru.com.":              "word",
		"4.100.51.198.origin6.asn.cymru.com.": "",
	}}
	o, err := LookupOrigin(t.Context(), r, own)
	if err != nil || fmt.Sprint(o.ASNs) != "[64500 64501]" || o.Prefix.String() != "192.0.2.0/24" || o.Country != "DE" {
		t.Errorf("got %+v, %v", o, err)
	}
	o, err = LookupOrigin(t.Context(), r, netip.MustParseAddr("2001:db8::99"))
	if err != nil || o.ASNs[0] != 64502 || o.Country != "" {
		t.Errorf("got %+v, %v", o, err)
	}
	s, err := LookupSystem(t.Context(), r, 64500)
	if err != nil || s.Name != "EXAMPLE-AS Example | Sons, DE" {
		t.Errorf("got %+v, %v", s, err)
	}
	for ip, want := range map[string]error{
		"198.51.100.1": ErrOrigin, "198.51.100.2": world.ErrTemporary, "198.51.100.3": ErrOrigin, "198.51.100.4": world.ErrNotFound,
	} {
		if _, err := LookupOrigin(t.Context(), r, netip.MustParseAddr(ip)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", ip, err, want)
		}
	}
	if _, err := LookupSystem(t.Context(), r, 64503); !errors.Is(err, ErrOrigin) {
		t.Errorf("got %v", err)
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add("64500 64501 | 192.0.2.0/24 | DE | ripencc | 2006-01-02")
	f.Add("64500 | DE | ripencc | 2006-01-02 | EXAMPLE-AS Example, DE")
	f.Add("||||")
	f.Fuzz(func(t *testing.T, text string) {
		if o, err := ParseOrigin(text); err == nil && (len(o.ASNs) == 0 || len(o.ASNs) > maxOrigins || !o.Prefix.IsValid()) {
			t.Errorf("%q becomes %+v", text, o)
		}
		if s, err := ParseSystem(text); err == nil && len(s.Name) > maxText {
			t.Errorf("%q becomes %+v", text, s)
		}
	})
}

func TestNeighbours(t *testing.T) {
	sample := sampleOf(own)
	a := map[string]string{"2.0.0.127.zen.spamhaus.org.": "127.0.0.2", "2.0.0.127.bl.spamcop.net.": "127.0.0.2"}
	a[world.ReverseLabels(sample[0])+".zen.spamhaus.org."] = "127.0.0.3"
	a[world.ReverseLabels(sample[0])+".bl.spamcop.net."] = "127.0.0.2"
	a[world.ReverseLabels(sample[1])+".bl.spamcop.net."] = "127.0.0.2"
	a[world.ReverseLabels(sample[2])+".zen.spamhaus.org."] = "127.0.0.10" // policy
	r := &lists{a: a}
	n := NewDirectory(Options{}).Neighbours(t.Context(), r, own)
	if n.Asked != 16 || len(n.Listed) != 2 || n.Share() != 0.125 || len(n.Refused) != 0 {
		t.Errorf("got %+v", n)
	}
	if r.count(" TXT") > 0 {
		t.Error("texts of neighbours were asked")
	}
	r = &lists{a: map[string]string{"*.zen.spamhaus.org.": "127.255.255.254"}}
	n = NewDirectory(Options{}).Neighbours(t.Context(), r, own)
	if n.Asked != 0 || len(n.Refused) != 2 || n.Share() != 0 {
		t.Errorf("got %+v", n)
	}
	if asked := r.count("zen.spamhaus.org."); asked != 1 {
		t.Errorf("a list that refuses was asked %d times", asked)
	}
	if n := NewDirectory(Options{}).Neighbours(t.Context(), r, netip.MustParseAddr("2001:db8::1")); n.Prefix.IsValid() {
		t.Errorf("IPv6 has neighbours: %+v", n)
	}
}

func TestSampleOf(t *testing.T) {
	for last := range 256 {
		ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(last)})
		seen := map[netip.Addr]bool{ip: true}
		for _, other := range sampleOf(ip) {
			if seen[other] || !strings.HasPrefix(other.String(), "192.0.2.") {
				t.Fatalf("%s: %s in %v", ip, other, sampleOf(ip))
			}
			seen[other] = true
		}
		if len(seen) != neighbours+1 {
			t.Fatalf("%s: %d neighbours", ip, len(seen)-1)
		}
	}
}
