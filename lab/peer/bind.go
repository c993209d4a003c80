package peer

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// Nameserver is a running BIND.
type Nameserver struct {
	*Peer
	KeyName   string // of the TSIG key that may change its zones
	KeySecret string // in base64; the algorithm is hmac-sha256
}

// bindConfiguration has one line for each zone behind it. A key that may only read is
// for tests of refusals.
const bindConfiguration = `options {
  directory %[1]q; pid-file none; session-keyfile none; lock-file none; managed-keys-directory %[1]q;
  listen-on port %[3]d { %[2]s; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no; allow-transfer { none; };
};
controls { };
key "allgreen" { algorithm hmac-sha256; secret %[4]q; };
key "reader" { algorithm hmac-sha256; secret %[4]q; };
`

// BIND starts a name server at 127.0.0.1, for it listens on addresses of interfaces only,
// for zones, as master-file text by origin: "example.com".
func BIND(tb testing.TB, zones map[string]string) *Nameserver {
	tb.Helper()
	program, err := exec.LookPath("named")
	if err != nil {
		missing(tb, "named is missing: install bind9")
	}
	o := Options{Address: netip.MustParseAddr("127.0.0.1")}.withDefaults(tb)
	s := settings{Options: o, Dir: folder(tb, "bind")}
	secret := make([]byte, 32)
	rand.Read(secret)
	n := &Nameserver{KeyName: "allgreen.", KeySecret: base64.StdEncoding.EncodeToString(secret)}
	conf := fmt.Sprintf(bindConfiguration, s.Dir, o.Address, o.Port, n.KeySecret)
	var first string
	for origin, text := range zones {
		file := filepath.Join(s.Dir, origin+".zone")
		if err := os.WriteFile(file, []byte("$ORIGIN "+origin+".\n"+text), 0o644); err != nil {
			tb.Fatal(err)
		}
		conf += fmt.Sprintf("zone %q { type primary; file %q; allow-update { key allgreen; }; };\n", origin, file)
		first = origin
	}
	path := filepath.Join(s.Dir, "named.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		tb.Fatal(err)
	}
	n.Peer = begin(tb, s, exec.CommandContext(tb.Context(), program, "-g", "-4", "-c", path))
	n.awaitAuthority(tb, first)
	return n
}

func (n *Nameserver) awaitAuthority(tb testing.TB, origin string) {
	tb.Helper()
	c := &dns.Client{Net: "tcp", Timeout: startTime}
	ok := n.await(startTime, func() bool {
		answer, _, err := c.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(origin), dns.TypeSOA), n.Addr.String())
		return err == nil && answer.Authoritative && len(answer.Answer) == 1
	})
	if !ok {
		tb.Fatalf("BIND does not answer at %s:\n%s", n.Addr, n.Log())
	}
}

// File is a world in which this server answers for all names that it has, and is the
// only one; addresses of 127.0.0.0/8 are public in it.
func (n *Nameserver) File() *world.File {
	return &world.File{Resolvers: []netip.AddrPort{n.Addr}, Map: world.Map{
		Ports:  map[uint16]uint16{53: n.Addr.Port()},
		Public: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}}
}

// World opens that world.
func (n *Nameserver) World(tb testing.TB) *world.World {
	tb.Helper()
	w, err := n.File().World(world.Options{Timeout: startTime})
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// Has reports whether the server answers with a record, as "mx.example.com. 300 IN A
// 192.0.2.1" without its TTL: "mx.example.com. A 192.0.2.1".
func (n *Nameserver) Has(tb testing.TB, record string) bool {
	tb.Helper()
	f := strings.SplitN(record, " ", 3)
	want, err := dns.NewRR(fmt.Sprintf("%s 0 IN %s %s", f[0], f[1], f[2]))
	if err != nil {
		tb.Fatal(err)
	}
	c := &dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	answer, _, err := c.Exchange(new(dns.Msg).SetQuestion(f[0], dns.StringToType[f[1]]), n.Addr.String())
	if err != nil {
		tb.Fatal(err)
	}
	for _, rr := range answer.Answer {
		if dns.IsDuplicate(rr, want) {
			return true
		}
	}
	return false
}
