package lab_test

import (
	"crypto/x509"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/authority"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/world"
)

// start runs a lab for one test.
func start(t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		l, err := lab.Start(b.Context(), lab.Options{})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}

func BenchmarkStartBulk(b *testing.B) {
	for b.Loop() {
		l, err := lab.Start(b.Context(), lab.Options{Bulk: 1000})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	l := start(t, lab.Options{})
	// One who says nothing, one who is being talked to without end, one who waits.
	for _, name := range []string{"mx.green.example", "mx.endless.example", "mx.drip.example", "mx.slow.example"} {
		conn, err := net.Dial("tcp", socket(t, l, name, 25))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	begun := time.Now()
	l.Close()
	l.Close()
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("closing took %s", took)
	}
	// What Close ended may still be on its way out of its last function.
	for runtime.NumGoroutine() > before && time.Since(begun) < time.Minute {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

func TestLabsRunSideBySide(t *testing.T) {
	for range 4 {
		l := start(t, lab.Options{FixedPorts: true})
		if _, err := l.World().Lookup(t.Context(), "green.example.", dns.TypeMX); err != nil {
			t.Error(err)
		}
	}
}

func TestWorldFileOpensTheLab(t *testing.T) {
	l := start(t, lab.Options{})
	path := filepath.Join(t.TempDir(), "world.json")
	if err := l.File().Write(path); err != nil {
		t.Fatal(err)
	}
	w, err := world.Open(path, world.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Lookup(t.Context(), "green.example.", dns.TypeMX); err != nil {
		t.Error(err)
	}
	if addr, err := l.Addr("mx.probe.example"); err != nil || w.Probe.Listen != addr || !w.IsPublic(addr) {
		t.Errorf("probe %v, host %v, %v", w.Probe, addr, err)
	}
}

func TestOptionsAddToTheLab(t *testing.T) {
	l := start(t, lab.Options{
		Zones: []string{`
$ORIGIN mine.example.
;lab sign mine.example.
@ SOA ns1.nameserver.example. hostmaster.green.example. 1 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
@ MX 10 mx
mx A 127.10.200.10
;lab without green.example. MX
green.example. MX 7 mx.mine.example.
`},
		Hosts: []host.Mail{{Name: "mx.mine.example", Character: host.Character{Greeting: "220 mine"}}},
		Bulk:  3,
	})
	w := l.World()
	for name, want := range map[world.Name]string{
		"mine.example.":                        "10 mx.mine.example.",
		"green.example.":                       "7 mx.mine.example.",
		world.MustParseName(lab.BulkDomain(3)): "10 mx.bulk-0003.test.",
	} {
		answer, err := w.Lookup(t.Context(), name, dns.TypeMX)
		if err != nil {
			t.Errorf("%s: %s", name, err)
		} else if got := answer.Records[0].String(); len(answer.Records) != 1 || !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	conn, err := net.Dial("tcp", socket(t, l, "mx.mine.example", 25))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line := make([]byte, 8)
	if _, err := conn.Read(line); err != nil || string(line) != "220 mine" {
		t.Errorf("greeted with %q, %v", line, err)
	}
}

func TestMoreDomainsAreWellRun(t *testing.T) {
	l := start(t, lab.Options{Bare: true, Domains: []lab.Domain{
		{Name: "lit.example", Net: 201}, {Name: "dark.example", Net: 202, Dark: []string{"mx"}},
	}})
	w := l.World()
	for _, name := range []world.Name{"lit.example.", "dark.example."} {
		if answer, err := w.Lookup(t.Context(), name, dns.TypeMX); err != nil || answer.Security != world.Secure {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
	conn, err := net.Dial("tcp", socket(t, l, "mx.lit.example", 25))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if conn, err := net.Dial("tcp", socket(t, l, "mx.dark.example", 25)); err == nil {
		conn.Close()
		t.Error("somebody listens where nobody should")
	}
	cert, err := l.Certificate(ca.Good, "mx.dark.example")
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err := x509.ParseCertificate(cert.Certificate[0]); err != nil || leaf.VerifyHostname("mx.dark.example") != nil {
		t.Errorf("the certificate is for %v, %v", leaf, err)
	}
}

func TestBareLabHasNoDomains(t *testing.T) {
	l := start(t, lab.Options{Bare: true})
	if _, err := l.Addr("mx.green.example"); err == nil {
		t.Error("a bare lab has green.example")
	}
}

func TestBadZoneIsAnError(t *testing.T) {
	for _, zone := range []string{
		"x.example. MX nonsense", ";lab unknown x.", ";lab sign nowhere.example.", ";lab without nowhere.example. MX",
		"x.example. SOA a. b. 1 2 3 4 5",
	} {
		if l, err := lab.Start(t.Context(), lab.Options{Zones: []string{zone}}); err == nil {
			l.Close()
			t.Errorf("%q was taken", zone)
		}
	}
}

func TestQuestionsAreCounted(t *testing.T) {
	l := start(t, lab.Options{})
	w := l.World()
	l.ForgetQuestions()
	if _, err := w.Lookup(t.Context(), "truncated.hostile.example.", dns.TypeTXT); err != nil {
		t.Fatal(err)
	}
	q := authority.Question{Name: "truncated.hostile.example.", Type: dns.TypeTXT}
	if n := l.Questions()[q]; n != 1 {
		t.Errorf("asked %d times: the retry over TCP is the same question", n)
	}
}

// The table is data, so a slip in it shows nowhere else.
func TestExpectedTable(t *testing.T) {
	l := start(t, lab.Options{})
	domains := lab.Domains()
	if domains[0].Name != "green.example" || len(domains[0].Defects) != 0 {
		t.Errorf("the first domain is %+v", domains[0])
	}
	nets := map[int]string{}
	for _, d := range domains {
		if other, ok := nets[d.Net]; ok || d.Net < 1 || d.Net > 255 {
			t.Errorf("%s and %s share network %d", d.Name, other, d.Net)
		}
		nets[d.Net] = d.Name
		for _, defect := range d.Defects {
			if group, _, ok := strings.Cut(defect.Row, "-"); !ok || group == "" || !slices.Contains([]string{"red", "yellow"}, defect.Status) {
				t.Errorf("%s: %+v is no defect", d.Name, defect)
			}
		}
		if d.About == "" {
			t.Errorf("%s says nothing about itself", d.Name)
		}
		if _, err := l.Addr("mx." + d.Name); err != nil && !d.Alone {
			t.Error(err)
		}
	}
	if n := len(slices.DeleteFunc(domains, func(d lab.Domain) bool { return d.More })); n < 12 || n > 20 {
		t.Errorf("%d domains to begin with", n)
	}
}
