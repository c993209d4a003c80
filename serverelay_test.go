package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/web"
)

// No listener relays for strangers: not those for mail programs without a login, not the
// one for LMTP, and not the one for devices from outside of their networks. The audit
// plays its whole battery on port 25 alone, so each listener stands there at an address
// of its own, or behind a bridge that speaks plain SMTP there.
func TestServeRelaysForNobody(t *testing.T) {
	lmtp := filepath.Join(t.TempDir(), "lmtp.sock")
	v := settle(t, `
[listen]
smtp = ["127.11.0.10:25"]
submission = [":587", "127.11.0.12:25"]
device = ["127.11.0.11:25"]
lmtp = ["unix:`+lmtp+`"]

[[device]]
name = "printer"
networks = ["127.11.7.16/28"]
from = ["printer@allgreen.example"]
`, lab.Options{})
	v.bridge(t, "127.11.0.13:25", v.overTLS)
	v.bridge(t, "127.11.0.14:25", func(ctx context.Context, near net.Conn) error { return v.overLMTP(ctx, near, lmtp) })
	for listener, target := range map[string]string{"smtp": "127.11.0.10", "submission": "127.11.0.12", "submissions": "127.11.0.13", "lmtp": "127.11.0.14"} {
		t.Run(listener, func(t *testing.T) { isClosed(t, target) })
	}
	t.Run("device, to strangers", func(t *testing.T) {
		for _, f := range battery(t, "127.11.0.11") {
			if f.Status == "red" || f.Status == "yellow" || f.Group == "relay" && f.Status == "green" {
				t.Errorf("who is turned away at the door is told that %s is %s: %s", f.Check, f.Status, f.Summary)
			}
		}
		c, err := smtp.Dial(t.Context(), v.world, netip.MustParseAddrPort("127.11.0.11:25"), smtp.ClientOptions{Name: "stranger.example"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if reply, err := c.Greet(t.Context()); err != nil || reply.Code != 554 {
			t.Errorf("greeted with %s, %v", reply, err)
		}
	})
	t.Run("device, to the printer", func(t *testing.T) {
		l := letter{
			at: netip.MustParseAddrPort("127.11.0.11:25"), from: netip.MustParseAddr("127.11.7.20"), helo: "printer",
			sender: "printer@allgreen.example", author: "printer@allgreen.example", to: "alice@green.example", subject: "scan",
		}
		alias := web.Alias{From: "printer@allgreen.example", To: []string{v.home.settings.Admin.String()}}
		if _, err := web.AliasAdd.Do(t.Context(), v.client(), alias); err != nil {
			t.Fatal(err)
		}
		if reply, err := l.post(t.Context(), v.world); err != nil || !reply.IsPositive() {
			t.Fatalf("the printer is told %s, %v", reply, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := v.WaitForMail(ctx, func(m host.Message) bool { return slices.Contains(m.To, "alice@green.example") }); err != nil {
			t.Error(err)
		}
	})
}

// battery are the findings of the audit's whole battery on one address.
func battery(t *testing.T, target string) []found {
	t.Helper()
	got := allgreen(t, "", "check", "--lab", "--battery", "--json", "--as", "address", "--only", "relay,backscatter", target)
	return decode[document](t, got.out)[0].Findings
}

// isClosed wants every row of the battery that fits an address to be green.
func isClosed(t *testing.T, target string) {
	t.Helper()
	green := map[string]bool{}
	for _, f := range battery(t, target) {
		green[f.Check] = f.Status == "green"
		if f.Status != "green" && f.Status != "skip" {
			t.Errorf("%s is %s: %s", f.Check, f.Status, f.Summary)
		}
	}
	for _, row := range []string{"plain", "percent", "bang", "quoted", "source-route", "double-at", "oddities", "state"} {
		if !green["relay."+row] {
			t.Errorf("relay.%s was not seen to be closed", row)
		}
	}
}

// bridge answers at an address of the lab until the test ends, and has each connection
// carried on.
func (v village) bridge(t *testing.T, at string, carry func(context.Context, net.Conn) error) {
	t.Helper()
	l, err := v.world.Listen(t.Context(), netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return // the test has ended
			}
			carrying.Go(func() {
				defer near.Close()
				defer context.AfterFunc(ctx, func() { near.Close() })()
				if err := carry(ctx, near); err != nil {
					t.Logf("bridge at %s: %v", at, err)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		carrying.Wait()
	})
}

// overTLS carries to port 465.
func (v village) overTLS(ctx context.Context, near net.Conn) error {
	raw, err := v.world.Dial(ctx, v.home.address(465))
	if err != nil {
		return err
	}
	far := tls.Client(raw, &tls.Config{ServerName: v.home.settings.Hostname.String(), RootCAs: v.world.Roots})
	return both(near, far, func(line string) string { return line })
}

// overLMTP carries to the listener for LMTP, whose greeting has another name and whose
// answers to the end of the data are one for each recipient: strangers have none.
func (v village) overLMTP(ctx context.Context, near net.Conn, socket string) error {
	far, err := v.world.DialUnix(ctx, socket)
	if err != nil {
		return err
	}
	return both(near, far, func(line string) string {
		verb, rest, _ := strings.Cut(line, " ")
		if verb = strings.ToUpper(strings.TrimSpace(verb)); verb == "EHLO" || verb == "HELO" {
			return "LHLO " + rest
		}
		return line
	})
}

// both copies until one side ends, lines of the near side as say has them.
func both(near, far net.Conn, say func(line string) string) error {
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(near, far)
		near.Close()
		ended <- err
	}()
	in := bufio.NewReader(near)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			_, _ = io.WriteString(far, say(line)) // a far side that is gone ends the near one
		}
		if err != nil {
			break // however it left
		}
	}
	far.Close()
	<-ended
	return nil
}
