package lab_test

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Logf("%s: %s", path, err)
	}
	return string(out)
}

// at are the arguments that point dig or delv to a socket.
func at(socket netip.AddrPort, more ...string) []string {
	return append([]string{
		"@" + socket.Addr().String(), "-p", portText(socket), "+tries=1", "+timeout=2",
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
	for _, c := range []struct{ name, qtype, want string }{
		{"green.example", "MX", "; fully validated"},
		{"_25._tcp.mx.green.example", "TLSA", "; fully validated"},
		{"nothing.green.example", "A", "; negative response, fully validated"},
		{"green.example", "SRV", "; negative response, fully validated"},
		{"_tcp.green.example", "TXT", "; negative response, fully validated"},
		{"nobody.", "A", "; negative response, fully validated"},
		{"10.1.10.127.in-addr.arpa", "PTR", "; fully validated"},
		{"test.", "SOA", "; unsigned answer"},
	} {
		args := []string{"@" + resolver.Addr().String(), "-p", portText(resolver), "-a", anchors, "+root=.", c.name, c.qtype}
		if got := output(t, delv, args...); !strings.Contains(got, c.want) {
			t.Errorf("delv %s %s: want %q in\n%s", c.name, c.qtype, c.want, got)
		}
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
	for _, c := range []struct {
		socket netip.AddrPort
		args   string
		want   []string
	}{
		{resolver, "green.example MX", []string{"status: NOERROR", " ra;", "10 mx.green.example."}},
		{resolver, "none.green.example A", []string{"status: NXDOMAIN", "SOA"}},
		{server, "green.example MX +norec", []string{" aa;", "10 mx.green.example."}},
		{server, "green.example MX +norec +tcp", []string{" aa;", "10 mx.green.example."}},
		{server, ". NS +norec", []string{"status: REFUSED"}},
		{server, "none.green.example A +norec +dnssec", []string{"status: NXDOMAIN", "NSEC", "RRSIG"}},
	} {
		got := output(t, dig, at(c.socket, strings.Fields(c.args)...)...)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("dig %s: want %q in\n%s", c.args, want, got)
			}
		}
	}
}
