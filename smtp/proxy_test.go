package smtp

import (
	"io"
	"net/netip"
	"strings"
	"testing"
)

const proxyV2TCP4 = proxySignature + "\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x19\x9c\x40\x00\x19"

func TestProxyHeaders(t *testing.T) {
	tests := []struct{ name, header, remote, local string }{
		{"v1", "PROXY TCP4 198.51.100.7 192.0.2.25 40000 25\r\n", "198.51.100.7:40000", "192.0.2.25:25"},
		{"v1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::25 40000 25\r\n", "[2001:db8::7]:40000", "[2001:db8::25]:25"},
		{"v1, unknown", "PROXY UNKNOWN ffff:: whatever it says\r\n", "", ""},
		{"v2", proxyV2TCP4, "198.51.100.7:40000", "192.0.2.25:25"},
		{"v2, IPv6", proxySignature + "\x21\x21\x00\x24" + strings.Repeat("\x20\x01", 8) + strings.Repeat("\x20\x02", 8) + "\x9c\x40\x00\x19",
			"[2001:2001:2001:2001:2001:2001:2001:2001]:40000", "[2002:2002:2002:2002:2002:2002:2002:2002]:25"},
		{"v2 with more", strings.Replace(proxyV2TCP4, "\x00\x0c", "\x00\x10", 1) + "\x04\x00\x01x", "198.51.100.7:40000", "192.0.2.25:25"},
		{"v2, local", proxySignature + "\x20\x00\x00\x00", "", ""},
		{"v2, unix socket", proxySignature + "\x21\x31\x00\x02ab", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for cut := range len(tt.header) {
				if _, _, n, err := parseProxy([]byte(tt.header[:cut])); n != 0 || err != nil {
					t.Fatalf("after %d octets: %d, %v", cut, n, err)
				}
			}
			remote, local, n, err := parseProxy([]byte(tt.header + "EHLO"))
			if err != nil || n != len(tt.header) {
				t.Fatalf("%d octets, %v", n, err)
			}
			if tt.remote == "" && !remote.IsValid() {
				return
			}
			if remote != netip.MustParseAddrPort(tt.remote) || local != netip.MustParseAddrPort(tt.local) {
				t.Errorf("%s -> %s", remote, local)
			}
		})
	}
}

func TestNoProxyHeaders(t *testing.T) {
	for name, header := range map[string]string{
		"a command":            "EHLO x\r\n",
		"lower case":           "proxy TCP4 198.51.100.7 192.0.2.25 40000 25\r\n",
		"two spaces":           "PROXY TCP4  198.51.100.7 192.0.2.25 40000 25\r\n",
		"wrong family":         "PROXY TCP6 198.51.100.7 192.0.2.25 40000 25\r\n",
		"unknown family":       "PROXY UDP4 198.51.100.7 192.0.2.25 40000 25\r\n",
		"zone":                 "PROXY TCP6 fe80::1%eth0 fe80::2 40000 25\r\n",
		"port too high":        "PROXY TCP4 198.51.100.7 192.0.2.25 65536 25\r\n",
		"port with a zero":     "PROXY TCP4 198.51.100.7 192.0.2.25 040 25\r\n",
		"port of another kind": "PROXY TCP4 198.51.100.7 192.0.2.25 +40 25\r\n",
		"without end":          "PROXY UNKNOWN " + strings.Repeat("x", 200),
		"too long":             "PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n",
		"v2, version 1":        strings.Replace(proxyV2TCP4, "\x21\x11", "\x11\x11", 1),
		"v2, command 2":        strings.Replace(proxyV2TCP4, "\x21\x11", "\x22\x11", 1),
		"v2, too short":        strings.Replace(proxyV2TCP4, "\x00\x0c", "\x00\x04", 1),
		"v2, endless":          strings.Replace(proxyV2TCP4, "\x00\x0c", "\xff\xff", 1),
	} {
		if remote, _, n, err := parseProxy([]byte(header)); err == nil {
			t.Errorf("%s: %s, %d octets", name, remote, n)
		}
	}
}

func FuzzProxy(f *testing.F) {
	for _, s := range []string{proxyV2TCP4, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY UNKNOWN\r\n", "PROXY TCP6 ::1 ::2 1 2\r\n", "\r\n\r\n", "P"} {
		f.Add([]byte(s), []byte("EHLO x\r\n"))
	}
	f.Fuzz(func(t *testing.T, header, behind []byte) {
		remote, local, n, err := parseProxy(header)
		switch {
		case n < 0 || n > len(header) || err != nil && n > 0:
			t.Fatalf("%d octets of %d, %v", n, len(header), err)
		case remote.IsValid() != local.IsValid():
			t.Fatalf("half: %s, %s", remote, local)
		case n == 0:
			if remote.IsValid() || err == nil && len(header) > maxProxyV2 {
				t.Fatalf("%s, and waits for more after %d octets", remote, len(header))
			}
			return
		}
		// What stands behind a header never changes it.
		again, _, m, err := parseProxy(append(header[:n:n], behind...))
		if again != remote || m != n || err != nil {
			t.Fatalf("%s, %d octets, %v; before %s, %d", again, m, err, remote, n)
		}
	})
}

// TestNamelessClients: who comes through a proxy that does not say who it is can see that
// the server lives, and no more.
func TestNamelessClients(t *testing.T) {
	for name, header := range map[string]string{"v1, unknown": "PROXY UNKNOWN\r\n", "v2, local": proxySignature + "\x20\x00\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			kept := &shelf{}
			inMemory(t, ServerOptions{Open: kept.open, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, func(t *testing.T, _ *Server, l *links) {
				c := l.connect(0)
				io.WriteString(c, header+"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nNOOP\r\nQUIT\r\n")
				text := said(t, c)
				if !strings.HasPrefix(text, "220 ") || !strings.Contains(text, "\r\n450 4.7.1 the proxy does not say who you are\r\n250 ") {
					t.Errorf("%q", text)
				}
			})
		})
	}
}
