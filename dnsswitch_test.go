package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/world"
)

// TestDNSSwitch moves a live domain to a server that first lacks records, then a mailbox,
// and brings it back.
func TestDNSSwitch(t *testing.T) {
	n, path, dir := publishing(t, strings.Clone)
	port := freePort(t, "127.20.0.25")
	file := n.File()
	file.Server, file.Map.Ports[25] = dir, port
	if err := file.Write(filepath.Join(dir, "lab.json")); err != nil {
		t.Fatal(err)
	}
	w, err := file.World(world.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	listening := strings.Replace(quiet, "smtp = []", `smtp = ["127.20.0.25:25"]`, 1)
	if err := os.WriteFile(path, []byte(string(text)+listening), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := startServer(t.Context(), settings, serverOptions{world: w, log: newLog(logOf(t), settings.Log), path: path, local: filepath.Join(t.TempDir(), "s.sock")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	run := func(want int, args ...string) string {
		t.Helper()
		got := allgreen(t, "a long enough pass phrase\n", append(args, "--config", path, "--lab")...)
		if got.code != want {
			t.Fatalf("%q: exit %d, want %d\n%s%s", args, got.code, want, got.out, got.err)
		}
		return got.out + got.err
	}
	const theirs, ours = "example.com. MX 10 mx.other.example.", "example.com. MX 10 mx.example.com."
	run(exitNoInput, "dns", "switch", "example.com", "--status")
	if out := run(exitTemporary, "dns", "switch", "example.com"); !strings.Contains(out, "dns publish example.com") || !n.Has(t, theirs) {
		t.Errorf("before anything is published: %s", out)
	}
	run(0, "dns", "publish", "example.com", "--yes")
	if out := run(exitTemporary, "dns", "switch", "example.com"); !strings.Contains(out, "does not take a message for postmaster@example.com") || !n.Has(t, theirs) {
		t.Errorf("while nobody has the mailbox: %s", out)
	}
	run(0, "account", "add", "anna@example.com", "--password-stdin")
	if out := run(0, "dns", "switch", "example.com"); !strings.Contains(out, "it was at mx.other.example") || !n.Has(t, ours) || n.Has(t, theirs) {
		t.Errorf("moved: %s", out)
	}
	st := decode[setup.SwitchState](t, run(0, "dns", "switch", "example.com", "--status", "--json"))[0]
	if st.Phase != setup.Settling || st.Tested.IsZero() || st.Undo == "" {
		t.Errorf("%+v", st)
	}
	run(0, "dns", "undo", st.Undo)
	if !n.Has(t, theirs) || n.Has(t, ours) {
		t.Error("the mail is not back")
	}
}

// freePort is a port that nobody listens on at an address.
func freePort(t *testing.T, at string) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", at+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}
