package check_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/world"
)

// Strangers, as the documentation prefix: to the audit they are hosts of the public
// Internet, and no loopback.
var (
	strangers   = netip.MustParsePrefix("203.0.113.0/24")
	strangerOne = netip.MustParseAddr("203.0.113.7")
	strangerTwo = netip.MustParseAddr("203.0.113.8")
)

// watched is a network on which the strangers are hosts of the lab, and which counts
// what is done to them.
type watched struct {
	world.Network
	lab    world.Map // where the lab lies: the audit must not know that it is in one
	really map[netip.Addr]netip.Addr

	mu       sync.Mutex
	open     map[netip.Addr]int
	most     map[netip.Addr]int
	commands map[string]int // lines to port 25 of any of them
}

func (w *watched) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to := netip.MustParseAddrPort(address)
	real, strange := w.really[to.Addr()]
	if !strange {
		return w.Network.DialContext(ctx, network, w.lab.Socket(to).String())
	}
	conn, err := w.Network.DialContext(ctx, network, w.lab.Socket(netip.AddrPortFrom(real, to.Port())).String())
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[strangerOne]++ // all of them are one machine
	w.most[strangerOne] = max(w.most[strangerOne], w.open[strangerOne])
	return &watchedConn{Conn: conn, watched: w}, nil
}

type watchedConn struct {
	net.Conn
	watched *watched
	once    sync.Once
}

func (c *watchedConn) Write(octets []byte) (int, error) {
	c.watched.mu.Lock()
	for line := range strings.Lines(string(octets)) {
		c.watched.commands[strings.TrimSpace(line)]++
	}
	c.watched.mu.Unlock()
	return c.Conn.Write(octets)
}

func (c *watchedConn) Close() error {
	c.once.Do(func() {
		c.watched.mu.Lock()
		defer c.watched.mu.Unlock()
		c.watched.open[strangerOne]--
	})
	return c.Conn.Close()
}

// count is how many commands fit.
func (w *watched) count(fits func(string) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for command, times := range w.commands {
		if fits(command) {
			n += times
		}
	}
	return n
}

// strangeWorld is a lab in which domains share an MX at two addresses of strangers.
// The host offers no TLS, so that every word to it can be read.
func strangeWorld(t *testing.T, domains []string) (*world.World, *watched) {
	t.Helper()
	zones := []string{`
$ORIGIN shared.test.
@ SOA ns1.nameserver.example. hostmaster.green.example. 1 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
mx A 203.0.113.7
mx A 203.0.113.8
`}
	for _, d := range domains {
		zones = append(zones, fmt.Sprintf(`
$ORIGIN %s.
@ SOA ns1.nameserver.example. hostmaster.green.example. 1 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
@ MX 10 mx.shared.test.
@ TXT "v=spf1 mx -all"
`, d))
	}
	l, err := lab.Start(t.Context(), lab.Options{Zones: zones})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	real, err := l.Addr("mx.no-tls.example")
	if err != nil {
		t.Fatal(err)
	}
	w := l.World()
	n := &watched{
		Network: w.Network, lab: w.Map, really: map[netip.Addr]netip.Addr{strangerOne: real, strangerTwo: real},
		open: map[netip.Addr]int{}, most: map[netip.Addr]int{}, commands: map[string]int{},
	}
	w.Network = n
	w.Map = world.Map{Public: append(w.Map.Public, strangers)}
	return w, n
}

// onlyWithProof are checks, besides the relay battery, that ask nothing of strangers.
var onlyWithProof = []string{
	"role.postmaster", "role.abuse", "role.others", "smtp.vrfy", "smtp.smuggling", "smtp.unknown-commands",
	"backscatter.bounces", "backscatter.filter", "backscatter.autoreply", "backscatter.callout", "backscatter.challenge",
}

// A stranger gets one connection at a time, one relay RCPT and one unknown RCPT in a
// run, however many domains share it and whatever --battery asks for.
func TestStrangersAreProbedPolitely(t *testing.T) {
	domains := []string{"one.test", "two.test", "three.test"}
	w, n := strangeWorld(t, domains)
	var targets []check.Target
	for _, d := range domains {
		target, err := check.ParseTarget(d, check.Domain)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	visited, findings := 0, map[string]string{}
	check.NewAudit(w, check.Options{Battery: true}).RunAll(t.Context(), targets, func(r *finding.Report) {
		for _, f := range r.Findings {
			if f.Check == "relay.plain" && f.Code == "refused" {
				visited++
			}
			if f.Group == "relay" && f.Check != "relay.plain" || slices.Contains(onlyWithProof, f.Check) {
				findings[f.Check] = f.Code
			}
		}
	})
	if visited == 0 {
		t.Fatal("the stranger was not visited at all, so nothing is proven")
	}
	if most := n.most[strangerOne]; most != 1 {
		t.Errorf("%d connections at once", most)
	}
	counts := map[string]int{
		"relay RCPT":   n.count(func(c string) bool { return strings.HasPrefix(c, "RCPT TO:<relay-probe@example.org>") }),
		"unknown RCPT": n.count(func(c string) bool { return strings.HasPrefix(c, "RCPT TO:<no-such-user-") }),
		"any RCPT":     n.count(func(c string) bool { return strings.HasPrefix(c, "RCPT ") }),
	}
	for what, want := range map[string]int{"relay RCPT": 1, "unknown RCPT": 1, "any RCPT": 2} {
		if counts[what] != want {
			t.Errorf("%d times %s, want %d", counts[what], what, want)
		}
	}
	for _, verb := range []string{"DATA", "BDAT", "VRFY", "EXPN", "AUTH", "XCLIENT", "HELO"} {
		if k := n.count(func(c string) bool { first, _, _ := strings.Cut(c, " "); return strings.EqualFold(first, verb) }); k > 0 {
			t.Errorf("a stranger was told %s %d times", verb, k)
		}
	}
	if len(findings) < len(onlyWithProof)-3 { // the three role checks share their fate with the visit
		t.Errorf("only %v were judged", findings)
	}
	for id, code := range findings {
		if code != "needs-proof" {
			t.Errorf("%s says %s of a stranger, want needs-proof", id, code)
		}
	}
}

// The same host, once the person says that it is theirs, hears the whole battery: so
// the counting above would have seen it.
func TestAnAllowedHostHearsTheBattery(t *testing.T) {
	w, n := strangeWorld(t, []string{"one.test"})
	target, err := check.ParseTarget("one.test", check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	o := check.Options{Battery: true, Allowed: true, Only: []string{"relay.percent"}}
	check.NewAudit(w, o).Run(t.Context(), target, nil)
	if k := n.count(func(c string) bool { return strings.HasPrefix(c, "RCPT ") }); k < 40 {
		t.Errorf("%d RCPT, want the whole battery", k)
	}
}

// A server that looks at itself asks its own hosts everything, and does not even connect
// to those of others: what it did not see there is no colour.
func TestWhoSendsMailVisitsOnlyItself(t *testing.T) {
	for name, ours := range map[string][]netip.Addr{"strangers": {netip.MustParseAddr("203.0.113.99")}, "itself": {strangerOne, strangerTwo}} {
		t.Run(name, func(t *testing.T) {
			w, n := strangeWorld(t, []string{"one.test"})
			target, err := check.ParseTarget("one.test", check.Domain)
			if err != nil {
				t.Fatal(err)
			}
			r := check.NewAudit(w, check.Options{Ours: ours}).Run(t.Context(), target, nil)
			codes := map[string]string{}
			for _, f := range r.Findings {
				codes[f.Check] = f.Code
				if mailbound := []string{"smtp", "helo", "relay", "backscatter", "submission", "access", "mx"}; slices.Contains(mailbound, f.Group) && f.Status == finding.Unknown {
					t.Errorf("%s is unknown: %s", f.Check, f.Summary)
				}
			}
			roles := n.count(func(c string) bool { return strings.HasPrefix(c, "RCPT TO:<postmaster@") })
			if name == "itself" {
				if roles == 0 || codes["mx.reachable"] != "answers" {
					t.Errorf("asked about %d times postmaster; mx.reachable says %s", roles, codes["mx.reachable"])
				}
				return
			}
			if n.most[strangerOne] != 0 || codes["mx.reachable"] != "needs-proof" {
				t.Errorf("%d connections; mx.reachable says %q", n.most[strangerOne], codes["mx.reachable"])
			}
		})
	}
}

// Who asks about somebody else at a server that sends mail learns that nobody knocked
// there: that is a gap, not a colour.
func TestStrangersAreNotVisitedForOthers(t *testing.T) {
	target, err := check.ParseTarget("one.test", check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]check.Options{
		"no address to look from":   {Ours: []netip.Addr{netip.MustParseAddr("203.0.113.99")}, Foreign: true},
		"one of the other family":   {From: netip.MustParseAddr("2001:db8::99")},
		"one of each, still theirs": {Ours: []netip.Addr{netip.MustParseAddr("203.0.113.99")}, Foreign: true, From: netip.MustParseAddr("203.0.113.99")},
	} {
		t.Run(name, func(t *testing.T) {
			w, n := strangeWorld(t, []string{"one.test"})
			r := check.NewAudit(w, o).Run(t.Context(), target, nil)
			unknown := map[string]bool{}
			for _, f := range r.Findings {
				if f.Code == "no-answer" && strings.Contains(f.Summary, "was not visited") {
					unknown[f.Check] = f.Status == finding.Unknown
				}
				if f.Status == finding.Red && slices.Contains([]string{"smtp", "helo", "tls", "relay", "backscatter", "submission", "mx"}, f.Group) {
					t.Errorf("%s is red though nobody was visited: %s", f.Check, f.Summary)
				}
			}
			if n.most[strangerOne]+n.most[strangerTwo] != 0 || !unknown["mx.reachable"] {
				t.Errorf("%d connections; unknown is %v", n.most[strangerOne]+n.most[strangerTwo], unknown)
			}
		})
	}
}
