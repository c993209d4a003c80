package dialogue_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/dialogue/dialoguetest"
	"github.com/allgreen-mail/allgreen/mail"
)

// echo logs in with "login PASSWORD", panics at "panic", and says everything else again.
func echo(ctx context.Context, c *dialogue.Conn) error {
	c.Print("hello\r\n")
	for {
		line, err := c.ReadLine(20)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case errors.Is(err, dialogue.ErrTooLong), errors.Is(err, dialogue.ErrBareLine):
			c.Printf("%v\r\n", err)
		case errors.Is(err, dialogue.ErrStopping), errors.Is(err, dialogue.ErrLate):
			c.Printf("goodbye: %v\r\n", err)
			return err
		case err != nil:
			return err
		case word == "panic":
			panic("as asked")
		case word == "login":
			password, _ := c.ReadLine(100)
			if err := c.Login(ctx, rest, password); err != nil {
				c.Printf("%v\r\n", err)
			} else {
				c.Printf("welcome %s\r\n", c.Who().Name)
			}
		default:
			c.Printf("%s\r\n", line)
		}
	}
}

func open(h *dialoguetest.House, o dialogue.Options) (*dialogue.Server, netip.AddrPort) {
	o.Service, o.TLS, o.Accounts, o.Log, o.Busy = "echo", h.TLS, h.Accounts, h.Log, "too many"
	if o.Talk == nil {
		o.Talk = echo
	}
	s := dialogue.NewServer(o)
	return s, h.Serve(s)
}

// client is a connection, and what it hears up to the end of a line.
func client(h *dialoguetest.House, addr netip.AddrPort, private bool) (say func(string), hear func() string) {
	h.Helper()
	conn, err := h.World.Dial(h.Context(), addr)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { conn.Close() })
	if private {
		conn = tls.Client(conn, h.ClientTLS())
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(conn)
	return func(line string) { fmt.Fprintf(conn, "%s", line) }, func() string {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return "end"
		}
		return strings.TrimSuffix(line, "\r\n")
	}
}

func TestLines(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	_, addr := open(h, dialogue.Options{})
	say, hear := client(h, addr, false)
	for _, tt := range [][2]string{
		{"", "hello"}, {"a b\r\n", "a b"}, {"\r\n", ""}, {"bare\n", "a line ended in a bare LF"},
		{strings.Repeat("x", 20) + "\r\n", strings.Repeat("x", 20)}, {strings.Repeat("x", 21) + "\r\n", "the line is too long"},
		{strings.Repeat("x", 100_000) + "\r\n", "the line is too long"}, {"still here\r\n", "still here"},
	} {
		say(tt[0])
		if got := hear(); got != tt[1] {
			t.Errorf("%.40q: heard %q, want %q", tt[0], got, tt[1])
		}
	}
}

// TestNoPasswordInTheClear: it is not even looked at.
func TestNoPasswordInTheClear(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	s, addr := open(h, dialogue.Options{})
	say, hear := client(h, addr, false)
	hear()
	say("login anna@example.c\r\n" + h.Password + "\r\n")
	if got := hear(); got != dialogue.ErrPrivacy.Error() || s.Stats().Logins+s.Stats().FailedLogins != 0 {
		t.Errorf("%q, %+v", got, s.Stats())
	}
}

// TestCrowds: an account has so many dialogues, and the server so many in all; what
// ends makes room.
func TestCrowds(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	talk := func(ctx context.Context, c *dialogue.Conn) error {
		if err := c.Login(ctx, "anna@example.com", h.Password); err != nil {
			c.Printf("%v\r\n", err)
			return err
		}
		c.Print("in\r\n")
		_, err := c.ReadLine(10)
		return err
	}
	s, addr := open(h, dialogue.Options{ImplicitTLS: true, MaxPerAccount: 1, MaxConnections: 2, Talk: talk})
	say, first := client(h, addr, true)
	if got := first(); got != "in" {
		t.Fatal(got)
	}
	if _, second := client(h, addr, true); second() != account.ErrCrowded.Error() {
		t.Error("a second one came in")
	}
	say("bye\r\n")
	if got := first(); got != "end" {
		t.Error(got)
	}
	for { // until the server has seen the end too
		_, third := client(h, addr, true)
		if third() == "in" {
			break
		}
	}
	if s.Stats().Panics != 0 {
		t.Errorf("%+v", s.Stats())
	}
}

// TestLate: who does not log in must go.
func TestLate(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	_, addr := open(h, dialogue.Options{LoginTimeout: time.Millisecond})
	_, hear := client(h, addr, false)
	for got := hear(); got != "goodbye: "+dialogue.ErrLate.Error(); got = hear() {
		if got != "hello" {
			t.Fatal(got)
		}
	}
}

// TestPanic: a bug of ours ends one dialogue.
func TestPanic(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	s := dialogue.NewServer(dialogue.Options{Service: "echo", Accounts: h.Accounts, Talk: echo})
	l, err := h.World.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	addr := netip.MustParseAddrPort(l.Addr().String())
	say, hear := client(h, addr, false)
	_, other := client(h, addr, false)
	hear()
	other()
	say("panic\r\n")
	if got := hear(); got != "end" {
		t.Error(got)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := other(); got != "goodbye: "+dialogue.ErrStopping.Error() || s.Stats().Panics != 1 {
		t.Errorf("%q, %+v", got, s.Stats())
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestGuard: whose app password was revoked does not go on; nobody else is disturbed.
func TestGuard(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	talk := func(ctx context.Context, c *dialogue.Conn) error {
		line, err := c.ReadLine(99)
		if err == nil {
			user, password, _ := strings.Cut(line, " ")
			err = c.Login(ctx, user, password)
		}
		if err != nil {
			return err
		}
		c.Print("in\r\n")
		for {
			if _, err := c.ReadLine(99); err != nil {
				return err
			}
			c.Print("still in\r\n")
		}
	}
	s, addr := open(h, dialogue.Options{ImplicitTLS: true, Talk: talk})
	bert, err := h.Accounts.Create(t.Context(), account.New{Address: mail.MustParseAddress("bert@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	password, err := h.Accounts.AppPassword(t.Context(), bert, "phone")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Guard(ctx) }()
	defer func() { stop(); <-ended }()
	say, anna := client(h, addr, true)
	say("anna@example.com " + h.Password + "\r\n")
	saysBert, hearsBert := client(h, addr, true)
	saysBert("bert@example.com " + password + "\r\n")
	if a, b := anna(), hearsBert(); a != "in" || b != "in" {
		t.Fatalf("%q, %q", a, b)
	}
	if err := h.Accounts.RemoveAppPassword(t.Context(), bert, "phone"); err != nil {
		t.Fatal(err)
	}
	if got := hearsBert(); got == "still in" {
		t.Errorf("bert still hears %q", got)
	}
	say("well?\r\n")
	if got := anna(); got != "still in" {
		t.Errorf("anna hears %q", got)
	}
}
