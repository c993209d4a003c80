package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/smtp"
)

// manager is the socket on which a service manager listens, and what it heard that nobody
// has asked for yet.
type manager struct {
	t     *testing.T
	heard chan string
}

func listenAsManager(t *testing.T, path string) manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := manager{t, make(chan string, 10_000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var b [512]byte
		for {
			n, err := conn.Read(b[:])
			if err != nil {
				return // the test has ended
			}
			m.heard <- string(b[:n])
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return m
}

// hears waits until it is told a state.
func (m manager) hears(want string) {
	m.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case said := <-m.heard:
			if said == want {
				return
			}
		case <-late:
			m.t.Fatalf("%s was never said", want)
		}
	}
}

// Under systemd the server takes its socket from the manager with the first connection,
// says when it is ready, that it lives, reads its configuration again at SIGHUP, and says
// that it stops.
func TestServeUnderSystemd(t *testing.T) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-socket-activate is missing: install systemd")
		}
		t.Skip("no systemd-socket-activate (Debian: systemd)")
	}
	l, err := lab.Start(t.Context(), lab.Options{Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	labPath, configPath, notify := filepath.Join(dir, "lab.json"), filepath.Join(dir, "allgreen.toml"), filepath.Join(dir, "notify")
	if err := l.File().Write(labPath); err != nil {
		t.Fatal(err)
	}
	const config = homeConfig + "[tls]\nself_signed = true\n[submit]\nsocket = \"submit.sock\"\n[receive]\nblocklists = []\n"
	if err := os.WriteFile(configPath, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m := listenAsManager(t, notify)
	home := netip.MustParseAddr("127.11.0.10")
	port := l.File().Ports[25] // where the lab has port 25
	var log lockedBuffer
	cmd := exec.CommandContext(t.Context(), activate, "--listen", netip.AddrPortFrom(home, port).String(), "--fdname=smtp",
		"-E", "ALLGREEN_TEST_SERVE=serve --lab --config "+configPath, "-E", "ALLGREEN_LAB="+labPath,
		"-E", "NOTIFY_SOCKET="+notify, "-E", "WATCHDOG_USEC=200000",
		"--", os.Args[0], "-test.run=^TestServeAsChild$")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, or must
		if t.Failed() {
			t.Logf("the server:\n%s", log.String())
		}
	})

	client := dialSoon(t, l, netip.AddrPortFrom(home, 25))
	if reply, err := client.Greet(t.Context()); err != nil || reply.Code != 220 {
		t.Fatalf("greeted with %s, %v", reply, err)
	}
	m.hears("READY=1")
	m.hears("WATCHDOG=1")
	if !strings.Contains(log.String(), "smtp") {
		t.Error("the log names no listener")
	}

	if err := os.WriteFile(configPath, []byte(config+"max_size = \"1MB\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the new size", func() bool {
		c := dialSoon(t, l, netip.AddrPortFrom(home, 25))
		defer c.Close()
		if _, err := c.Greet(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Hello(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c.Extensions()["SIZE"] == "1000000"
	})
	if reply, err := client.Hello(t.Context()); err != nil || !reply.IsPositive() {
		t.Errorf("the session from before is told %s, %v", reply, err)
	}
	if err := os.WriteFile(configPath, []byte(config+"max_sice = \"1MB\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the complaint about the file", func() bool { return strings.Contains(log.String(), "max_sice") })

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.hears("STOPPING=1")
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("it does not end")
	}
}

// dialSoon connects to port 25 as soon as somebody listens there.
func dialSoon(t *testing.T, l *lab.Lab, at netip.AddrPort) (client *smtp.Client) {
	t.Helper()
	until(t, fmt.Sprintf("a listener at %s", at), func() (ok bool) {
		var err error
		client, err = smtp.Dial(t.Context(), l.World(), at, smtp.ClientOptions{Name: "mx.green.example"})
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(func() { client.Close() })
	return client
}

// until looks again and again for something that another process brings about.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}
