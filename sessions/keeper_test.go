package sessions_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/allgreen-mail/allgreen/sessions"
)

// talk greets, waits for a line, and goes; deaf ones go only when they are cut.
type talk struct {
	conn  net.Conn
	deaf  bool
	woken chan struct{}
}

func (t *talk) Run(ctx context.Context) {
	defer t.conn.Close()
	io.WriteString(t.conn, "hello\n")
	if t.deaf {
		<-ctx.Done()
		return
	}
	lines := make(chan struct{})
	go func() { defer close(lines); bufio.NewReader(t.conn).ReadString('\n') }()
	select {
	case <-lines:
	case <-t.woken:
		io.WriteString(t.conn, "goodbye\n")
	}
	t.conn.Close()
	<-lines
}

func (t *talk) Wake() { close(t.woken) }
func (t *talk) Cut()  { t.conn.Close() }

// pub is a Keeper on a listener, and its clients.
type pub struct {
	*sessions.Keeper[*talk]
	t      *testing.T
	l      net.Listener
	served chan error
}

func open(t *testing.T, ctx context.Context, most int, deaf bool) *pub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pub{t: t, l: l, served: make(chan error, 1), Keeper: sessions.NewKeeper(sessions.Options[*talk]{
		Begin: func(c net.Conn) *talk { return &talk{conn: c, deaf: deaf, woken: make(chan struct{})} },
		Busy:  func() string { return "full\n" },
		Most:  most,
	})}
	go func() { p.served <- p.Serve(ctx, l) }()
	return p
}

// visit connects, and returns what reads the lines of the server.
func (p *pub) visit() (net.Conn, func() string) {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.l.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	return conn, func() string { line, _ := r.ReadString('\n'); return line }
}

func TestShutdownWakes(t *testing.T) {
	p := open(t, t.Context(), 2, false)
	_, first := p.visit()
	_, second := p.visit()
	if a, b := first(), second(); a != "hello\n" || b != "hello\n" {
		t.Fatalf("%q, %q", a, b)
	}
	if _, third := p.visit(); third() != "full\n" {
		t.Error("one too many was let in")
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if a, b := first(), second(); a != "goodbye\n" || b != "goodbye\n" {
		t.Errorf("they heard %q, %q", a, b)
	}
	if err := <-p.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if s := p.Stats(); s != (sessions.Stats{Accepted: 2, Overloaded: 1}) || !p.IsStopping() {
		t.Errorf("%+v", s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Serve(t.Context(), l); err != nil {
		t.Errorf("Serve after the end: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener of after the end: %v", err)
	}
}

func TestShutdownCuts(t *testing.T) {
	p := open(t, t.Context(), 2, true)
	_, heard := p.visit()
	if heard() != "hello\n" {
		t.Fatal("no greeting")
	}
	open := 0
	p.Each(func(*talk) { open++ })
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Shutdown(now); err == nil || open != 1 {
		t.Errorf("%d sessions, Shutdown: %v", open, err)
	}
	if err := p.Shutdown(t.Context()); err == nil {
		t.Error("the second call says something else")
	}
	if err := <-p.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := open(t, ctx, 2, false)
	_, heard := p.visit()
	if heard() != "hello\n" {
		t.Fatal("no greeting")
	}
	cancel()
	if err := <-p.served; err != nil || heard() != "goodbye\n" {
		t.Errorf("Serve: %v", err)
	}
}

// TestBrokenListener: who is there stays, and Serve says what happened.
func TestBrokenListener(t *testing.T) {
	p := open(t, t.Context(), 2, false)
	conn, heard := p.visit()
	if heard() != "hello\n" {
		t.Fatal("no greeting")
	}
	p.l.Close()
	if err := <-p.served; err == nil {
		t.Error("a closed listener is no error")
	}
	io.WriteString(conn, "done\n")
	if line := heard(); line != "" {
		t.Errorf("heard %q", line)
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
