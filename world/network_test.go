package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// madeWorld is this machine with every 2001:db8:: address on loopback, port 80 at
// the server's, and the records as its names.
func madeWorld(t *testing.T, server *httptest.Server, rrs ...string) *World {
	t.Helper()
	w := &World{Network: Machine(), Map: Map{
		Nets:   []NetMap{{netip.MustParsePrefix("2001:db8::/96")}},
		Public: []netip.Prefix{netip.MustParsePrefix("2001:db8::/96"), netip.MustParsePrefix("127.0.0.0/8")},
	}}
	if server != nil {
		port := netip.MustParseAddrPort(server.Listener.Addr().String()).Port()
		w.Map.Ports = map[uint16]uint16{80: port}
	}
	pc, ln := listenBoth(t)
	r := &records{t: t, rrs: rrs}
	serve(t, pc, ln, dnsHandler(r))
	if err := w.connect(Options{Resolvers: []netip.AddrPort{netip.MustParseAddrPort(pc.LocalAddr().String())}}, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestHTTPClient: names by the world's resolver, IPv6 through its map, the next
// address when one refuses, and no redirect followed.
func TestHTTPClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Host)
	}))
	t.Cleanup(server.Close)
	w := madeWorld(t, server,
		"www.test. 60 AAAA 2001:db8::7f00:1", "two.test. 60 A 127.99.99.99", "two.test. 60 AAAA 2001:db8::7f00:1")
	client := w.HTTPClient(5 * time.Second)
	for url, want := range map[string]string{
		"http://www.test/":             "www.test",
		"http://two.test/":             "two.test",
		"http://[2001:db8::7f00:1]/":   "[2001:db8::7f00:1]",
		"http://none.test/":            "",
		"http://www.test:http/":        "",
		"http://exa_mple.-test./":      "",
		"http://[2001:db8::7f01:1]:1/": "",
	} {
		resp, err := client.Get(url)
		if (err == nil) != (want != "") {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != want {
			t.Errorf("%s gave %q", url, body)
		}
	}
	resp, err := client.Get("http://www.test/away")
	if err != nil || resp.StatusCode != http.StatusFound {
		t.Fatalf("the redirect: %v, %v", resp, err)
	}
	resp.Body.Close()
}

func TestDialFromAndListen(t *testing.T) {
	w := madeWorld(t, nil)
	ln, err := w.Listen(t.Context(), netip.MustParseAddrPort("[2001:db8::7f0a:7]:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	at := netip.MustParseAddrPort(ln.Addr().String())
	if at.Addr() != netip.MustParseAddr("127.10.0.7") {
		t.Errorf("it listens on %s", at)
	}
	to := netip.AddrPortFrom(netip.MustParseAddr("2001:db8::7f0a:7"), at.Port())
	conn, err := w.DialFrom(t.Context(), netip.MustParseAddr("2001:db8::7f0a:8"), to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if from := netip.MustParseAddrPort(conn.LocalAddr().String()); from.Addr() != netip.MustParseAddr("127.10.0.8") {
		t.Errorf("it dials from %s", from)
	}
}

// TestDatagramSource: the local address of a dial fits its network.
func TestDatagramSource(t *testing.T) {
	ctx := context.WithValue(t.Context(), sourceKey{}, netip.MustParseAddr("127.0.0.9"))
	conn, err := Machine().DialContext(ctx, "udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if host, _, _ := net.SplitHostPort(conn.LocalAddr().String()); host != "127.0.0.9" {
		t.Errorf("it sends from %s", conn.LocalAddr())
	}
}

// Who wrote a URL into our configuration may mean a host of our own network; a stranger
// may not.
func TestOwnHTTPClient(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	w := madeWorld(t, server)
	w.Map.Public = nil
	const url = "http://127.0.0.1/"
	if _, err := w.HTTPClient(5 * time.Second).Get(url); !errors.Is(err, ErrNotPublic) {
		t.Errorf("a stranger's client gets %v", err)
	}
	answer, err := w.OwnHTTPClient(5 * time.Second).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}
