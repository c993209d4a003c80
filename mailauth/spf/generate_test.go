package spf_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/world"
)

// generated is a made-up piece of DNS and a question about it.
type generated struct {
	IP     string                         `json:"ip"`
	Sender string                         `json:"sender"`
	HELO   string                         `json:"helo"`
	Zone   map[string]map[string][]string `json:"zone"`
	Broken []string                       `json:"broken"`
}

// A handful of names and addresses, so that they meet.
var (
	someDomains = []string{"example.com", "a.example.com", "b.example.com", "example.net", "c.example.net", "d.example.org"}
	someHosts   = []string{
		"example.com", "mx1.example.com", "mx2.example.com", "example.net", "h.example.net",
		"gone.example.org", "void.example.net", "slow.example.com",
	}
	someIPs = []string{
		"192.0.2.1", "192.0.2.2", "192.0.2.129", "198.51.100.7", "203.0.113.9",
		"2001:db8::1", "2001:db8::2", "2001:db8:1::1",
	}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// generate makes a case; faults is how many terms of a hundred are nonsense.
func generate(r *rand.Rand, faults int) generated {
	g := generated{
		IP: pick(r, someIPs), Sender: "alice.b-c@" + pick(r, someDomains), HELO: pick(r, someHosts),
		Zone: map[string]map[string][]string{}, Broken: []string{"slow.example.com"},
	}
	for _, d := range someDomains {
		if r.IntN(10) > 0 {
			g.add(d, "TXT", generateRecord(r, faults))
		}
	}
	for _, h := range someHosts[:5] {
		for range r.IntN(3) {
			g.addAddress(h, pick(r, someIPs))
		}
		for i := range r.IntN(4) {
			g.add(h, "MX", fmt.Sprint(10*i, " ", pick(r, someHosts)))
		}
	}
	for _, ip := range someIPs {
		reverse := world.ReverseName(netip.MustParseAddr(ip)).Text()
		for range r.IntN(3) {
			g.add(reverse, "PTR", pick(r, someHosts))
		}
	}
	return g
}

func (g *generated) add(name, rtype, value string) {
	if g.Zone[name] == nil {
		g.Zone[name] = map[string][]string{}
	}
	for _, v := range g.Zone[name][rtype] {
		if v == value {
			return // DNS has no duplicates
		}
	}
	g.Zone[name][rtype] = append(g.Zone[name][rtype], value)
}

func (g *generated) addAddress(name, ip string) {
	if strings.Contains(ip, ":") {
		g.add(name, "AAAA", ip)
	} else {
		g.add(name, "A", ip)
	}
}

func generateRecord(r *rand.Rand, faults int) string {
	terms := []string{"v=spf1"}
	for range r.IntN(6) {
		if r.IntN(100) < faults {
			terms = append(terms, pick(r, someFaults))
		} else {
			terms = append(terms, pick(r, []string{"", "", "", "-", "~", "?", "+"})+generateMechanism(r))
		}
	}
	switch r.IntN(6) {
	case 0:
		terms = append(terms, "redirect="+pick(r, someDomains))
	case 1:
		terms = append(terms, "x-note=%{d}")
	case 2, 3:
		terms = append(terms, pick(r, []string{"-all", "~all", "?all"}))
	}
	return strings.Join(terms, " ")
}

func generateMechanism(r *rand.Rand) string {
	bits4 := pick(r, []string{"", "", "/32", "/24", "/25", "/0"})
	bits6 := pick(r, []string{"", "", "//128", "//64", "//0"})
	switch r.IntN(8) {
	case 0, 1:
		return "ip4:" + someIPs[r.IntN(5)] + bits4
	case 2:
		return "ip6:" + someIPs[5+r.IntN(3)] + strings.TrimPrefix(bits6, "/")
	case 3:
		return "a" + pick(r, []string{"", ":" + pick(r, someHosts)}) + bits4 + bits6
	case 4:
		return "mx" + pick(r, []string{"", ":" + pick(r, someHosts)}) + bits4 + bits6
	case 5:
		return "include:" + pick(r, someDomains)
	case 6:
		return "exists:" + pick(r, []string{"%{d}", "%{h}", "%{d2}", "%{o}", "%{l1r-}.example.com", "mx1.%{d1r}.com", "%{ir}.%{v}.example.com"})
	}
	return "ptr" + pick(r, []string{"", ":example.com", ":example.net"})
}

var someFaults = []string{
	"a:%{z}.example.com", "ip4:192.0.2", "ip4:192.0.2.1/33", "ip6:2001:db8::1/129", "ip4:2001:db8::1", "all:x", "-all.", "include", "include:",
	"exists", "a:one", "a:192.0.2.1", "mx:example.123", "ptr/24", "redirect:example.com", "foo", "a/24/64", "a/", "a//", "exp=", "redirect=",
	"a:%{d", "a:%%", "a:%_x.example.com", "x=%", "1x=y", "a:example.com.", "a:foo..example.com", "ip4:192.0.2.01", "a/08", "exists:%{d0}.com",
	"exists:%{c}.com", "ip4:192.0.2.1/", "ip6:fe80::1%25eth0", "A:example.com", "IP4:192.0.2.1", "moo.cow-far_out=man:dog/cat", "=x", "?", "-", "a:b_c.example.com",
	"include:example.com/24", "exists:example.com/24", "a:-.example.com", "a:example.-com", "a:example.c-m", "mx:%{d}/24", "a:%{d}//64",
}

// zone is the case as a resolver of ours.
func (g generated) zone() *zone {
	z := newZone()
	for name, types := range g.Zone {
		for rtype, values := range types {
			for _, v := range values {
				if err := z.add(name, rtype, v); err != nil {
					panic(err)
				}
			}
		}
	}
	for _, name := range g.Broken {
		z.broken[world.MustParseName(name)] = true
	}
	return z
}

func (g generated) request() spf.Request {
	return spf.Request{IP: netip.MustParseAddr(g.IP), Sender: mail.MustParseAddress(g.Sender), HELO: g.HELO}
}

// String is the case as a zone file and a question.
func (g generated) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ip %s, sender %s, helo %s\n", g.IP, g.Sender, g.HELO)
	for name, types := range g.Zone {
		for rtype, values := range types {
			fmt.Fprintf(&b, "  %s %s %q\n", name, rtype, values)
		}
	}
	return b.String()
}
