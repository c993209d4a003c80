package smtp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
)

// knock connects and says something; Read tells what became of it.
func knock(t *testing.T, l net.Listener, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

func listenBehind(t *testing.T, proxies ...string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all []netip.Prefix
	for _, p := range proxies {
		all = append(all, netip.MustParsePrefix(p))
	}
	b := Behind(l, all, nil)
	t.Cleanup(func() { b.Close() })
	return b
}

// TestBehind: who comes through a proxy comes as who he is, with all that he said.
func TestBehind(t *testing.T) {
	l := listenBehind(t, "127.0.0.0/8")
	knock(t, l, "") // says nothing, and keeps nobody waiting
	for text, want := range map[string]string{
		"PROXY TCP4 192.0.2.7 192.0.2.1 40000 993\r\nhello":                                           "192.0.2.7:40000",
		"PROXY TCP6 2001:db8::7 2001:db8::1 40000 993\r\nhello":                                       "[2001:db8::7]:40000",
		proxySignature + "\x21\x11\x00\x0c\xc0\x00\x02\x08\xc0\x00\x02\x01\x9c\x40\x03\xe1" + "hello": "192.0.2.8:40000",
	} {
		client := knock(t, l, text)
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 5)
		if _, err := io.ReadFull(conn, said); err != nil || string(said) != "hello" || conn.RemoteAddr().String() != want {
			t.Errorf("%v said %q, %v, want %s", conn.RemoteAddr(), said, err, want)
		}
		if _, err := io.WriteString(conn, "back"); err != nil {
			t.Error(err)
		}
		conn.Close()
		if back, err := io.ReadAll(client); err != nil || string(back) != "back" {
			t.Errorf("%q came back, %v", back, err)
		}
	}
}

// TestBehindNobody: a proxy that names nobody is not served, and says so to none.
func TestBehindNobody(t *testing.T) {
	l := listenBehind(t, "127.0.0.0/8")
	for _, text := range []string{"a1 LOGIN anna secret\r\n", "PROXY UNKNOWN\r\n", "PROXY TCP4 x y 1 2\r\n", proxySignature + "\x20\x00\x00\x00"} {
		client := knock(t, l, text)
		if said, err := io.ReadAll(client); len(said) > 0 {
			t.Errorf("%q was answered %q, %v", text, said, err)
		}
	}
	knock(t, l, "PROXY ") // and no more
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestBehindNoProxy: nobody else's word is taken for an address.
func TestBehindNoProxy(t *testing.T) {
	l := listenBehind(t, "192.0.2.0/24")
	const text = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 993\r\n"
	client := knock(t, l, text)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	said := make([]byte, len(text))
	if _, err := io.ReadFull(conn, said); err != nil || string(said) != text || conn.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("%v said %q, %v", conn.RemoteAddr(), said, err)
	}
}
