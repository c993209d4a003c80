package identity

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// TestCompareEdge has a configuration, sightings as "from>seen", and what is to be said.
func TestCompareEdge(t *testing.T) {
	for _, tt := range []struct {
		name, configured, sightings string
		want                        []string
	}{
		{"agree", "203.0.113.7 2001:db8::7", "203.0.113.7>203.0.113.7 2001:db8::7>2001:db8::7", nil},
		{"nobody answered", "203.0.113.7", "203.0.113.7>", nil},
		{"one family was not seen", "203.0.113.7 2001:db8::7", "203.0.113.7>203.0.113.7", nil},
		{"behind NAT, and right", "203.0.113.7", ">203.0.113.7", nil},
		{"behind NAT, and wrong", "203.0.113.7", ">198.51.100.1", []string{
			"other servers see this one at 198.51.100.1, and the configuration says 203.0.113.7 | write 198.51.100.1 into addresses",
			"nobody saw 203.0.113.7, which the configuration names | take 203.0.113.7 out of addresses"}},
		{"rewritten", "203.0.113.7", "203.0.113.7>198.51.100.1", []string{
			"mail from 203.0.113.7 arrives as 198.51.100.1: something on the way rewrites addresses; x saw it | let the router leave 203.0.113.7",
			"other servers see this one at 198.51.100.1", "nobody saw 203.0.113.7"}},
		{"not configured", "", ">2001:db8::9", []string{"by IPv6 at 2001:db8::9, and the configuration names no IPv6 address | write 2001:db8::9 into addresses"}},
		{"two sources differ", "203.0.113.7", ">203.0.113.7 >198.51.100.1", []string{
			"at 198.51.100.1, and the configuration says 203.0.113.7",
			"at different IPv4 addresses: 203.0.113.7, 198.51.100.1 | ask the provider for one fixed address"}},
		{"two addresses", "203.0.113.7 203.0.113.8", "203.0.113.7>203.0.113.7 203.0.113.8>203.0.113.8", nil},
		{"the same twice", "203.0.113.7", "203.0.113.7>203.0.113.7 203.0.113.7>203.0.113.7", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e Edge
			for word := range strings.FieldsSeq(tt.configured) {
				e.Configured = append(e.Configured, addr(word))
			}
			for word := range strings.FieldsSeq(tt.sightings) {
				from, seen, _ := strings.Cut(word, ">")
				e.Sightings = append(e.Sightings, Sighting{By: "x", From: addr(from), Seen: addr(seen)})
			}
			e.compare()
			if len(e.Problems) != len(tt.want) {
				t.Fatalf("problems %q, want %d", e.Problems, len(tt.want))
			}
			for n, p := range e.Problems {
				if got := p.Text + " | " + p.Fix; !strings.Contains(got, tt.want[n]) {
					t.Errorf("%q, want %q", got, tt.want[n])
				}
			}
		})
	}
}

func TestSeenIn(t *testing.T) {
	for line, want := range map[string]string{
		"mx.google.example at your service, [203.0.113.7]":       "203.0.113.7",
		"mx.example Hello mx.example.com [203.0.113.7], pleased": "203.0.113.7",
		"mx.example Hello mx.example.com [IPv6:2001:db8::7]":     "2001:db8::7",
		"mx.example Hello (203.0.113.7)":                         "203.0.113.7",
		"mx.example Hello [::ffff:203.0.113.7]":                  "203.0.113.7",
		"[203.0.113.25] greets you":                              "", // its own name
		"mx.example":                                             "",
		"mx.example version 1.2.3":                               "",
		"mx.example Hello [fe80::1%eth0]":                        "",
		"":                                                       "",
	} {
		if got := SeenIn(mail.Reply{Code: 250, Lines: []string{line, "SIZE 192.0.2.1"}}); got != addr(want) {
			t.Errorf("%q: saw %s, want %s", line, got, want)
		}
	}
	if got := SeenIn(mail.Reply{}); got.IsValid() {
		t.Errorf("no reply: saw %s", got)
	}
}

func FuzzSeenIn(f *testing.F) {
	f.Add("mx.example Hello [IPv6:2001:db8::7]")
	f.Add("mx.example [")
	f.Fuzz(func(t *testing.T, line string) {
		if ip := SeenIn(mail.Reply{Code: 250, Lines: []string{line}}); ip.IsValid() && (ip.Zone() != "" || ip.Is4In6()) {
			t.Errorf("saw %s", ip)
		}
	})
}

const edgeZone = `
edge.example. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
edge.example. 300 NS ns1.nameserver.example.
honest.edge.example. 300 A 127.10.201.1
lying.edge.example. 300 A 127.10.201.2
mute.edge.example. 300 A 127.10.201.3
refusing.edge.example. 300 A 127.10.201.4
stun.edge.example. 300 A 127.10.201.5
nat.edge.example. 300 A 127.10.201.6
both.edge.example. 300 A 127.10.201.1
both.edge.example. 300 AAAA 2001:db8::7f0a:c901
mail.edge.example. 300 MX 20 lying.edge.example.
mail.edge.example. 300 MX 10 honest.edge.example.
`

// TestFindEdge asks real sockets of the lab.
func TestFindEdge(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{Bare: true, Zones: []string{edgeZone}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := l.World()
	greeter(t, w, "127.10.201.1", func(remote string) string { return "250 honest.edge.example Hello [" + remote + "]" })
	greeter(t, w, "127.10.201.2", func(string) string { return "250 lying.edge.example Hello [198.51.100.66]" })
	greeter(t, w, "127.10.201.3", func(string) string { return "250 mute.edge.example" })
	greeter(t, w, "127.10.201.4", func(string) string { return "554 5.7.1 go away" })
	greeter(t, w, "127.10.201.6", func(string) string { return "250 nat.edge.example at your service, [203.0.113.7]" })
	port := stunServer(t, "127.10.201.5")
	domain := func(name string) mail.Domain { return mail.MustParseDomain(name + ".edge.example") }
	find := func(configured string, smtp ...mail.Domain) Edge {
		t.Helper()
		id := open(t, storetest.Open(t, schemas()...), func(o *Options) {
			o.World = w
			o.Statement.Egress = []Egress{{IP: addr(configured)}}
		})
		e, err := id.FindEdge(t.Context(), EdgeSources{SMTP: smtp, STUN: []STUNServer{{Host: domain("stun"), Port: port}}})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}

	e := find("127.10.200.7", domain("honest"), domain("mute"), domain("refusing"), domain("nowhere"))
	if len(e.Problems) != 0 || !slices.Equal(e.Local, e.Configured) || !slices.Equal(e.Addresses(), e.Configured) {
		t.Errorf("all agree: %+v", e)
	}
	var said []string
	for _, s := range e.Sightings {
		var reply mail.Reply
		switch {
		case errors.As(s.Err, &reply):
			said = append(said, fmt.Sprint(reply.Code))
		case errors.Is(s.Err, world.ErrNoName):
			said = append(said, "no name")
		case s.Err != nil:
			t.Errorf("%s: %v", s.By, s.Err)
		case s.Seen.IsValid():
			said = append(said, "seen")
		default:
			said = append(said, "silent")
		}
	}
	if want := []string{"seen", "silent", "554", "no name", "seen"}; !slices.Equal(said, want) {
		t.Errorf("sightings %v, want %v", said, want)
	}
	if e = find("127.10.200.7", domain("mail")); len(e.Problems) != 0 || e.Sightings[0].By != "honest.edge.example (EHLO)" {
		t.Errorf("the best MX of a domain: %+v", e)
	}
	if e = find("127.10.200.7", domain("both")); len(e.Problems) != 0 || len(e.Sightings) != 2 {
		t.Errorf("a family that mail does not leave over was asked: %+v", e)
	}
	if e = find("203.0.113.7", domain("nat")); len(e.Local) != 0 || e.Sightings[0].From.IsValid() || e.Sightings[0].Seen != e.Configured[0] {
		t.Errorf("behind a translator: %+v", e)
	}
	if e = find("127.10.200.7", domain("lying")); len(e.Problems) == 0 || !strings.Contains(e.Problems[0].Text, "arrives as 198.51.100.66") {
		t.Errorf("a source that differs: %+v", e.Problems)
	}
	if e = find("203.0.113.7", domain("honest")); len(e.Local) != 0 || len(e.Problems) == 0 || !strings.Contains(e.Problems[0].Text, "the configuration says 203.0.113.7") {
		t.Errorf("an address that is not here: %+v", e)
	}
}

// greeter is an SMTP server that answers EHLO in its own way.
func greeter(t *testing.T, w *world.World, ip string, hello func(remote string) string) {
	t.Helper()
	listener, err := w.Listen(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(ip), 25))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			remote := conn.RemoteAddr().(*net.TCPAddr).IP.String()
			fmt.Fprintf(conn, "220 %s\r\n", ip)
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), "QUIT") {
					fmt.Fprint(conn, "221 bye\r\n")
					break
				}
				fmt.Fprintf(conn, "%s\r\n", hello(remote))
			}
			conn.Close()
		}
	}()
}

// stunServer answers what it sees, after it has lost the first request and sent what
// is for somebody else.
func stunServer(t *testing.T, ip string) (port uint16) {
	t.Helper()
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(t.Context(), "udp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n == 0 || size != stunHeader {
				continue
			}
			at := from.(*net.UDPAddr).AddrPort()
			conn.WriteTo(stunAnswer(transaction{9}, at), from)
			conn.WriteTo(stunAnswer(transaction(buf[8:20]), at), from)
		}
	}()
	return netip.MustParseAddrPort(conn.LocalAddr().String()).Port()
}

// stunAnswer is a binding response with a comment and a masked address.
func stunAnswer(id transaction, at netip.AddrPort) []byte {
	ip := at.Addr().Unmap().AsSlice()
	family := byte(1)
	if len(ip) == 16 {
		family = 2
	}
	mask := append(binary.BigEndian.AppendUint32(nil, stunCookie), id[:]...)
	for i := range ip {
		ip[i] ^= mask[i]
	}
	attributes := []byte{0x80, 0x22, 0, 3, 'l', 'a', 'b', 0} // SOFTWARE, padded
	attributes = append(attributes, 0, stunXORMapped, 0, byte(4+len(ip)), 0, family, 0, 0)
	attributes = append(attributes, ip...)
	m := binary.BigEndian.AppendUint16([]byte{1, 1}, uint16(len(attributes)))
	m = binary.BigEndian.AppendUint32(m, stunCookie)
	return append(append(m, id[:]...), attributes...)
}

func TestParseSTUN(t *testing.T) {
	id := transaction{1, 2, 3}
	for _, want := range []string{"203.0.113.7", "2001:db8::7"} {
		if got, err := parseSTUN(stunAnswer(id, netip.AddrPortFrom(addr(want), 1)), id); err != nil || got != addr(want) {
			t.Errorf("saw %s, %v; want %s", got, err, want)
		}
	}
	good := stunAnswer(id, netip.MustParseAddrPort("203.0.113.7:1"))
	for n := range good {
		if _, err := parseSTUN(good[:n], id); !errors.Is(err, ErrSTUN) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if _, err := parseSTUN(good, transaction{4}); !errors.Is(err, ErrSTUN) {
		t.Errorf("the answer to another: %v", err)
	}
}

// TestParseSTUNVectors are the answers of RFC 5769 sections 2.2 and 2.3: to
// 192.0.2.1:32853 and to [2001:db8:1234:5678:11:2233:4455:6677]:32853.
func TestParseSTUNVectors(t *testing.T) {
	id := transaction{0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae}
	head := func(length byte) []byte {
		return append([]byte{0x01, 0x01, 0x00, length, 0x21, 0x12, 0xa4, 0x42}, id[:]...)
	}
	four := append(head(12), 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43)
	six := append(head(24), 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47,
		0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9)
	for want, m := range map[string][]byte{"192.0.2.1": four, "2001:db8:1234:5678:11:2233:4455:6677": six} {
		if got, err := parseSTUN(m, id); err != nil || got != addr(want) {
			t.Errorf("saw %s, %v; want %s", got, err, want)
		}
	}
}

func FuzzParseSTUN(f *testing.F) {
	id := transaction{1, 2, 3}
	f.Add(stunAnswer(id, netip.MustParseAddrPort("203.0.113.7:1")))
	f.Add(stunAnswer(id, netip.MustParseAddrPort("[2001:db8::7]:1")))
	f.Fuzz(func(t *testing.T, m []byte) {
		ip, err := parseSTUN(m, id)
		if (err == nil) != ip.IsValid() {
			t.Errorf("saw %v, %v", ip, err)
		}
	})
}

func TestSTUNObeysTheContext(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0") // never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &world.World{Network: world.Machine()}
	if _, err := askSTUN(ctx, w, netip.Addr{}, netip.MustParseAddrPort(l.LocalAddr().String())); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestParseSTUNServer(t *testing.T) {
	for text, want := range map[string]STUNServer{
		"stun.example.net":       {Host: mail.MustParseDomain("stun.example.net")},
		"stun.example.net:19302": {Host: mail.MustParseDomain("stun.example.net"), Port: 19302},
	} {
		if got, err := ParseSTUNServer(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "stun.example.net:", "stun.example.net:0", "stun.example.net:70000", "stun example", "a:b:c"} {
		if got, err := ParseSTUNServer(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// TestEdgeNews tells of each change once, also over a restart.
func TestEdgeNews(t *testing.T) {
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		id := open(t, st, nil)
		news := func(want bool, problems ...string) {
			t.Helper()
			var e Edge
			for _, p := range problems {
				e.Problems = append(e.Problems, EdgeProblem{Text: p})
			}
			if got := id.IsNews(e); got != want {
				t.Errorf("%q is news: %t", problems, got)
			}
			if err := id.KeepEdge(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
		news(false)
		news(true, "a")
		news(false, "a")
		news(true, "a", "b")
		if err := id.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		news(false, "a", "b")
		news(true)
		news(false)
	})
}
