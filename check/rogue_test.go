package check_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// What a hostile server may cost.
const (
	rogueTime   = 6 * time.Second // Options.Timeout
	rogueSlack  = time.Minute     // for a busy machine, beyond the timeout
	rogueMemory = 150 << 20       // octets of heap, with the garbage of it and of the lab
)

// rogue is a mail server that plays a part of a conversation and then breaks it.
type rogue struct {
	name string
	play func(c *actor)
	want []string // "status check code" among the findings
}

// actor is the rogue's side of one connection.
type actor struct {
	net.Conn
	lines *bufio.Reader
	takes bool // any recipient
}

// says sends raw octets.
func (c *actor) says(text string) { io.WriteString(c, text) }

// hears reads one line.
func (c *actor) hears() string {
	line, _ := c.lines.ReadString('\n')
	return line
}

// greets answers politely up to some verb, which it leaves unanswered.
func (c *actor) greets(until string) {
	c.says("220 mx ESMTP\r\n")
	for {
		line := c.hears()
		switch verb := strings.ToUpper(strings.SplitN(strings.TrimSpace(line), " ", 2)[0]); {
		case line == "" || verb == until:
			return
		case verb == "EHLO":
			c.says("250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
		case verb == "STARTTLS":
			c.says("454 4.7.0 not now\r\n")
		case verb == "QUIT":
			c.says("221 bye\r\n")
			return
		case verb == "RCPT" && !c.takes:
			c.says("550 5.1.1 nobody\r\n")
		case verb == "RCPT" || verb == "MAIL" || verb == "RSET" || verb == "HELO":
			c.says("250 2.0.0 ok\r\n")
		default:
			c.says("502 5.5.1 not here\r\n")
		}
	}
}

// forever repeats something until the other side has enough.
func (c *actor) forever(text string) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

var rogues = []rogue{
	{name: "hangs up at once", want: []string{"red mx.reachable no-greeting"}, play: func(*actor) {}},
	{name: "hangs up inside the greeting", want: []string{"red mx.reachable no-greeting"}, play: func(c *actor) { c.says("220 mx.exa") }},
	{name: "hangs up after the greeting", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.says("220 mx ESMTP\r\n") }},
	{name: "hangs up after EHLO", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.greets("EHLO") }},
	{name: "hangs up inside the answer to EHLO", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.greets("EHLO"); c.says("250-mx\r\n250-STAR") }},
	{name: "hangs up after STARTTLS", want: []string{"red tls.offered broken"}, play: func(c *actor) { c.greets("STARTTLS") }},
	{name: "hangs up instead of TLS", want: []string{"red tls.offered broken"}, play: func(c *actor) { c.greets("STARTTLS"); c.says("220 go ahead\r\n") }},
	{name: "hangs up inside TLS", want: []string{"red tls.offered injected"}, play: func(c *actor) { c.greets("STARTTLS"); c.says("220 go ahead\r\n\x16\x03\x03\x40\x00\x02") }},
	{name: "garbage instead of TLS", want: []string{"red tls.offered injected"}, play: func(c *actor) {
		c.greets("STARTTLS")
		c.says("220 go ahead\r\n")
		c.forever("\x16\x03\x03\x3f\xff" + strings.Repeat("\x00\xff", 8000))
	}},
	{name: "hangs up after MAIL", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.greets("MAIL") }},
	{name: "hangs up after RCPT", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.greets("RCPT") }},
	{name: "hangs up after RSET", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.greets("RSET") }},
	{name: "hangs up after VRFY", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.greets("VRFY") }},
	{name: "refuses at EHLO", want: []string{"unknown smtp.basics refuses-us"}, play: func(c *actor) {
		c.greets("EHLO")
		c.says("550 5.7.1 not you\r\n")
		c.hears()
		c.says("550 5.7.1 nor so\r\n")
		c.hears()
	}},
	{name: "hangs up after QUIT", want: []string{"green smtp.basics right"}, play: func(c *actor) { c.greets("QUIT") }},
	{name: "takes everybody and hangs up at DATA", want: []string{"yellow relay.plain may-be-open"}, play: func(c *actor) {
		c.takes = true
		c.greets("DATA")
	}},
	{name: "a line without end", want: []string{"red mx.reachable no-greeting"}, play: func(c *actor) { c.says("220 "); c.forever(strings.Repeat("x", 60000)) }},
	{name: "lines without end", want: []string{"red mx.reachable no-greeting"}, play: func(c *actor) { c.forever("220-" + strings.Repeat("hello ", 100) + "\r\n") }},
	{name: "extensions without end", want: []string{"red smtp.basics broken-off"}, play: func(c *actor) { c.greets("EHLO"); c.forever("250-X-ANOTHER-EXTENSION\r\n") }},
	{name: "not SMTP at all", want: []string{"red mx.reachable no-greeting"}, play: func(c *actor) { c.says("SSH-2.0-OpenSSH_9.6\r\n"); c.hears() }},
	{name: "octets of all kinds", want: []string{"red mx.reachable no-greeting"}, play: func(c *actor) {
		for i := range 256 {
			c.says(strings.Repeat(string([]byte{byte(i)}), 3))
		}
		c.says("\r\n250 \x00\x1b[31m\xff\r\n")
		c.hears()
	}},
	// An audit of six seconds has not the patience to call who is slow dead.
	{name: "silence", want: []string{"unknown mx.reachable out-of-time"}, play: func(c *actor) { io.Copy(io.Discard, c) }},
	{name: "silence after the greeting", want: []string{"unknown smtp.basics out-of-time"}, play: func(c *actor) { c.says("220 mx ESMTP\r\n"); io.Copy(io.Discard, c) }},
	{name: "an octet now and then", want: []string{"unknown mx.reachable out-of-time"}, play: func(c *actor) {
		hung := make(chan struct{})
		go func() { io.Copy(io.Discard, c); close(hung) }()
		for tick := time.NewTicker(500 * time.Millisecond); ; {
			select {
			case <-hung:
				tick.Stop()
				return
			case <-tick.C:
				c.says("2")
			}
		}
	}},
}

// serve plays the part for whoever calls, until the test ends.
func (r rogue) serve(t *testing.T, at netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				defer conn.Close()
				r.play(&actor{Conn: conn, lines: bufio.NewReader(conn)})
			})
		}
	})
	t.Cleanup(func() { stop(); l.Close(); open.Wait() })
}

func TestRogueServers(t *testing.T) {
	o := lab.Options{Bare: true}
	for i, r := range rogues {
		o.Domains = append(o.Domains, lab.Domain{Name: fmt.Sprintf("rogue%d.example", i), Net: 200 + i, Dark: []string{"mx"}, About: r.name})
	}
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for i, r := range rogues {
		t.Run(r.name, func(t *testing.T) {
			r.serve(t, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 10, byte(200 + i), 10}), l.File().Map.Ports[25]))
			report := auditHostile(t, l, o.Domains[i].Name)
			includeFindings(t, report, r.want)
		})
	}
}

// auditHostile audits with every probe and holds the audit to its time, memory and
// goroutines.
func auditHostile(t *testing.T, l *lab.Lab, name string) *finding.Report {
	t.Helper()
	target, err := check.ParseTarget(name, check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	w := l.World()
	heap := heapNow()
	peak := make(chan uint64)
	watching, enough := context.WithCancel(t.Context())
	go func() { peak <- watchHeap(watching) }()
	begun := time.Now()
	report := check.NewAudit(w, check.Options{Battery: true, Timeout: rogueTime}).Run(t.Context(), target, nil)
	took := time.Since(begun)
	enough()
	if most := <-peak; most > heap+rogueMemory {
		t.Errorf("the audit took %d MB of memory", (most-heap)>>20)
	}
	if took > rogueTime+rogueSlack {
		t.Errorf("the audit took %s", took)
	}
	checkGoroutines(t)
	if report.Verdict == finding.Green {
		t.Error("all green")
	}
	return report
}

func heapNow() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watchHeap is the most heap that lived until the context ended, garbage among it.
func watchHeap(ctx context.Context) (most uint64) {
	var m runtime.MemStats
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
		}
	}
}

// product tells our own goroutines from those of the lab and the test.
var product = regexp.MustCompile(`allgreen/(check|world|smtp|tlsprobe|route|reputation|bimi|probe|mailauth[a-z/]*)\.|net/http\.\(\*persistConn\)`)

// checkGoroutines wants none left of the audit.
func checkGoroutines(t *testing.T) {
	t.Helper()
	var left []string
	stacks := make([]byte, 4<<20)
	for begun := time.Now(); time.Since(begun) < time.Minute; runtime.Gosched() {
		left = slices.DeleteFunc(strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n"), func(stack string) bool {
			return !product.MatchString(stack) || strings.Contains(stack, "allgreen/lab") || strings.Contains(stack, "testing.tRunner")
		})
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("%d goroutines are left, the first:\n%s", len(left), left[0])
}

// includeFindings wants these among the findings.
func includeFindings(t *testing.T, r *finding.Report, want []string) {
	t.Helper()
	var got []string
	for _, f := range r.Findings {
		if strings.Contains(f.Summary, "%!") {
			t.Errorf("%s stumbles over its words: %s", f.Check, f.Summary)
		}
		got = append(got, strings.Join([]string{f.Status.String(), f.Check, f.Code}, " "))
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not found: %s in %q", line, got)
		}
	}
}

// A web server may send without end, slowly, or something else than was asked for.
func TestHostileWeb(t *testing.T) {
	d := lab.Domain{Name: "web.example", Net: 200, Dark: []string{"web"}}
	endless := map[string]host.Page{}
	for _, path := range []string{"/", "/imprint", "/.well-known/security.txt", "/.well-known/mta-sts.txt", "/bimi/logo.svg"} {
		endless[path] = host.Page{Body: strings.Repeat("all work and no play ", 1000), Endless: true}
	}
	var sites []host.Site
	for _, name := range []string{"", "www.", "mta-sts."} {
		sites = append(sites, host.Site{Name: name + d.Name, Pages: endless})
	}
	l, err := lab.Start(t.Context(), lab.Options{
		Bare:    true,
		Domains: []lab.Domain{d},
		Web:     []host.Web{{Addr: netip.MustParseAddr("127.10.200.80"), Sites: sites}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	includeFindings(t, auditHostile(t, l, d.Name), []string{"red mta-sts.policy too-large", "red bimi.logo not-there"})
}
