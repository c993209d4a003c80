package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// signedInternet has one zone for each thing that can be right or wrong.
func signedInternet(t testing.TB) *authority {
	a := newAuthority(t)
	root, test := a.zone(Root), a.zone("test.")
	root.delegate(t, test)
	child := func(name Name, opts ...func(*signedZone)) *signedZone {
		z := a.zone(name, opts...)
		test.delegate(t, z)
		return z.add(t, "www."+string(name)+" 300 A 192.0.2.1", "alias."+string(name)+" 300 CNAME www.secure.test.")
	}
	child("secure.test.").add(t,
		"secure.test. 300 MX 10 Mail.Secure.test.", `secure.test. 300 TXT "v=spf1 -all"`,
		`*.wild.secure.test. 300 TXT "any"`, `*.calias.secure.test. 300 CNAME www.secure.test.`,
		"a.b.empty.secure.test. 300 A 192.0.2.2", "chain.secure.test. 300 CNAME www.insecure.test.",
		"broken.secure.test. 300 CNAME www.wrong.test.", "gone.secure.test. 300 CNAME none.secure.test.",
		"dname.secure.test. 300 DNAME rsa.test.", `odd\032name\.x.secure.test. 300 TXT "odd"`,
	)
	child("rsa.test.", withRSA, hashed).add(t, `*.wild.rsa.test. 300 TXT "any"`, "a.b.empty.rsa.test. 300 A 192.0.2.2")
	child("ed.test.", withEd25519)
	child("insecure.test.", unsigned)
	child("wrong.test.", wrongSignatures)
	child("expired.test.", expired)
	child("future.test.", notYet)
	child("nokey.test.", withoutKey)
	child("unknown.test.", unknownAlgorithm)
	child("often.test.", hashedTooOften)
	opt := child("optout.test.", hashedOptOut)
	opt.delegate(t, a.zone("plain.optout.test.", unsigned).add(t, "www.plain.optout.test. 300 A 192.0.2.3"))
	opt.delegate(t, a.zone("signed.optout.test.", hashed).add(t, "www.signed.optout.test. 300 A 192.0.2.3"))
	a.otherDefects(t, test)
	return a
}

func (a *authority) otherDefects(t testing.TB, test *signedZone) {
	island := a.zone("island.test.").add(t, "www.island.test. 300 A 192.0.2.4")
	test.delegateInsecure(t, island)
	island.delegate(t, a.zone("below.island.test.").add(t, "www.below.island.test. 300 A 192.0.2.4"))
	mismatch := a.zone("mismatch.test.").add(t, "www.mismatch.test. 300 A 192.0.2.5")
	test.delegateInsecure(t, mismatch)
	ds := mismatch.key.ToDS(dns.SHA256)
	ds.Digest = strings.Repeat("ab", 32)
	test.put(ds)
	test.delegate(t, a.zone("stripped.test.").add(t, "www.stripped.test. 300 A 192.0.2.6"))
	a.spoil("www.stripped.test.", dns.TypeA, stripSignatures)
	a.spoil("none.stripped.test.", dns.TypeA, stripSignatures)
	test.delegate(t, a.zone("nods.test.").add(t, "www.nods.test. 300 A 192.0.2.6"))
	a.spoil("nods.test.", dns.TypeDS, func(m *dns.Msg) { m.Answer = nil })
	// A wildcard's records under a name that exists: the proof of its absence fails.
	a.spoil("swap.wild.secure.test.", dns.TypeTXT, func(m *dns.Msg) { m.Ns = nil })
	// NXDOMAIN for a name that is there.
	a.spoil("hidden.secure.test.", dns.TypeA, func(m *dns.Msg) {
		m.Answer, m.Rcode = nil, dns.RcodeNameError
		a.zones["secure.test."].deny(t, m, "secure.test.", "zzz.secure.test.")
	})
	a.zones["secure.test."].add(t, "hidden.secure.test. 300 A 192.0.2.9")
}

// What an oracle and we can say of a question.
const (
	isSecure   = "secure"
	isInsecure = "insecure"
	isBogus    = "bogus"
)

var verdicts = []struct {
	name  Name
	qtype uint16
	want  string
	why   string // part of our reason, for bogus
}{
	{"www.secure.test.", dns.TypeA, isSecure, ""},
	{"secure.test.", dns.TypeMX, isSecure, ""},
	{"secure.test.", dns.TypeTXT, isSecure, ""},
	{`odd\032name\.x.secure.test.`, dns.TypeTXT, isSecure, ""},
	{"secure.test.", dns.TypeDNSKEY, isSecure, ""},
	{"secure.test.", dns.TypeDS, isSecure, ""},
	{"test.", dns.TypeSOA, isSecure, ""},
	{".", dns.TypeNS, isSecure, ""},
	{"www.rsa.test.", dns.TypeA, isSecure, ""},
	{"www.ed.test.", dns.TypeA, isSecure, ""},
	{"x.wild.secure.test.", dns.TypeTXT, isSecure, ""},
	{"x.y.wild.secure.test.", dns.TypeTXT, isSecure, ""},
	{"*.wild.secure.test.", dns.TypeTXT, isSecure, ""},
	{"x.calias.secure.test.", dns.TypeA, isSecure, ""},
	{"x.wild.rsa.test.", dns.TypeTXT, isSecure, ""},
	{"x.y.wild.rsa.test.", dns.TypeTXT, isSecure, ""},
	{"x.wild.secure.test.", dns.TypeMX, isSecure, ""}, // wildcard, no data
	{"x.wild.rsa.test.", dns.TypeMX, isSecure, ""},
	{"www.secure.test.", dns.TypeMX, isSecure, ""},     // no data
	{"b.empty.secure.test.", dns.TypeMX, isSecure, ""}, // empty non-terminal
	{"empty.rsa.test.", dns.TypeMX, isSecure, ""},
	{"none.secure.test.", dns.TypeA, isSecure, ""}, // NXDOMAIN
	{"a.none.secure.test.", dns.TypeA, isSecure, ""},
	{"zzz.secure.test.", dns.TypeA, isSecure, ""},
	{"www.rsa.test.", dns.TypeMX, isSecure, ""},
	{"none.rsa.test.", dns.TypeA, isSecure, ""},
	{"a.b.none.rsa.test.", dns.TypeA, isSecure, ""},
	{"none.", dns.TypeA, isSecure, ""},
	{"alias.rsa.test.", dns.TypeA, isSecure, ""}, // across zones
	{"gone.secure.test.", dns.TypeA, isSecure, ""},
	{"www.dname.secure.test.", dns.TypeA, isSecure, ""},
	{"chain.secure.test.", dns.TypeA, isInsecure, ""},
	{"alias.insecure.test.", dns.TypeA, isInsecure, ""},
	{"broken.secure.test.", dns.TypeA, isBogus, "signature of www.wrong.test A by key"},
	{"www.insecure.test.", dns.TypeA, isInsecure, ""},
	{"none.insecure.test.", dns.TypeA, isInsecure, ""},
	{"insecure.test.", dns.TypeDS, isSecure, ""}, // the parent's denial is signed
	{"www.island.test.", dns.TypeA, isInsecure, ""},
	{"www.below.island.test.", dns.TypeA, isInsecure, ""},
	{"www.unknown.test.", dns.TypeA, isInsecure, ""},
	{"www.often.test.", dns.TypeA, isSecure, ""},
	{"none.often.test.", dns.TypeA, isInsecure, ""},
	{"www.optout.test.", dns.TypeA, isSecure, ""},
	{"www.plain.optout.test.", dns.TypeA, isInsecure, ""},
	{"plain.optout.test.", dns.TypeDS, isInsecure, ""},
	{"www.signed.optout.test.", dns.TypeA, isSecure, ""},
	{"none.signed.optout.test.", dns.TypeA, isSecure, ""},
	{"none.optout.test.", dns.TypeA, isInsecure, ""},
	{"www.wrong.test.", dns.TypeA, isBogus, "signature of www.wrong.test A by key"},
	{"none.wrong.test.", dns.TypeA, isBogus, "is wrong"},
	{"www.expired.test.", dns.TypeA, isBogus, "signature of expired.test DNSKEY expired 20"},
	{"www.future.test.", dns.TypeA, isBogus, "signature of future.test DNSKEY is valid only from 20"},
	{"www.mismatch.test.", dns.TypeA, isBogus, "no DNSKEY of mismatch.test fits its DS record"},
	{"www.nokey.test.", dns.TypeA, isBogus, "nokey.test has a DS record but no DNSKEY"},
	{"www.stripped.test.", dns.TypeA, isBogus, "www.stripped.test A has no signature, though stripped.test is signed"},
	{"none.stripped.test.", dns.TypeA, isBogus, "nothing proves the absence"},
	{"www.nods.test.", dns.TypeA, isBogus, "test is signed, but nothing proves the absence"},
	{"swap.wild.secure.test.", dns.TypeTXT, isBogus, "nothing proves"},
	{"hidden.secure.test.", dns.TypeA, isBogus, "nothing proves that hidden.secure.test has no A"},
}

func TestValidation(t *testing.T) {
	a := signedInternet(t)
	w := a.world(Options{})
	for _, v := range verdicts {
		t.Run(fmt.Sprintf("%s %s", v.name, TypeName(v.qtype)), func(t *testing.T) {
			got, detail := ourVerdict(t, w, v.name, v.qtype)
			if got != v.want || !strings.Contains(detail, v.why) {
				t.Errorf("we say %s (%s), want %s (%s)", got, detail, v.want, v.why)
			}
		})
	}
}

func ourVerdict(t *testing.T, w *World, name Name, qtype uint16) (verdict, detail string) {
	t.Helper()
	answer, err := w.Lookup(context.Background(), name, qtype)
	if err == nil {
		if (answer.Security == Secure) == answer.Expires.IsZero() {
			t.Errorf("security %s with expiry %s", answer.Security, answer.Expires)
		}
		return answer.Security.String(), answer.Note
	}
	var e *LookupError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	switch {
	case errors.Is(err, ErrBogus):
		return isBogus, e.Detail
	case errors.Is(err, ErrNotFound):
		return e.Security.String(), e.Note
	}
	return err.Error(), ""
}

// TestOracleUnbound compares the verdicts with unbound's, which gets the same
// answers from the same authority.
func TestOracleUnbound(t *testing.T) {
	a := signedInternet(t)
	at := startUnbound(t, a)
	f := &File{Resolvers: []netip.AddrPort{at}}
	w, err := f.World(Options{Timeout: 5 * time.Second, Trusted: f.Resolvers})
	if err != nil {
		t.Fatal(err)
	}
	c := w.Resolver.(*client)
	for _, v := range verdicts {
		m := c.resolvers.message(c.resolvers.list[0], question{v.name, v.qtype}, true)
		answer, err := c.transport.exchange(context.Background(), m, at)
		if err != nil {
			t.Fatal(err)
		}
		got := isInsecure
		switch {
		case answer.Rcode == dns.RcodeServerFailure:
			got = isBogus
		case answer.AuthenticatedData:
			got = isSecure
		}
		if got != v.want {
			t.Errorf("%s %s: unbound says %s, we %s", v.name, TypeName(v.qtype), got, v.want)
		}
		if got := trustedVerdict(t, w, v.name, v.qtype); got != v.want {
			t.Errorf("%s %s: through a trusted unbound we say %s, want %s", v.name, TypeName(v.qtype), got, v.want)
		}
	}
}

// trustedVerdict is what we say without anchors, on the word of a resolver: it
// cannot tell insecure from not validated.
func trustedVerdict(t *testing.T, w *World, name Name, qtype uint16) string {
	t.Helper()
	_, err := w.Lookup(context.Background(), name, qtype)
	var e *LookupError
	switch errors.As(err, &e); {
	case errors.Is(err, ErrBogus):
		return isBogus
	case err == nil:
		answer, _ := w.Lookup(context.Background(), name, qtype)
		return strings.Replace(answer.Security.String(), "indeterminate", isInsecure, 1)
	}
	return strings.Replace(e.Security.String(), "indeterminate", isInsecure, 1)
}

// oracle finds a program of Debian, or skips the test; a machine that says that
// it is the CI has to have it.
func oracle(t *testing.T, program string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

func startUnbound(t *testing.T, a *authority) netip.AddrPort {
	t.Helper()
	program := oracle(t, "unbound")
	a.start()
	pc, ln := listenBoth(t)
	at := netip.MustParseAddrPort(pc.LocalAddr().String())
	pc.Close()
	ln.Close()
	dir := t.TempDir()
	conf := fmt.Sprintf(`server:
	directory: %q
	username: ""
	chroot: ""
	pidfile: ""
	use-syslog: no
	interface: 127.0.0.1
	port: %d
	do-ip6: no
	do-not-query-localhost: no
	trust-anchor: %q
	module-config: "validator iterator"
	harden-below-nxdomain: no
	aggressive-nsec: no
	local-zone: "test." nodefault
	val-sig-skew-min: 0
	val-sig-skew-max: 0
	num-threads: 1
	so-reuseport: no
forward-zone:
	name: "."
	forward-addr: 127.0.0.1@%d
remote-control:
	control-enable: no
`, dir, at.Port(), strings.ReplaceAll(a.anchor(), "\t", " "), a.at.Port())
	path := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-d", "-c", path)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		cmd.Wait()
		if t.Failed() {
			t.Logf("unbound said:\n%s", said.String())
		}
	})
	awaitServer(t, at)
	return at
}

// awaitServer asks until the server answers; each try waits for its answer.
func awaitServer(t *testing.T, at netip.AddrPort) {
	t.Helper()
	w := &World{Network: Machine()}
	tr := &transport{network: func() Network { return w.Network }}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		_, err := tr.overUDP(short, newQuery(question{"www.secure.test.", dns.TypeA}), at)
		if err != nil {
			<-short.Done() // refused at once: let it start
		}
		cancel()
		if err == nil {
			return
		}
	}
	t.Fatalf("%s does not come up", at)
}

// delvIgnoresOptOut are denials behind opt-out, which delv reports as validated.
// RFC 5155 section 9.2 wants them without AD, as unbound and we have it.
var delvIgnoresOptOut = map[Name]bool{"plain.optout.test.": true, "none.optout.test.": true}

// TestOracleDelv compares the verdicts with those of BIND's delv.
func TestOracleDelv(t *testing.T) {
	program := oracle(t, "delv")
	a := signedInternet(t)
	a.start()
	key := a.zones[Root].key
	path := filepath.Join(t.TempDir(), "anchors")
	text := fmt.Sprintf("trust-anchors { . static-key %d %d %d %q; };\n", key.Flags, key.Protocol, key.Algorithm, key.PublicKey)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		out, _ := exec.Command(program, "@127.0.0.1", "-p", fmt.Sprint(a.at.Port()), "-a", path, "+root=.",
			"-q", string(v.name), "-t", TypeName(v.qtype)).CombinedOutput()
		if got := delvVerdict(string(out)); got != v.want && !delvIgnoresOptOut[v.name] {
			t.Errorf("%s %s: delv says %s, we %s:\n%s", v.name, TypeName(v.qtype), got, v.want, out)
		}
	}
}

// delvVerdict is the weakest of what delv says of the links of a lookup.
func delvVerdict(out string) string {
	switch {
	case strings.Contains(out, "resolution failed") && !strings.Contains(out, "resolution failed: ncache"):
		return isBogus
	case strings.Contains(out, "unsigned answer"):
		return isInsecure
	case strings.Contains(out, "fully validated"):
		return isSecure
	}
	return isBogus
}
