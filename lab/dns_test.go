package lab_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
)

// program finds an independent judge; without it the test ends.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: install %s", name, pkg)
		}
		t.Skipf("%s is missing: install %s", name, pkg)
	}
	return path
}

// output is what a program prints, whatever its exit code.
func output(t *testing.T, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		t.Logf("%s: %s", path, err)
	}
	return string(out)
}

// at are the arguments that point dig or delv to a socket.
func at(socket netip.AddrPort, more ...string) []string {
	return append([]string{
		"@" + socket.Addr().String(), "-p", portText(socket), "+tries=1", "+timeout=1", "+nobadcookie",
	}, more...)
}

func itoa(port uint16) string { return strconv.Itoa(int(port)) }

func portText(socket netip.AddrPort) string {
	return itoa(socket.Port())
}

func TestDelvValidates(t *testing.T) {
	delv := program(t, "delv", "bind9-dnsutils")
	l := start(t, lab.Options{})
	resolver := l.File().Resolvers[0]
	anchors := filepath.Join(t.TempDir(), "anchors")
	words := strings.Fields(l.File().TrustAnchors[0]) // . TTL IN DS tag algorithm digest data
	text := "trust-anchors { . static-ds " + strings.Join(words[4:7], " ") + ` "` + words[7] + "\"; };\n"
	if err := os.WriteFile(anchors, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const secure, absent, unsigned = "; fully validated", "; negative response, fully validated", "; unsigned answer"
	for _, c := range []struct{ name, qtype, want string }{
		{"green.example", "MX", secure},
		{"_25._tcp.mx.green.example", "TLSA", secure},
		{"nothing.green.example", "A", absent},
		{"green.example", "SRV", absent},
		{"_tcp.green.example", "TXT", absent},
		{"nobody.", "A", absent},
		{"10.1.10.127.in-addr.arpa", "PTR", secure},
		{"a.0.1.0.a.0.f.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", secure},
		{"test.", "SOA", unsigned},
		{"isp.test", "SOA", unsigned},
		{"any.thing._domainkey.parked.example", "TXT", secure}, // a wildcard
		{"any.thing._domainkey.parked.example", "MX", "; negative response, fully validated"},
		{"mail.cname-mx.example", "A", secure}, // an alias
		{"nsec3.example", "MX", secure},
		{"nothing.nsec3.example", "A", absent},
		{"nsec3.example", "SRV", absent},
		{"_tcp.nsec3.example", "TXT", absent},
		{"127.0.0.7.refusing.dnsbl.example", "A", secure},
		{"expiring-sig.example", "MX", secure},
		{"insecure.example", "MX", unsigned},
		{"bogus.example", "MX", "RRSIG failed to verify"},
		{"expired-sig.example", "MX", "RRSIG has expired"},
		{"wrong-ds.example", "MX", "no valid signature found"},
		{"2.0.0.127.zen.spamhaus.org", "A", unsigned},
	} {
		t.Run(c.name+" "+c.qtype, func(t *testing.T) {
			t.Parallel()
			args := []string{"@" + resolver.Addr().String(), "-p", portText(resolver), "-a", anchors, "+root=.", c.name, c.qtype}
			if got := output(t, delv, args...); !strings.Contains(got, c.want) {
				t.Errorf("want %q in\n%s", c.want, got)
			}
		})
	}
}

func TestDig(t *testing.T) {
	dig := program(t, "dig", "bind9-dnsutils")
	l := start(t, lab.Options{})
	resolver := l.File().Resolvers[0]
	addr, err := l.Addr("ns1.nameserver.example")
	if err != nil {
		t.Fatal(err)
	}
	server := netip.AddrPortFrom(addr, resolver.Port())
	ns2 := func(domain string) netip.AddrPort {
		addr, err := l.Addr("ns2." + domain)
		if err != nil {
			t.Fatal(err)
		}
		return netip.AddrPortFrom(addr, resolver.Port())
	}
	for _, c := range []struct {
		socket netip.AddrPort
		args   string
		want   []string
	}{
		{resolver, "green.example MX", []string{"status: NOERROR", " ra;", "10 mx.green.example."}},
		{resolver, "none.green.example A", []string{"status: NXDOMAIN", "SOA"}},
		{server, "green.example MX +norec", []string{" aa;", "10 mx.green.example."}},
		{server, "green.example MX +norec +tcp", []string{" aa;", "10 mx.green.example."}},
		{resolver, "self.hostile.example A", []string{"status: SERVFAIL"}},
		{resolver, "servfail.hostile.example A", []string{"status: SERVFAIL"}},
		{resolver, "drop.hostile.example A", []string{"timed out"}},
		{resolver, "truncated.hostile.example TXT +ignore", []string{" tc ", "ANSWER: 0"}},
		{resolver, "truncated.hostile.example TXT", []string{"retrying in TCP", "this came over TCP"}},
		{resolver, "thousand-mx.hostile.example MX", []string{"retrying in TCP", "ANSWER: 1000"}},
		{resolver, "huge7.hostile.example TXT", []string{"ANSWER: 221", "MSG SIZE  rcvd: 60935"}},
		{resolver, "odd.hostile.example TXT", []string{`"\000\001\127\255 v=spf1 \"quoted\" \\ end"`}},
		{resolver, `a\046b.hostile.example TXT`, []string{"a dot inside"}},
		{resolver, "nowhere.hostile.example A", []string{"status: SERVFAIL"}},
		{resolver, "2.0.0.127.zen.spamhaus.org A", []string{"127.0.0.2"}},
		{resolver, "1.0.0.127.zen.spamhaus.org A", []string{"NXDOMAIN"}},
		{resolver, "1.0.0.127.world.dnsbl.example A", []string{"127.0.0.2"}},
		{resolver, "2.0.0.127.refusing.dnsbl.example A", []string{"127.255.255.254"}},
		{resolver, "2.0.0.127.empty.dnsbl.example A", []string{"NXDOMAIN"}},
		{resolver, "2.0.0.127.dead.dnsbl.example A", []string{"SERVFAIL"}},
		{resolver, "2.0.0.127.silent.dnsbl.example A", []string{"timed out"}},
		{resolver, "10.1.10.127.origin.asn.cymru.com TXT", []string{"64510 | 127.10.0.0/16"}},
		{server, "lame.example SOA +norec", []string{" aa"}},
		{ns2("lame.example"), "lame.example SOA +norec", []string{"REFUSED"}},
		{ns2("serials.example"), "serials.example SOA +norec", []string{" aa", "2026010101"}},
		{ns2("silent-ns.example"), "silent-ns.example SOA +norec", []string{"timed out"}},
		{ns2("no-tcp.example"), "no-tcp.example SOA +norec", []string{" aa"}},
		{ns2("no-tcp.example"), "no-tcp.example SOA +norec +tcp", []string{"end of file"}},
		{ns2("no-edns.example"), "no-edns.example SOA +norec", []string{"FORMERR"}},
		{ns2("no-edns.example"), "no-edns.example SOA +norec +noedns", []string{" aa"}},
		{ns2("open-resolver.example"), "green.example MX", []string{" ra", "10 mx.green.example."}},
		{server, "green.example MX +ednsflags=0 +edns=1", []string{"BADVERS"}},
		{server, ". NS +norec", []string{"status: REFUSED"}},
		{server, "none.green.example A +norec +dnssec", []string{"status: NXDOMAIN", "NSEC", "RRSIG"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			got := output(t, dig, at(c.socket, strings.Fields(c.args)...)...)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("want %q in\n%.1500s", want, got)
				}
			}
		})
	}
}
