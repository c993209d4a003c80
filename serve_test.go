package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// village is a lab with our server in it.
type village struct {
	*lab.Lab
	home  *home
	world *world.World
}

// settle starts our server in a lab, and lets commands find both.
func settle(t *testing.T, more string, o lab.Options) village {
	t.Helper()
	return settleIn(t, t.TempDir(), more, o, func(*world.World) {})
}

// settleIn is settle in a folder, and in a world that something happens to.
func settleIn(t *testing.T, dir, more string, o lab.Options, haunt func(*world.World)) village {
	t.Helper()
	l, h, err := joinLab(t.Context(), dir, more, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	v := village{l, h, l.World()}
	haunt(v.world)
	if err := h.start(t.Context(), v.world, logOf(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	file := l.File()
	file.Server = h.settings.Data
	path := filepath.Join(dir, "lab.json")
	if err := file.Write(path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALLGREEN_LAB", path)
	return v
}

// logOf shows the server's log when the test fails.
func logOf(t *testing.T) io.Writer {
	var log lockedBuffer
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.SplitAfter(log.String(), "\n")
			t.Logf("the log of the server ends with:\n%s", strings.Join(lines[max(0, len(lines)-40):], ""))
		}
	})
	return &log
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// neighbour starts somebody else's server as the MX of a domain of the lab; what it
// has for others it gives to us.
func (v village) neighbour(t *testing.T, start func(testing.TB, peer.Options) *peer.Peer, d lab.Domain) *peer.Peer {
	t.Helper()
	port := v.File().Ports[25]
	certFile, keyFile := certificateOf(t, v.Lab, d.Host())
	return start(t, peer.Options{
		Address: netip.AddrFrom4([4]byte{127, 10, byte(d.Net), 10}), Port: port, Hostname: d.Host(), Domains: []string{d.Name},
		OpenRelay: true, NextHop: netip.AddrPortFrom(v.home.settings.Addresses[0], port), CertFile: certFile, KeyFile: keyFile,
	})
}

func certificateOf(t *testing.T, l *lab.Lab, names ...string) (certFile, keyFile string) {
	t.Helper()
	cert, err := l.Certificate(ca.Good, names...)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "allgreen-certificate-") // the test's own folder is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string][]byte{certFile: chain, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

// Our server exchanges mail with Postfix and Exim, signed so that others believe it,
// and its audit is all green.
func TestServeAmongOthers(t *testing.T) {
	postfix := lab.Domain{Name: "postfix.example", Net: 230, Dark: []string{"mx"}}
	exim := lab.Domain{Name: "exim.example", Net: 231, Dark: []string{"mx"}}
	v := settle(t, "", lab.Options{Domains: []lab.Domain{postfix, exim}})
	for _, n := range []struct {
		domain lab.Domain
		start  func(testing.TB, peer.Options) *peer.Peer
	}{{postfix, peer.Postfix}, {exim, peer.Exim}} {
		t.Run(n.domain.Name, func(t *testing.T) {
			p := v.neighbour(t, n.start, n.domain)
			t.Run("out", func(t *testing.T) { v.sends(t, p, n.domain) })
			t.Run("in", func(t *testing.T) { v.receives(t, p, n.domain) })
		})
	}
	t.Run("audit", func(t *testing.T) {
		if got := allgreen(t, "", "check", "--lab", "--battery", "allgreen.example", "evergreen.example"); got.code != 0 {
			t.Errorf("exit %d:\n%s%s", got.code, got.out, got.err)
		}
	})
	t.Run("commands", func(t *testing.T) { v.commands(t) })
	t.Run("figures", func(t *testing.T) { v.figures(t) })
}

// figures are what a monitor reads; here over the administration socket.
func (v village) figures(t *testing.T) {
	socket := filepath.Join(v.home.settings.Data, socketName)
	monitor := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return machineWorld().DialUnix(ctx, socket)
	}}}
	read := func(path string) (int, string) {
		answer, err := monitor.Get("http://monitor" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	for path, want := range map[string]string{"/healthz": `"alive":true`, "/readyz": `"queue":"ok"`} {
		if status, text := read(path); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	_, text := read("/metrics")
	for _, want := range []string{
		`allgreen_smtp_replies_total{code="250",listener="smtp",outcome="accepted",stage="data"}`,
		`allgreen_smtp_replies_total{code="5.7.1",listener="smtp",outcome="refused",stage="rcpt"}`,
		`allgreen_smtp_sessions_total{listener="submissions"}`, `allgreen_queue_messages{state="held"}`, "allgreen_queue_oldest_seconds ",
		"allgreen_messages_per_fsync ", "allgreen_store_syncs_total ", `allgreen_delivery_recipients_total{outcome="sent"}`,
		`allgreen_certificate_expires_seconds{name="mx.allgreen.example",source="given"}`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
}

// sends has anna write to a mailbox of the peer, and go-msgauth verify what came.
func (v village) sends(t *testing.T, p *peer.Peer, d lab.Domain) {
	anna := v.home.settings.Admin.String()
	l := letter{at: v.home.address(465), helo: "laptop.example", user: anna, pass: v.home.password, sender: anna, author: anna, to: "user@" + d.Name, subject: "out"}
	if reply, err := l.post(t.Context(), v.world); err != nil || !reply.IsPositive() {
		t.Fatalf("submission: %s, %v", reply, err)
	}
	got := p.AwaitMessages(t, 1)[0]
	results, err := dkim.VerifyWithOptions(strings.NewReader(got), &dkim.VerifyOptions{LookupTXT: v.lookupTXT})
	if err != nil || len(results) != 2 {
		t.Fatalf("%d signatures, %v:\n%s", len(results), err, got)
	}
	for _, r := range results {
		if r.Err != nil || r.Domain != "allgreen.example" {
			t.Errorf("go-msgauth says of d=%s: %v", r.Domain, r.Err)
		}
	}
	if !strings.Contains(got, "Received: by mx.allgreen.example with ESMTPSA") {
		t.Errorf("no Received field of ours:\n%s", got)
	}
}

func (v village) lookupTXT(name string) ([]string, error) {
	answer, err := v.world.Lookup(context.Background(), world.Name(dns.Fqdn(name)), dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, rr := range answer.Records {
		if txt, ok := rr.(*dns.TXT); ok {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	return texts, nil
}

// receives has the peer pass a message on to us.
func (v village) receives(t *testing.T, p *peer.Peer, d lab.Domain) {
	client, err := smtp.Dial(t.Context(), machineWorld(), p.Addr, smtp.ClientOptions{Name: "client.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	from, to := mail.MustParseAddress("user@"+d.Name), v.home.settings.Admin
	subject := "in from " + d.Name
	for _, say := range []func() (mail.Reply, error){
		func() (mail.Reply, error) { return client.Greet(t.Context()) },
		func() (mail.Reply, error) { return client.Hello(t.Context()) },
		func() (mail.Reply, error) { return client.Mail(t.Context(), from, smtp.MailOptions{}) },
		func() (mail.Reply, error) { return client.Rcpt(t.Context(), to, smtp.RcptOptions{}) },
		func() (mail.Reply, error) {
			text := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <1@%s>\r\n\r\nhello\r\n", from, to, subject, time.Now().Format(time.RFC1123Z), d.Name)
			return client.Data(t.Context(), strings.NewReader(text))
		},
	} {
		if reply, err := say(); err != nil || !reply.IsPositive() {
			t.Fatalf("%s said %s, %v", d.Name, reply, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	header, err := v.home.arrived(ctx, to, mailbox.Inbox, subject)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Log())
	}
	if results := header.Value("Authentication-Results"); !strings.Contains(results, "dmarc=pass") || !strings.Contains(results, "spf=pass") {
		t.Errorf("results: %s", results)
	}
}

// client speaks to the administration of our server.
func (v village) client() *web.Client {
	return web.NewClient(machineWorld(), filepath.Join(v.home.settings.Data, socketName))
}

func machineWorld() *world.World { return &world.World{Network: world.Machine()} }

// commands are those of the administrator, over the socket.
func (v village) commands(t *testing.T) {
	admin := func(args string) outcome {
		t.Helper()
		got := allgreen(t, "", append(strings.Fields(args), "--lab")...)
		if got.code != 0 {
			t.Errorf("%s: exit %d:\n%s%s", args, got.code, got.out, got.err)
		}
		if !strings.HasPrefix(args, "log search") && !strings.HasPrefix(args, "queue list") {
			shortLines(t, got.out) // those tables are whole where no terminal cuts them
		}
		return got
	}
	if got := admin("account add bob@evergreen.example --quota 1GB"); !strings.Contains(got.out, "password: ") {
		t.Errorf("no password was made: %s", got.out)
	}
	admin("account list")
	admin("account show bob@evergreen.example")
	if got := admin("account quota bob@evergreen.example 2GB --messages 5000"); !strings.Contains(got.out, "of 2.0 GB, and 0 messages of 5000") {
		t.Errorf("more room: %s", got.out)
	}
	admin("account alias add sales@allgreen.example --to bob@evergreen.example")
	admin("account alias add crm@evergreen.example --to bob@evergreen.example")
	admin("account alias add printer@allgreen.example --to bob@evergreen.example")
	admin("account alias list")
	admin("account app-password bob@evergreen.example phone")
	admin("account token add crm --owner bob@evergreen.example --from crm@evergreen.example")
	admin("account token list")
	if got := admin("account device add printer --network 192.168.7.20 --from printer@allgreen.example"); !strings.Contains(got.err, "nobody listens for devices") {
		t.Errorf("no word of the listener: %s", got.err)
	}
	admin("account device list")
	admin("account hold bob@evergreen.example")
	admin("account held")
	admin("account free bob@evergreen.example")
	admin("queue list")
	found := decode[[]object](t, admin("log search --json --kind delivered "+v.home.settings.Admin.String()).out)[0]
	if len(found) == 0 {
		t.Fatal("nothing was received, says the log")
	}
	life := admin("log trace " + found[0]["trace"].(string)).out
	if !strings.Contains(life, "received") || !strings.Contains(life, "delivered") {
		t.Errorf("its life:\n%s", life)
	}
	admin("log search --since 2d --kind login-failed,refused")
	if got := admin("log search --since 2d --until 1d"); got.out != "nothing was found\n" {
		t.Errorf("of yesterday the log has: %s", got.out)
	}
	for args, says := range map[string]string{
		"account alias add sales@allgreen.example --to anna@allgreen.example":                              "leads to bob@evergreen.example already",
		"account alias add circle@allgreen.example --to circle@allgreen.example":                           "no such mailbox",
		"account alias add team@allgreen.example --to bob@evergreen.example --to nobody@evergreen.example": "nobody@evergreen.example",
		"account app-password bob@evergreen.example phone":                                                 "there can be one of a name",
		"log search --kind nonsense":       "nothing is ever",
		"log search --since yesterday":     "no time to look back",
		"log search --since 1h --until 2h": "nothing is left between them",
	} {
		if got := allgreen(t, "", append(strings.Fields(args), "--lab")...); got.code == 0 || !strings.Contains(got.err, says) {
			t.Errorf("%s: exit %d: %s%s", args, got.code, got.out, got.err)
		}
	}
	admin("account alias add sales@allgreen.example --to anna@allgreen.example --replace")
	admin("account remove bob@evergreen.example --yes")
	for args, code := range map[string]int{
		"queue show nothing": 1, "log trace nothing": 1, "account show nobody@allgreen.example": 1,
		"account add x@elsewhere.example": 64, "queue drop": 64,
	} {
		got := allgreen(t, "", append(strings.Fields(args), "--lab")...)
		if got.code != code || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%s: exit %d, want %d\n%s", args, got.code, code, got.err)
		}
	}
}

func mustSocket(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
