package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/world"
)

// freshZone is a domain as a registrar hands it over: it has name servers and a web
// site, and knows nothing of mail.
const freshZone = `$TTL 60
@ SOA ns1.nameserver.example. hostmaster 2026112101 7200 1800 1814400 60
@ NS ns1.nameserver.example.
@ NS ns2.nameserver.example.
@ A 127.11.0.81
@ TXT "the-registrar=knows-us"
www A 127.11.0.81
www TXT "v=spf1 -all"
`

// freshSites are the web sites that the domains have elsewhere, as most have one.
func freshSites(domains []string) host.Web {
	w := host.Web{Addr: netip.MustParseAddr("127.11.0.81")}
	for _, d := range domains {
		pages := map[string]host.Page{
			"/":        {Type: "text/html; charset=utf-8", Body: "<!doctype html><title>Fresh</title><h1>Fresh</h1><a href=\"/imprint\">Imprint and contact</a>"},
			"/imprint": {Type: "text/html; charset=utf-8", Body: "<!doctype html><title>Imprint</title><p>Write to <a href=\"mailto:postmaster@" + d + "\">postmaster</a>."},
		}
		w.Sites = append(w.Sites, host.Site{Name: d, Pages: pages}, host.Site{Name: "www." + d, Pages: pages})
	}
	return w
}

// freshAddress is what the hoster gave the machine, with the name that it was asked for.
var freshAddress = netip.MustParseAddr("127.11.0.30")

// frontier is a lab in which nothing of ours is yet: a domain at a BIND that takes
// updates, an address with a PTR record, and an empty folder.
type frontier struct {
	*lab.Lab
	bind *peer.Nameserver
	dir  string
	cert []string // flags
}

func newFrontier(t *testing.T, domains ...string) frontier {
	t.Helper()
	return newFrontierIn(t, freshZone, domains...)
}

// newFrontierIn is newFrontier for domains that have something already.
func newFrontierIn(t *testing.T, zone string, domains ...string) frontier {
	t.Helper()
	zones, o, names := map[string]string{}, lab.Options{}, []string{}
	for _, d := range domains {
		zones[d] = zone
	}
	n := peer.BIND(t, zones)
	for i, d := range domains {
		o.Zones = append(o.Zones, fmt.Sprintf("$ORIGIN %[1]s.\n;lab forward %[1]s. %[2]s\n%[3]s", d, n.Addr, freshZone))
		if i == 0 {
			o.Zones = append(o.Zones, "30.0.11.127.in-addr.arpa. PTR mx."+d+".\n")
			names = append(names, "mx."+d)
		}
		names = append(names, "mta-sts."+d)
	}
	o.Web = []host.Web{freshSites(domains)}
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f := frontier{Lab: l, bind: n, dir: t.TempDir()}
	certificate, key := certificateOf(t, l, names...)
	f.cert = []string{"--certificate", certificate, "--key", key}
	file := l.File()
	file.Server = filepath.Join(f.dir, "data")
	path := filepath.Join(f.dir, "lab.json")
	if err := file.Write(path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALLGREEN_LAB", path)
	if err := os.WriteFile(filepath.Join(f.dir, "tsig"), []byte(n.KeySecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// setup is the command line of somebody who was told all of it beforehand.
func (f frontier) setup(domain string, more ...string) []string {
	args := []string{"setup", domain, "--lab", "--yes", "--config", filepath.Join(f.dir, "allgreen.toml"), "--data", filepath.Join(f.dir, "data"),
		"--admin", "anna@" + domain, "--address", freshAddress.String(), "--test-to", "alice@green.example",
		"--provider", "rfc2136", "--dns-server", f.bind.Addr.String(), "--dns-key", f.bind.KeyName, "--dns-secret-file", filepath.Join(f.dir, "tsig")}
	return append(append(args, f.cert...), more...)
}

// interrupted runs a command whose user presses Ctrl-C as soon as it prints a text.
func interrupted(t *testing.T, at string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs bytes.Buffer
	code := run(ctx, args, streams{strings.NewReader(""), &watchedWriter{&out, at, cancel}, &errs})
	if !strings.Contains(out.String(), at) {
		t.Fatalf("%q was not printed: exit %d\n%s%s", at, code, out.String(), errs.String())
	}
	return outcome{code, out.String(), errs.String()}
}

// watchedWriter does something when a text went through it.
type watchedWriter struct {
	*bytes.Buffer
	text string
	then func()
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if bytes.Contains(w.Bytes(), []byte(w.text)) {
		w.then()
	}
	return n, err
}

// TestSetup takes a machine with nothing to all green, without a hand on a file. Its user
// presses Ctrl-C again and again, and runs it once more at the end.
func TestSetup(t *testing.T) {
	const domain = "fresh.example"
	f := newFrontier(t, domain)
	for _, at := range []string{"1 of 6", "2 of 6", "allgreen.toml is to say", "shown this once", "3 of 6", "+ mx." + domain, "sets of records are written", "4 of 6", "5 of 6", "6 of 6"} {
		if got := interrupted(t, at, f.setup(domain)...); got.code != exitInterrupted {
			t.Fatalf("interrupted at %q: exit %d\n%s%s", at, got.code, got.out, got.err)
		}
	}
	got := allgreen(t, "", f.setup(domain)...)
	if got.code != 0 || !strings.Contains(got.out, "all green: ") || !strings.Contains(got.out, "only a person can do:\n\n  - ") {
		t.Fatalf("not green: exit %d\n%s%s", got.code, got.out, got.err)
	}
	if !f.bind.Has(t, domain+". MX 10 mx."+domain+".") || !f.bind.Has(t, domain+`. TXT "the-registrar=knows-us"`) {
		t.Error("the zone is not as it should be")
	}
	before := f.remains(t, domain)
	again := decode[setupResult](t, allgreen(t, "", f.setup(domain, "--json")...).out)[0]
	if !again.Holds || again.Password != "" {
		t.Errorf("the second run: %+v", again)
	}
	for _, s := range again.Stages {
		if s.Changed {
			t.Errorf("the second run changed something in %s: %+v", s.Stage, s.Outcome)
		}
	}
	if diff := cmp.Diff(before, f.remains(t, domain)); diff != "" {
		t.Errorf("the second run changed something:\n%s", diff)
	}
}

// TestSetupByHand has a person publish, who forgets to at first, and then sets up a second
// domain beside the first.
func TestSetupByHand(t *testing.T) {
	f := newFrontier(t, "fresh.example", "second.example")
	byHand := f.setup("fresh.example", "--print", "--wait", "30s")
	got := allgreen(t, "", byHand...)
	for _, want := range []string{"$ORIGIN fresh.example.", "    name   mx.fresh.example\n    type   A\n    value  127.11.0.30\n"} {
		if got.code != exitTemporary || !strings.Contains(got.out, want) {
			t.Fatalf("exit %d, no %q in\n%s%s", got.code, want, got.out, got.err)
		}
	}
	if f.bind.Has(t, "mx.fresh.example. A 127.11.0.30") {
		t.Fatal("it was to be published by hand")
	}
	if got := allgreen(t, "", "dns", "publish", "--lab", "--yes", "--config", filepath.Join(f.dir, "allgreen.toml")); got.code != 0 {
		t.Fatalf("dns publish: exit %d\n%s%s", got.code, got.out, got.err)
	}
	if got := allgreen(t, "", byHand...); got.code != 0 {
		t.Fatalf("exit %d\n%s%s", got.code, got.out, got.err)
	}
	got = allgreen(t, "", f.setup("second.example")...)
	if got.code != 0 || !f.bind.Has(t, "second.example. MX 10 mx.fresh.example.") {
		t.Fatalf("the second domain: exit %d\n%s%s", got.code, got.out, got.err)
	}
	settings, err := config.Read(filepath.Join(f.dir, "allgreen.toml"))
	if err != nil || words(settings.Domains) != "fresh.example, second.example" {
		t.Errorf("%v, %v", settings.Domains, err)
	}
}

// TestSetupLive sets up a domain that sends already and has its mail elsewhere: it stays
// there, until somebody says that it is to move.
func TestSetupLive(t *testing.T) {
	const live = freshZone + `@ MX 10 mx.green.example.
@ TXT "v=spf1 ip4:127.10.1.10 -all"
`
	f := newFrontierIn(t, live, "fresh.example")
	theirs, ours := "fresh.example. MX 10 mx.green.example.", "fresh.example. MX 10 mx.fresh.example."
	got := decode[setupResult](t, allgreen(t, "", f.setup("fresh.example", "--json", "--rounds", "1")...).out)[0]
	if len(got.Stages) < 5 || got.Stages[4].Line != "the mail of fresh.example stays at mx.green.example" || !f.bind.Has(t, theirs) {
		t.Errorf("%+v", got.Stages)
	}
	for _, record := range []string{`fresh.example. TXT "v=spf1 ip4:127.10.1.10 ip4:127.11.0.30 -all"`, `_dmarc.fresh.example. TXT "v=DMARC1; p=none; rua=mailto:postmaster@fresh.example"`} {
		if !f.bind.Has(t, record) {
			t.Errorf("not there: %s", record)
		}
	}
	got = decode[setupResult](t, allgreen(t, "", f.setup("fresh.example", "--json", "--move-mail", "--rounds", "1")...).out)[0]
	if f.bind.Has(t, theirs) || !f.bind.Has(t, ours) {
		t.Errorf("the mail has not moved: %+v", got.Stages)
	}
	// What is left is named, and no more: the policy only watches, because who all sends
	// for the domain is not known yet, and the old sender stays in SPF, under its own name.
	for _, n := range got.Stages[len(got.Stages)-1].Notes {
		waits := strings.Contains(n.Text, "mta-sts.") || strings.Contains(n.Text, "(mtasts.") // while the mail may go back
		if !waits && !strings.Contains(n.Text, "(dmarc.policy)") && !strings.HasPrefix(n.Text, "127.10.1.10 is named mx.green.example") {
			t.Errorf("%v %s", n.Status, n.Text)
		}
	}
}

// TestSetupAsksNobody runs where nobody can answer: it says what it must know, and writes
// nothing without a yes.
func TestSetupAsksNobody(t *testing.T) {
	f := newFrontier(t, "fresh.example")
	args := []string{"setup", "fresh.example", "--lab", "--config", filepath.Join(f.dir, "allgreen.toml"), "--data", filepath.Join(f.dir, "data"), "--address", freshAddress.String()}
	for _, tt := range []struct {
		more []string
		code int
		want string
	}{
		{nil, exitTemporary, "--admin you@fresh.example"},
		{[]string{"--admin", "anna@fresh.example"}, exitTemporary, "the configuration was not written"},
		{[]string{"--admin", "anna"}, exitUsage, "--admin takes an address"},
		{[]string{"--hostname", "mx"}, exitUsage, "--hostname takes a full name"},
		{[]string{"--dns-key", "k"}, exitUsage, "--provider"},
		{[]string{"--password-file", "none"}, exitNoInput, "--password-file"},
	} {
		got := allgreen(t, "", append(args, tt.more...)...)
		if got.code != tt.code || !strings.Contains(got.out+got.err, tt.want) {
			t.Errorf("%q: exit %d, no %q in\n%s%s", tt.more, got.code, tt.want, got.out, got.err)
		}
	}
	left, err := filepath.Glob(filepath.Join(f.dir, "*.toml"))
	if err != nil || len(left) > 0 {
		t.Errorf("written without a yes: %v, %v", left, err)
	}
	if got := allgreen(t, "", "setup", "fresh.example", "--lab"); got.code != exitUsage || !strings.Contains(got.err, "a place of its own") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

// remains is what a run leaves behind: the configuration, the state, the undo files, the
// serial of the zone, and the mail.
func (f frontier) remains(t *testing.T, domain string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"allgreen.toml", "dns-secret", "data/setup/" + domain + ".json"} {
		text, err := os.ReadFile(filepath.Join(f.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	undo, err := filepath.Glob(filepath.Join(f.dir, "data/dns-undo/*"))
	if err != nil || len(undo) == 0 {
		t.Fatalf("no undo file: %v", err)
	}
	all["undo"] = strings.Join(undo, "\n")
	soa, err := f.World().Lookup(t.Context(), world.MustParseName(domain+"."), dns.TypeSOA)
	if err != nil {
		t.Fatal(err)
	}
	all["zone"] = fmt.Sprint(soa.Records)
	all["mail"] = fmt.Sprint(len(f.Mail()))
	return all
}
