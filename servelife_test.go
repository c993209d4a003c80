package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// rewrite changes the configuration of our server on disk.
func (v village) rewrite(t *testing.T, more string) {
	t.Helper()
	if err := os.WriteFile(v.home.config(), []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
}

// session opens a session on port 25.
func (v village) session(t *testing.T) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(t.Context(), v.world, v.home.address(25), smtp.ClientOptions{Name: "mx.green.example"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, say := range []func(context.Context) (mail.Reply, error){c.Greet, c.Hello} {
		if reply, err := say(t.Context()); err != nil || !reply.IsPositive() {
			t.Fatalf("%s, %v", reply, err)
		}
	}
	return c
}

func sizeOf(c *smtp.Client) string { return c.Extensions()["SIZE"] }

// A reload changes what the next session sees, drops none of those there are, says
// what counts only from the next start on, and changes nothing when it cannot.
func TestServeReloads(t *testing.T) {
	v := settle(t, "", lab.Options{Bare: true})
	before := v.session(t)
	v.rewrite(t, strings.Replace(homeConfig, `"data"`, `"elsewhere"`, 1)+"[receive]\nmax_size = \"1MB\"\n[[device]]\nname=\"x\"\nnetworks=[\"127.11.7.0/28\"]\nfrom=[\"x@allgreen.example\"]\n[listen]\ndevice=[\"127.11.0.13:28125\"]\nsubmission=[]\n")
	done, err := web.Reload.Do(t.Context(), v.client(), web.None{})
	if err != nil {
		t.Fatal(err)
	}
	restart := map[string]bool{}
	for _, c := range done.Changed {
		restart[c.Key] = c.Restart
	}
	if now, ok := restart["receive.max_size"]; !ok || now {
		t.Errorf("max_size: %+v", done.Changed)
	}
	if !restart["data"] {
		t.Errorf("the data folder can be changed while the server runs: %+v", done.Changed)
	}
	moved := web.NewClient(machineWorld(), filepath.Join(filepath.Dir(v.home.config()), "elsewhere", socketName))
	if _, err := web.Status.Do(t.Context(), moved, web.None{}); err != nil {
		t.Errorf("commands that read the file do not find the server: %v", err)
	}
	if got := sizeOf(v.session(t)); got != "1000000" {
		t.Errorf("the next session sees SIZE %q", got)
	}
	if reply, err := before.Noop(t.Context()); err != nil || !reply.IsPositive() {
		t.Errorf("the session from before was dropped: %s, %v", reply, err)
	}
	v.deliverOver(t, before, "over the old session")
	for port, open := range map[string]bool{"127.11.0.13:28125": true, "127.11.0.10:587": false} {
		conn, err := v.world.Dial(t.Context(), mustSocket(port))
		if err == nil {
			conn.Close()
		}
		if (err == nil) != open {
			t.Errorf("%s: %v, wanted open: %t", port, err, open)
		}
	}
	t.Run("broken", func(t *testing.T) {
		v.rewrite(t, homeConfig+"[receive]\nmax_sice = \"1MB\"\n")
		got := allgreen(t, "", "serve", "--reload", "--lab")
		if got.code != 64 || !strings.Contains(got.err, "max_sice") {
			t.Errorf("exit %d: %s", got.code, got.err)
		}
		v.rewrite(t, homeConfig+"[listen]\nsmtp=[\"127.11.0.10:25\", \"127.11.0.10:26\"]\nlmtp=[\"unix:/nowhere/at/all\"]\n")
		if got := allgreen(t, "", "serve", "--reload", "--lab"); got.code == 0 {
			t.Errorf("a socket that cannot be opened: %s", got.out)
		}
		if got := sizeOf(v.session(t)); got != "1000000" {
			t.Errorf("a reload that failed has changed SIZE to %q", got)
		}
	})
	t.Run("back", func(t *testing.T) {
		v.rewrite(t, homeConfig)
		got := allgreen(t, "", "serve", "--reload", "--lab")
		if got.code != 0 || !strings.Contains(got.out, "receive.max_size") {
			t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
		}
		if got := allgreen(t, "", "serve", "--reload", "--lab"); got.out != "nothing has changed\n" {
			t.Errorf("again: %s", got.out)
		}
	})
}

// The first start says that the administrator has no account yet, and how to make one.
func TestServeSaysWhoIsMissing(t *testing.T) {
	var log lockedBuffer
	l, h, err := joinLab(t.Context(), t.TempDir(), "", lab.Options{Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := h.start(t.Context(), l.World(), &log); err != nil {
		t.Fatal(err)
	}
	if err := h.stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "allgreen account add anna@allgreen.example") {
		t.Errorf("the log has\n%s", text)
	}
}

// deliverOver sends anna a message over an open session.
func (v village) deliverOver(t *testing.T, c *smtp.Client, subject string) {
	t.Helper()
	text := fmt.Sprintf("From: alice@green.example\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <2@green.example>\r\n\r\nhello\r\n",
		v.home.settings.Admin, subject, time.Now().Format(time.RFC1123Z))
	for _, say := range []func() (mail.Reply, error){
		func() (mail.Reply, error) { return c.Mail(t.Context(), mail.Address{}, smtp.MailOptions{}) },
		func() (mail.Reply, error) {
			return c.Rcpt(t.Context(), mail.Address{Local: "postmaster", Domain: v.home.settings.Domains[0]}, smtp.RcptOptions{})
		},
		func() (mail.Reply, error) { return c.Data(t.Context(), strings.NewReader(text)) },
	} {
		if reply, err := say(); err != nil || !reply.IsPositive() {
			t.Fatalf("%s, %v", reply, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := v.home.arrived(ctx, v.home.settings.Admin, mailbox.Inbox, subject); err != nil {
		t.Error(err)
	}
}

// A stop says 421 to who is idle, lets a message that is being sent end, and is over
// within ten seconds.
func TestServeStops(t *testing.T) {
	dir := t.TempDir()
	l, h, err := joinLab(t.Context(), dir, "", lab.Options{Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := village{l, h, l.World()}
	if err := h.start(t.Context(), v.world, logOf(t)); err != nil {
		t.Fatal(err)
	}
	idle, busy := v.session(t), v.session(t)
	for _, say := range []smtp.Command{"MAIL FROM:<>", "RCPT TO:<postmaster@allgreen.example>", "DATA"} {
		if reply, err := busy.Do(t.Context(), say); err != nil || reply.Code >= 400 {
			t.Fatalf("%s: %s, %v", say, reply, err)
		}
	}
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- h.stop(context.WithoutCancel(t.Context())) }()
	if reply, err := idle.ReadReply(t.Context()); err != nil || reply.Code != 421 {
		t.Errorf("the idle session is told %s, %v", reply, err)
	}
	if err := busy.Raw(t.Context(), []byte("From: a@green.example\r\nDate: "+time.Now().Format(time.RFC1123Z)+"\r\nMessage-ID: <3@green.example>\r\n\r\nhello\r\n.\r\n")); err != nil {
		t.Fatal(err)
	}
	if reply, err := busy.ReadReply(t.Context()); err != nil || reply.Code != 250 {
		t.Errorf("the message in flight is told %s, %v", reply, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if _, err := v.world.Dial(t.Context(), h.address(25)); err == nil {
		t.Error("port 25 is still open")
	}
	if _, err := os.Stat(filepath.Join(h.settings.Data, socketName)); err == nil {
		t.Error("the administration socket is still there")
	}
}

// What stops serve is one line, a hint and the exit code.
// TestServeWatchdog: the service manager restarts what hangs, and nothing that is only not
// ready: a full disk does not get emptier by that.
func TestServeWatchdog(t *testing.T) {
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: time.Now, MinFree: 1 << 62})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Room(t.Context()); !errors.Is(err, store.ErrFull) {
		t.Fatal("there is room")
	}
	if hangs(t.Context(), st, time.Minute) {
		t.Error("a full disk hangs")
	}
	begun, end, written := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		written <- st.Write(t.Context(), func(*store.Tx) error {
			close(begun)
			<-end
			return nil
		})
	}()
	<-begun
	if !hangs(t.Context(), st, 10*time.Millisecond) {
		t.Error("nothing is written, and all is well")
	}
	close(end)
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestServeRefusesToStart(t *testing.T) {
	v := settle(t, "", lab.Options{Bare: true})
	more := func(text string) string {
		config := strings.Replace(homeConfig, `"data"`, `"`+filepath.Join(t.TempDir(), "data")+`"`, 1)
		return writeFile(t, "allgreen.toml", config+"[tls]\nself_signed = true\n[submit]\nsocket = \"submit.sock\"\n"+text)
	}
	own := "127.0.0.1"
	if all, err := net.InterfaceAddrs(); err == nil {
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
				own = n.IP.String()
			}
		}
	}
	for _, tt := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"nothing to read", "serve --config " + filepath.Join(t.TempDir(), "none.toml"), 66, "none.toml"},
		{"a broken file", "serve --check --config " + writeFile(t, "b.toml", "hostnme = 1\n"), 78, "hostnme"},
		{"every problem of a file", "serve --check --config " + writeFile(t, "d.toml", "hostnme = 1\nfoo = 1\n"), 78, "foo"},
		{"a certificate that is not there", "serve --check --config " + writeFile(t, "e.toml", homeConfig+"[tls]\ncertificate=\"/nowhere/c.pem\"\nkey=\"/nowhere/k.pem\"\n"), 78, "/nowhere/c.pem"},
		{"an address outside of the lab", "serve --lab --config " + writeFile(t, "f.toml", strings.NewReplacer("127.11.0.10", "192.0.2.25", `"data"`, `"`+filepath.Join(t.TempDir(), "data")+`"`).Replace(homeConfig)+"[tls]\nself_signed=true\n[submit]\nsocket=\"\"\n[listen]\nsmtp=[\"192.0.2.25:25\"]\n"), 69, "no such address"},
		{"ports taken", "serve --lab --config " + more(""), 69, "listens there already"},
		{"the folder of another", "serve --lab --config " + writeFile(t, "c.toml", strings.Replace(homeConfig, `"data"`, `"`+v.home.settings.Data+`"`, 1)+"[tls]\nself_signed=true\n[submit]\nsocket=\"\"\n"), 69, "in use"},
		{"a trusted gateway", "serve --check --config " + more("[[device]]\nname=\"p\"\nnetworks=[\""+own+"/32\"]\nfrom=[\"p@allgreen.example\"]\n[listen]\ndevice=[\":2525\"]\n"), 78, own},
		{"no server to reload", "serve --reload --config " + more(""), 69, "no server answers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "a trusted gateway" && own == "127.0.0.1" {
				t.Skip("this machine has no address but loopback")
			}
			got := allgreen(t, "", strings.Fields(tt.args)...)
			if got.code != tt.code || !strings.Contains(got.err, tt.says) {
				t.Errorf("exit %d, want %d\n%s", got.code, tt.code, got.err)
			}
		})
	}
}

// asChild runs the program when the test binary was started for that.
func TestServeAsChild(t *testing.T) {
	args := os.Getenv("ALLGREEN_TEST_SERVE")
	if args == "" {
		t.Skip("only in a process of its own, for TestServeSurvivesKill")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, strings.Fields(args), streams{strings.NewReader(""), os.Stdout, os.Stderr}))
}

// Killed without warning while mail comes in, and started again, the server has
// every message that got a 250, once.
func TestServeSurvivesKill(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	labPath := filepath.Join(dir, "lab.json")
	if err := l.File().Write(labPath); err != nil {
		t.Fatal(err)
	}
	configPath := filepath.Join(dir, "allgreen.toml")
	if err := os.WriteFile(configPath, []byte(homeConfig+"[tls]\nself_signed = true\n[receive]\nblocklists = []\n[submit]\nsocket = \"submit.sock\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := config.Read(configPath)
	if err != nil {
		t.Fatal(err)
	}
	w := l.World()
	child := startChild(t, configPath, labPath, settings)
	anna := web.NewAccount{Address: settings.Admin.String(), Password: "correct horse battery"}
	if _, err := web.AccountAdd.Do(t.Context(), web.NewClient(w, filepath.Join(settings.Data, socketName)), anna); err != nil {
		t.Fatal(err)
	}
	promised := shower(t, w, settings, func(taken int) {
		if taken == 40 {
			_ = child.Process.Kill()
		}
	})
	_ = child.Wait() // it was killed
	second := startChild(t, configPath, labPath, settings)
	_ = second.Process.Signal(syscall.SIGTERM)
	if err := second.Wait(); err != nil {
		t.Errorf("the second one ended with %v", err)
	}
	got := inboxOf(t, settings)
	for _, subject := range promised {
		if n := got[subject]; n != 1 {
			t.Errorf("%q got a 250 and is there %d times", subject, n)
		}
	}
	if len(promised) < 40 {
		t.Errorf("only %d were promised", len(promised))
	}
}

// startChild starts the server in a process of its own and waits until it is ready.
func startChild(t *testing.T, config, labPath string, settings *config.Config) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeAsChild$")
	cmd.Env = append(os.Environ(), "ALLGREEN_TEST_SERVE=serve --lab --config "+config, "ALLGREEN_LAB="+labPath)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			lines := strings.SplitAfter(log.String(), "\n")
			t.Logf("the child:\n%s", strings.Join(lines[max(0, len(lines)-20):], ""))
		}
	})
	client := web.NewClient(machineWorld(), filepath.Join(settings.Data, socketName))
	until := time.Now().Add(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if s, err := web.Status.Do(t.Context(), client, web.None{}); err == nil && s.Ready {
			return cmd
		} else if time.Now().After(until) {
			t.Fatalf("the server is not ready: %+v, %v\n%s", s, err, log.String())
		}
		<-tick.C
	}
}

// shower sends messages side by side until the server is gone, and gives the
// subjects of those that got a 250.
func shower(t *testing.T, w *world.World, settings *config.Config, each func(taken int)) []string {
	var mu sync.Mutex
	var promised []string
	var senders sync.WaitGroup
	to := mail.Address{Local: "postmaster", Domain: settings.Domains[0]}
	for n := range 4 {
		senders.Go(func() {
			c, err := smtp.Dial(t.Context(), w, mustSocket("127.11.0.10:25"), smtp.ClientOptions{Name: "client.example"})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_, _ = c.Greet(t.Context())
			_, _ = c.Hello(t.Context())
			for i := range 1000 {
				subject := fmt.Sprintf("message %d of %d", i, n)
				text := fmt.Sprintf("From: a@b.example\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%d.%d@b.example>\r\n\r\nhello\r\n", subject, time.Now().Format(time.RFC1123Z), i, n)
				_, err1 := c.Mail(t.Context(), mail.Address{}, smtp.MailOptions{})
				_, err2 := c.Rcpt(t.Context(), to, smtp.RcptOptions{})
				if errors.Join(err1, err2) != nil {
					return
				}
				reply, err := c.Data(t.Context(), strings.NewReader(text))
				if err != nil || !reply.IsPositive() {
					return
				}
				mu.Lock()
				promised = append(promised, subject)
				taken := len(promised)
				mu.Unlock()
				each(taken)
			}
		})
	}
	senders.Wait()
	return promised
}

// inboxOf counts the subjects in anna's mailbox, with nobody else at the store.
func inboxOf(t *testing.T, settings *config.Config) map[string]int {
	t.Helper()
	w := machineWorld()
	st, err := store.Open(t.Context(), store.Options{Dir: settings.Data, Clock: w.Now, Schemas: schemas()})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	dir := account.Open(st, account.Options{Domains: settings.Domains, Admin: settings.Admin, World: w})
	defer dir.Close()
	anna, err := dir.Get(t.Context(), settings.Admin)
	if err != nil {
		t.Fatal(err)
	}
	var all []mailbox.Message
	if err := st.Read(t.Context(), func(tx *store.Tx) error {
		folders, err := mailbox.Folders(tx, int64(anna.ID))
		for _, f := range folders {
			some, err := mailbox.Messages(tx, f.ID, 0, 10000)
			if err != nil {
				return err
			}
			all = slices.Concat(all, some)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, m := range all {
		body, err := st.OpenBody(t.Context(), m.Body)
		if err != nil {
			t.Fatal(err)
		}
		header, _, err := splitMessage(body)
		body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got[header.Value("Subject")]++
	}
	return got
}
