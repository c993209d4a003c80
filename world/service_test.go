package world_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

func machine() *world.World { return &world.World{Network: world.Machine()} }

func TestListenOn(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("127.98.0.1"), netip.MustParseAddr("2001:db8::7f62:2"), netip.MustParseAddr("2001:db8::7f62:1")}
	made := machine()
	made.Map = world.Map{Nets: []world.NetMap{{From: netip.MustParsePrefix("2001:db8::/96")}}, Ports: map[uint16]uint16{25: 29253}}
	socket := filepath.Join(t.TempDir(), "s.sock")
	for _, tt := range []struct {
		name  string
		world *world.World
		where string
		want  []string
	}{
		{"an address", machine(), "127.98.0.9:29251", []string{"127.98.0.9:29251"}},
		{"everywhere", machine(), ":29252", []string{"[::]:29252"}},
		{"everywhere of a made world", made, ":25", []string{"127.98.0.1:29253", "127.98.0.2:29253"}},
		{"a path", machine(), "unix:" + socket, []string{socket}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listeners, err := tt.world.ListenOn(t.Context(), tt.where, own)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range listeners {
				got = append(got, l.Addr().String())
				defer l.Close()
			}
			if tt.want[0] == "[::]:29252" && len(got) == 1 && got[0] == "0.0.0.0:29252" {
				return // a machine without IPv6
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("listens on %q, want %q", got, tt.want)
			}
			if _, err := tt.world.ListenOn(t.Context(), tt.where, own); !errors.Is(err, world.ErrInUse) {
				t.Errorf("a second time: %v, want ErrInUse", err)
			}
		})
	}
	for _, where := range []string{"", "25", "mx.example.com:25", "127.0.0.1", "127.0.0.1:smtp"} {
		if _, err := machine().ListenOn(t.Context(), where, own); err == nil {
			t.Errorf("%q was an address to listen on", where)
		}
	}
}

// A socket of a dead process is replaced; the file of somebody else is not.
func TestListenUnixReplacesTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	ours, err := machine().ListenUnix(t.Context(), path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	go func() {
		conn, err := machine().DialUnix(t.Context(), path)
		if err == nil {
			conn.Close()
		}
	}()
	conn, err := ours.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if peer, err := world.PeerCredentials(conn); err != nil || peer.UID != os.Getuid() || peer.PID != os.Getpid() {
		t.Errorf("PeerCredentials() = %+v, %v", peer, err)
	}
	ours.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := machine().ListenUnix(t.Context(), path, 0o600); !errors.Is(err, world.ErrInUse) {
		t.Errorf("over a file: %v", err)
	}
	if _, err := world.None().ListenUnix(t.Context(), path, 0o600); !errors.Is(err, world.ErrNoWorld) {
		t.Errorf("in no world: %v", err)
	}
}

func TestServiceTells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"}
	s, err := machine().ServiceOf(func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), "READY=1"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := manager.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("heard %q, %v", got[:n], err)
	}
	if s.Watchdog() != 15*time.Second {
		t.Errorf("Watchdog() = %s", s.Watchdog())
	}
	env["WATCHDOG_PID"], env["NOTIFY_SOCKET"] = "1", ""
	s, err = machine().ServiceOf(func(key string) string { return env[key] })
	if err != nil || s.Watchdog() != 0 || s.Tell(t.Context(), "READY=1") != nil {
		t.Errorf("a watch over another process is taken for ours: %s, %v", s.Watchdog(), err)
	}
}

// The sockets that a service manager opened are taken over by name, in another
// process, as systemd does it.
func TestServiceInheritsSockets(t *testing.T) {
	if os.Getenv("WORLD_TEST_CHILD") == "1" {
		answerOnInherited(t)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServiceInheritsSockets$")
	child.Env = append(os.Environ(), "WORLD_TEST_CHILD=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=smtp")
	child.ExtraFiles = []*os.File{f}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make([]byte, 10)
	n, _ := conn.Read(got)
	if err := child.Wait(); err != nil || string(got[:n]) != strconv.Itoa(child.Process.Pid) {
		t.Errorf("the child answered %q, %v", got[:n], err)
	}
}

func answerOnInherited(t *testing.T) {
	s, err := machine().ServiceOf(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if names := s.Names(); !slices.Equal(names, []string{"smtp"}) {
		t.Fatalf("Names() = %q", names)
	}
	sockets := s.Sockets("smtp")
	if len(sockets) != 1 || s.Sockets("smtp") != nil {
		t.Fatalf("%d sockets, or more than once", len(sockets))
	}
	conn, err := sockets[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Write([]byte(strconv.Itoa(os.Getpid())))
	conn.Close()
}

// TestTellingTheDeaf: a manager that does not read holds nobody up for long.
func TestTellingTheDeaf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := machine()
	s, err := w.ServiceOf(func(name string) string { return map[string]string{"NOTIFY_SOCKET": path}[name] })
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 { // more than any queue holds
		if err := s.Tell(t.Context(), "WATCHDOG=1"); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			return
		}
	}
	t.Error("everything was heard")
}
