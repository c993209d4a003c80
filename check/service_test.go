package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// pipes is a network on which one server stands behind every address.
type pipes struct {
	serve   func(net.Conn)
	servers sync.WaitGroup // to be waited for
	mu      sync.Mutex
	dials   map[string]int
}

func (p *pipes) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dials == nil {
		p.dials = map[string]int{}
	}
	p.dials[address]++
	here, there := net.Pipe()
	p.servers.Go(func() { p.serve(there) })
	return here, nil
}

func (*pipes) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, errors.New("nobody listens on pipes")
}

// Many domains of one provider have one IMAP host: a stranger, visited once.
func TestServicesAreVisitedOnceForTheWholeRun(t *testing.T) {
	var zone strings.Builder
	zone.WriteString("imap.example.net. 300 IN A 8.8.1.9\n")
	for _, target := range numbered(20) {
		fmt.Fprintf(&zone, "_imap._tcp.%s. 300 IN SRV 0 1 143 imap.example.net.\n", target.Text)
		fmt.Fprintf(&zone, "_submission._tcp.%s. 300 IN SRV 0 1 587 imap.example.net.\n", target.Text)
	}
	network := &pipes{serve: func(c net.Conn) { c.Close() }}
	w := world.None()
	w.Resolver, w.Network = newNames(t, zone.String(), nil), network
	a := NewAudit(w, Options{Only: []string{"access", "submission"}})
	if err := a.RunAll(t.Context(), numbered(20), func(*finding.Report) {}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"8.8.1.9:143", "8.8.1.9:587"} {
		if network.dials[at] != 1 {
			t.Errorf("%s was visited %d times", at, network.dials[at])
		}
	}
}

// A service that says nothing does not hold up who wants to stop.
func TestServiceVisitEndsWithItsContext(t *testing.T) {
	for _, kind := range []string{"imap", "imaps", "pop3", "pop3s", "submission", "submissions"} {
		synctest.Test(t, func(t *testing.T) {
			w := world.None()
			w.Resolver = newNames(t, "imap.example.net. 300 IN A 8.8.1.9\n", nil)
			network := &pipes{serve: func(c net.Conn) { time.Sleep(time.Hour); c.Close() }}
			defer network.servers.Wait()
			w.Network = network
			a := NewAudit(w, Options{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			ctx, leave := a.enter(ctx)
			s := newSubject(ctx, a, numbered(1)[0])
			began := time.Now()
			visits := s.VisitServices(ctx, []Service{{Kind: kind, Host: mail.MustParseDomain("imap.example.net"), Port: 143}})
			leave()
			if took := time.Since(began); took != time.Second {
				t.Errorf("%s: ended after %v", kind, took)
			}
			if err := errors.Join(visits[0].Unreached, visits[0].Ended); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: ended with %v", kind, err)
			}
		})
	}
}

func TestLoginsOfCapabilities(t *testing.T) {
	for _, tt := range []struct {
		lines  lineProtocol
		answer string
		want   []string
	}{
		{pop3Lines, "+OK\r\nUSER\r\nUIDL\r\n.\r\n", []string{"USER command"}},
		{pop3Lines, "+OK\r\nSASL plain scram-sha-256\r\nUIDL\r\n.\r\n", []string{"PLAIN", "SCRAM-SHA-256"}},
		{pop3Lines, "+OK\r\nUTF8 USER\r\nSTLS\r\n.\r\n", nil}, // user names in UTF-8, for whoever may log in
		{pop3Lines, "-ERR what?\r\n", nil},
		{imapLines, "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na1 OK\r\n", []string{"PLAIN", "LOGIN command"}},
		{imapLines, "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK\r\n", nil},
	} {
		have, err := tt.lines.ask(io.Discard, bufio.NewReader(strings.NewReader(tt.answer)))
		if logins := tt.lines.logins(have); err != nil || !slices.Equal(logins, tt.want) {
			t.Errorf("%q: %q, %v, want %q", tt.answer, logins, err, tt.want)
		}
	}
}
