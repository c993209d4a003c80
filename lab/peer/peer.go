package peer

import (
	"bufio"
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed *.tmpl
var configurations embed.FS

var templates = template.Must(template.ParseFS(configurations, "*.tmpl"))

const (
	startTime = 30 * time.Second // on a busy machine; a server needs less than one
	stopTime  = 10 * time.Second
	look      = 20 * time.Millisecond // how often another process is asked for news
)

// Peer is a running mail server of somebody else.
type Peer struct {
	Addr netip.AddrPort // where it listens
	PID  int            // the process that the test started

	dir  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
	stop func()
}

// missing ends a test that lacks a program.
func missing(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(reason)
	}
	tb.Skip(reason)
}

// folder makes a folder that a server without privileges can reach, which the
// folders of package testing are not.
func folder(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "allgreen-"+name+"-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// write renders a configuration into the folder.
func write(tb testing.TB, s settings, name, tmpl string) string {
	tb.Helper()
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, tmpl, s); err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
	// Postfix reads a fresh configuration again and again until it is a second old:
	// somebody may still be writing.
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		tb.Fatal(err)
	}
	return path
}

// subfolder makes a folder that belongs to the server's user.
func subfolder(tb testing.TB, dir, name string, uid, gid int) {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		tb.Fatal(err)
	}
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chown(path, uid, gid); err != nil {
		tb.Fatal(err)
	}
}

// launch starts the server and waits until it greets.
func launch(tb testing.TB, s settings, cmd *exec.Cmd) *Peer {
	tb.Helper()
	p := begin(tb, s, cmd)
	p.awaitGreeting(tb)
	return p
}

// begin starts the server, which ends with the test.
func begin(tb testing.TB, s settings, cmd *exec.Cmd) *Peer {
	tb.Helper()
	out, err := os.Create(filepath.Join(s.Dir, "output"))
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p := &Peer{Addr: netip.AddrPortFrom(s.Address, s.Port), PID: cmd.Process.Pid, dir: s.Dir, cmd: cmd, done: make(chan struct{})}
	p.stop = sync.OnceFunc(p.terminate)
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	tb.Cleanup(p.Stop)
	return p
}

func (p *Peer) awaitGreeting(tb testing.TB) {
	tb.Helper()
	ok := p.await(startTime, func() bool {
		conn, err := net.DialTimeout("tcp", p.Addr.String(), time.Second)
		if err != nil {
			return false
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(startTime))
		line, err := bufio.NewReader(conn).ReadString('\n')
		return err == nil && strings.HasPrefix(line, "220")
	})
	if !ok {
		tb.Fatalf("%s does not greet at %s:\n%s", p.cmd.Path, p.Addr, p.Log())
	}
}

// await asks again and again, until the time is up or the process is gone.
func (p *Peer) await(limit time.Duration, seen func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for !seen() {
		select {
		case <-p.done:
			return false
		case <-deadline.C:
			return false
		case <-ticker.C:
		}
	}
	return true
}

// Log is what the server has written to its logs so far.
func (p *Peer) Log() string {
	var b strings.Builder
	for _, name := range []string{"output", "log", "mainlog", "rejectlog", "paniclog"} {
		text, err := os.ReadFile(filepath.Join(p.dir, "log", name))
		if err != nil {
			text, _ = os.ReadFile(filepath.Join(p.dir, name))
		}
		b.Write(text)
	}
	return b.String()
}

// AwaitLog waits until the logs contain a text and fails the test when they
// do not within a few seconds: servers write them, and deliver, in their own time.
func (p *Peer) AwaitLog(tb testing.TB, text string) {
	tb.Helper()
	if !p.await(startTime, func() bool { return strings.Contains(p.Log(), text) }) {
		tb.Fatalf("%q does not come up in the log:\n%s", text, p.Log())
	}
}

// Messages are the messages in all mailboxes, whole, in no order.
func (p *Peer) Messages(tb testing.TB) []string {
	tb.Helper()
	var messages []string
	err := filepath.WalkDir(filepath.Join(p.dir, "mail"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // just moved from tmp to new
		}
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) != "new" {
			return err
		}
		text, err := os.ReadFile(path)
		messages = append(messages, string(text))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return messages
}

// Delivered counts the messages in all mailboxes without reading them.
func (p *Peer) Delivered(tb testing.TB) (n int) {
	tb.Helper()
	boxes, err := filepath.Glob(filepath.Join(p.dir, "mail", "*", "new"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, box := range boxes {
		dir, err := os.Open(box)
		if err != nil {
			tb.Fatal(err)
		}
		names, err := dir.Readdirnames(-1)
		dir.Close()
		if err != nil {
			tb.Fatal(err)
		}
		n += len(names)
	}
	return n
}

// AwaitMessages waits until so many messages lie in the mailboxes.
func (p *Peer) AwaitMessages(tb testing.TB, n int) []string {
	tb.Helper()
	var messages []string
	if !p.await(startTime, func() bool { messages = p.Messages(tb); return len(messages) >= n }) {
		tb.Fatalf("%d messages came, want %d:\n%s", len(messages), n, p.Log())
	}
	return messages
}

// Stop ends the server and waits for it. Tests need it only to stop early.
func (p *Peer) Stop() { p.stop() }

// terminate asks the process to end, then makes it and its children end: they
// are a process group of their own.
func (p *Peer) terminate() {
	syscall.Kill(-p.PID, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
	}
	syscall.Kill(-p.PID, syscall.SIGKILL)
	<-p.done
}
