package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/monitor"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/web"
)

// reverseZone is the zone of our address's PTR, whose name somebody can take away.
type reverseZone struct {
	at   string // the socket of its name server
	gone atomic.Bool
}

// newReverseZone serves the zone until the test ends.
func newReverseZone(t *testing.T) *reverseZone {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &reverseZone{at: l.Addr().String()}
	started := make(chan struct{})
	s := &dns.Server{Listener: l, Handler: z, NotifyStartedFunc: func() { close(started) }}
	var running sync.WaitGroup
	running.Go(func() { _ = s.ActivateAndServe() })
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); running.Wait() })
	return z
}

const reverseName = "10.0.11.127.in-addr.arpa."

func (z *reverseZone) text() string {
	return fmt.Sprintf(";lab forward %[1]s %[2]s\n%[1]s SOA ns1.nameserver.example. hostmaster.green.example. 1 7200 1800 1814400 60\n%[1]s NS ns1.nameserver.example.\n", reverseName, z.at)
}

// ServeDNS answers about the one name there is.
func (z *reverseZone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	record := func(text string) dns.RR { rr, _ := dns.NewRR(reverseName + " 1 " + text); return rr }
	soa := record("SOA ns1.nameserver.example. hostmaster.green.example. 1 7200 1800 1814400 60")
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	switch q.Question[0].Qtype {
	case dns.TypeSOA:
		m.Answer = []dns.RR{soa}
	case dns.TypeNS:
		m.Answer = []dns.RR{record("NS ns1.nameserver.example.")}
	case dns.TypePTR:
		if !z.gone.Load() {
			m.Answer = []dns.RR{record("PTR mx.allgreen.example.")}
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{soa}
	}
	_ = w.WriteMsg(m)
}

// outpost is a server elsewhere that takes heartbeats and webhooks.
type outpost struct {
	*httptest.Server
	mu    sync.Mutex
	beats int
	hooks []monitor.Hook
	come  chan struct{} // something came
}

func newOutpost(t *testing.T) *outpost {
	t.Helper()
	o := &outpost{come: make(chan struct{}, 1)}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

// ServeHTTP counts.
func (o *outpost) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch r.URL.Path {
	case "/beat":
		o.beats++
	case "/hook":
		var h monitor.Hook
		if text, err := io.ReadAll(r.Body); err == nil && json.Unmarshal(text, &h) == nil {
			o.hooks = append(o.hooks, h)
		}
	}
	select {
	case o.come <- struct{}{}:
	default:
	}
}

// await waits until what came is enough.
func (o *outpost) await(t *testing.T, what string, enough func() bool) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for {
		o.mu.Lock()
		done := enough()
		o.mu.Unlock()
		if done {
			return
		}
		select {
		case <-o.come:
		case <-late:
			t.Fatalf("no %s came", what)
		}
	}
}

// A red planted in the DNS shows in the standing and is told once: in the admin's mailbox,
// by mail past the queue, and to a webhook. Its end is told once as well.
func TestWatch(t *testing.T) {
	reverse, out := newReverseZone(t), newOutpost(t)
	dir := t.TempDir()
	l, h, err := joinLab(t.Context(), dir, `
[listen]
managesieve = []

[watch]
mail_to = ["alice@green.example"]
webhook = "`+out.URL+`/hook"
heartbeat = "`+out.URL+`/beat"
`, lab.Options{Zones: []string{reverse.text()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	h.settings.Watch.Every = 4 * time.Second // a file must not say so
	v := village{l, h, l.World()}
	if err := h.start(t.Context(), v.world, logOf(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	file := l.File()
	file.Server = h.settings.Data
	path := filepath.Join(dir, "lab.json")
	if err := file.Write(path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALLGREEN_LAB", path)

	out.await(t, "heartbeat", func() bool { return out.beats >= 2 })
	for _, r := range v.standing(t) {
		if r.Status == finding.Red || r.Status == finding.Yellow {
			t.Errorf("before anything was planted %s of %s is %s: %s", r.Check, r.Subject, r.Status, r.Finding.Summary)
		}
	}
	reverse.gone.Store(true)
	out.await(t, "alert", func() bool { return len(out.hooks) >= 1 })
	hook := out.hooks[0]
	if !strings.HasPrefix(hook.Subject, "red") && !strings.Contains(hook.Subject, " red") || hook.Host != "mx.allgreen.example" || len(hook.Changes) == 0 {
		t.Errorf("the hook was told %+v", hook)
	}
	v.showsRed(t)
	reverse.gone.Store(false)
	out.await(t, "end", func() bool { return len(out.hooks) >= 2 })
	v.saysOnce(t, out)
}

func (v village) standing(t *testing.T) []standing.Row {
	t.Helper()
	rows, err := web.StandingRows.Do(t.Context(), v.client(), web.StandingQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 100 {
		t.Errorf("only %d rows", len(rows))
	}
	return rows
}

// showsRed wants the red in the standing, and in the words of the command.
func (v village) showsRed(t *testing.T) {
	t.Helper()
	red := map[string]bool{}
	for _, r := range v.standing(t) {
		if r.Status == finding.Red {
			red[r.Check] = true
		}
	}
	if !red["rdns.forward-confirmed"] {
		t.Errorf("red are %v", red)
	}
	got := allgreen(t, "", "watch", "--lab")
	if got.code != 1 || !strings.Contains(got.out, "red x") || !strings.Contains(got.out, "rdns.forward-confirmed of 127.11.0.10, since ") {
		t.Errorf("exit %d:\n%s%s", got.code, got.out, got.err)
	}
	for line := range strings.Lines(got.out) {
		if len([]rune(line)) > 81 {
			t.Errorf("a wide line: %s", line)
		}
	}
}

// saysOnce wants two letters wherever one is told: the red, and its end.
func (v village) saysOnce(t *testing.T, out *outpost) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	over := func(m host.Message) bool {
		return strings.Contains(string(m.Data), "Subject: [mx.allgreen.example]") && strings.Contains(string(m.Data), "OVER ok")
	}
	if _, err := v.WaitForMail(ctx, over); err != nil {
		t.Error(err)
	}
	for _, subject := range []string{out.hooks[0].Subject, out.hooks[1].Subject} {
		if _, err := v.home.arrived(ctx, v.home.settings.Admin, mailbox.Inbox, "[mx.allgreen.example] "+subject); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	alerts := 0
	for _, text := range v.inbox(t, 1) {
		if strings.Contains(text, "The watch of mx.allgreen.example has seen a change") {
			alerts++
		}
	}
	outside := 0
	for _, m := range v.Mail() {
		if strings.Contains(string(m.Data), "The watch of mx.allgreen.example has seen a change") {
			outside++
		}
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if alerts != 2 || outside != 2 || len(out.hooks) != 2 {
		t.Errorf("%d letters to the admin, %d outside, %d hooks; want two of each", alerts, outside, len(out.hooks))
		for _, h := range out.hooks {
			for _, c := range h.Changes {
				t.Logf("%s: %s of %s at %s was %s, is %s since %s, %s", h.Time, c.Check, c.Subject, c.Target, c.From, c.To, c.Since, c.Time)
			}
		}
	}
	history := allgreen(t, "", "watch", "--lab", "--history", "rdns.forward-confirmed")
	if history.code != 0 || strings.Count(history.out, "-> green ok") == 0 || strings.Count(history.out, "-> red x") == 0 {
		t.Errorf("exit %d:\n%s%s", history.code, history.out, history.err)
	}
	if got := allgreen(t, "", "watch", "--lab", "--now", "--target", "nobody.example"); got.code == 0 || !strings.Contains(got.err, "hint:") {
		t.Errorf("a target that is not ours: exit %d: %s", got.code, got.err)
	}
}
