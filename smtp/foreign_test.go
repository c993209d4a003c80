package smtp

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	others "github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/mail"
)

// TestForeignServers sends a message by our client to another mail server, which relays it
// to our server as its own client does: pipelined, over STARTTLS, by BDAT where it knows
// how.
func TestForeignServers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(testing.TB, others.Options) *others.Peer
		extra []string
		tls   bool
	}{
		{"Postfix", others.Postfix, nil, false},
		{"Postfix over STARTTLS", others.Postfix, []string{"smtp_tls_security_level = encrypt"}, true},
		{"Exim", others.Exim, nil, false},
		{"Exim over STARTTLS", others.Exim, nil, true},
		{"OpenSMTPD", others.OpenSMTPD, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan letter, 10)
			kept := &shelf{answer: func(l letter) []mail.Reply { arrived <- l; return nil }}
			o := ServerOptions{Open: kept.open, DSN: true}
			if tt.tls {
				withTLS(t, &o)
			}
			_, addr := serveOn(t, o)
			p := tt.start(t, others.Options{OpenRelay: true, NextHop: addr, Extra: tt.extra})
			relay(t, p.Addr)
			select {
			case l := <-arrived:
				if !strings.HasSuffix(l.text, hard[strings.Index(hard, "\r\n\r\n"):]) || l.from.String() != "a@a.example" || (l.peer.TLS != nil) != tt.tls {
					t.Errorf("from %s by %s came %q", l.from, l.peer.Protocol, l.text)
				}
				t.Logf("%s, %d octets, %+v", l.peer.Protocol, len(l.text), l.mail)
			case <-time.After(30 * time.Second):
				t.Fatalf("nothing came\n%s", p.Log())
			}
		})
	}
}

// relay gives a message to a server for recipients elsewhere.
func relay(t *testing.T, to netip.AddrPort) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := dialTest(t, to, ClientOptions{Name: "client.example"})
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	e := Envelope{From: mail.MustParseAddress("a@a.example"), To: []Recipient{{Address: mail.MustParseAddress("b@mx.example")}}}
	if c.Extensions().Has("8BITMIME") {
		e.Options.Body = Body8BitMIME
	}
	e.Chunks = c.Extensions().Has("CHUNKING")
	fates, err := c.Send(ctx, e, strings.NewReader(hard))
	if err != nil || fates[0].Reply.Code != 250 {
		t.Fatalf("%v, %v\n%s", fates, err, c.Transcript())
	}
	c.Quit(ctx)
}
