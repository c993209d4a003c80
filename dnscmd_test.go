package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/zone"
)

// TestDNSOfTheRunningServer asks the server in the lab, whose records are all there.
func TestDNSOfTheRunningServer(t *testing.T) {
	settle(t, "", lab.Options{})
	fragment := allgreen(t, "", "dns", "records", "--lab", "allgreen.example")
	for _, want := range []string{"$ORIGIN allgreen.example.", "  IN  MX ", "v=spf1 ip4:127.11.0.10", "ag-e1._domainkey", "; 10.0.11.127.in-addr.arpa.  IN  PTR  mx.allgreen.example."} {
		if fragment.code != 0 || !strings.Contains(fragment.out, want) || strings.Contains(fragment.out, "evergreen") {
			t.Errorf("exit %d, no %q in\n%s%s", fragment.code, want, fragment.out, fragment.err)
		}
	}
	table := allgreen(t, "", "dns", "records", "--lab", "--table")
	if table.code != 0 || !strings.Contains(table.out, "\nevergreen.example\n") || strings.Contains(table.out, "…") {
		t.Errorf("exit %d:\n%s", table.code, table.out)
	}
	records := decode[struct {
		Domains []struct {
			Domain  string
			Records []struct{ Name, Type, Value string }
		}
	}](t, allgreen(t, "", "dns", "records", "--lab", "--json").out)[0]
	if len(records.Domains) != 2 || len(records.Domains[1].Records) < 8 {
		t.Errorf("%+v", records)
	}
	// The server finds out after its start that its zone is signed, and wants one more.
	diff := allgreen(t, "", "dns", "diff", "--lab")
	for line := range strings.Lines(diff.out) {
		if !strings.HasPrefix(line, ";") && !strings.HasPrefix(line, "+ _25._tcp.mx.allgreen.example. TLSA") && line != "\n" {
			t.Errorf("exit %d:\n%s%s", diff.code, diff.out, diff.err)
			break
		}
	}
	if !strings.Contains(diff.out, "; evergreen.example, in the zone evergreen.example.\n; 0 to add, 0 to merge, 0 to replace, 0 stay as they are,") {
		t.Errorf("of the second domain:\n%s", diff.out)
	}
	if got := allgreen(t, "", "dns", "diff", "--lab", "elsewhere.example"); got.code != exitUsage {
		t.Errorf("a domain of others: exit %d: %s", got.code, got.err)
	}
	if got := allgreen(t, "", "dns", "publish", "--lab"); got.code != exitUsage || !strings.Contains(got.err, "dns records") {
		t.Errorf("nobody publishes: exit %d: %s", got.code, got.err)
	}
}

// liveZone is a domain that somebody else has the mail of.
const liveZone = `$TTL 300
@ SOA ns1 hostmaster 1 7200 1800 1814400 60
@ NS ns1
ns1 A 127.0.0.1
@ MX 10 mx.other.example.
@ TXT "v=spf1 include:_spf.other.example ~all"
_dmarc TXT "v=DMARC1; p=none"
mta-sts CNAME pages.other.example.
`

// publishing is a machine with a configuration, no server yet, and a BIND that takes
// its updates.
func publishing(t *testing.T, secret func(string) string) (n *peer.Nameserver, config, dir string) {
	t.Helper()
	n, dir = peer.BIND(t, map[string]string{"example.com": liveZone}), t.TempDir()
	return n, publishingAt(t, n, secret(n.KeySecret), dir), dir
}

// publishingAt writes the configuration, and the world in which commands find it.
func publishingAt(t *testing.T, n *peer.Nameserver, secret, dir string) (config string) {
	t.Helper()
	config = filepath.Join(dir, "allgreen.toml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "tsig"), secret)
	write(config, fmt.Sprintf(`hostname  = "mx.example.com"
domains   = ["example.com"]
admin     = "anna@example.com"
data      = "."
addresses = ["127.20.0.25"]
tls.self_signed = true
[dns]
provider = "rfc2136"
server = %q
key = %q
secret_file = "tsig"
`, n.Addr, n.KeyName))
	file := n.File()
	file.Server = dir
	if err := file.Write(filepath.Join(dir, "lab.json")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALLGREEN_LAB", filepath.Join(dir, "lab.json"))
	return config
}

// TestDNSPublish takes a domain that lives elsewhere step by step, and back.
func TestDNSPublish(t *testing.T) {
	n, config, dir := publishing(t, strings.Clone)
	run := func(want int, args ...string) string {
		t.Helper()
		got := allgreen(t, "", append([]string{"dns", "--config", config}, append(args, "--lab")...)...)
		if got.code != want {
			t.Fatalf("%q: exit %d, want %d\n%s%s", args, got.code, want, got.out, got.err)
		}
		return got.out
	}
	diff := run(exitFailed, "diff")
	for _, want := range []string{
		"= example.com. MX 10 mx.other.example.", "! example.com. MX 10 mx.example.com. ; wanted, and not written",
		`- example.com. TXT "v=spf1 include:_spf.other.example ~all"`, `+ example.com. TXT "v=spf1 include:_spf.other.example ip4:127.20.0.25 ~all"`,
		"+ mx.example.com. A 127.20.0.25", "; 25.0.20.127.in-addr.arpa. PTR mx.example.com.",
	} {
		if !strings.Contains(diff, want) {
			t.Errorf("no %q in\n%s", want, diff)
		}
	}
	if records := run(0, "records"); !strings.Contains(records, "p=quarantine") {
		t.Errorf("a policy that is there is no reason to be gentle:\n%s", records)
	}
	if n.Has(t, "mx.example.com. A 127.20.0.25") {
		t.Fatal("diff has written")
	}
	run(exitUsage, "publish") // nobody says yes
	run(0, "publish", "--yes")
	for _, record := range []string{"mx.example.com. A 127.20.0.25", "example.com. MX 10 mx.other.example.", `_dmarc.example.com. TXT "v=DMARC1; p=none"`} {
		if !n.Has(t, record) {
			t.Errorf("not there: %s", record)
		}
	}
	last := decode[struct {
		Domains []struct {
			Written int
			Seen    bool
			Undo    string
			Steps   []zone.Step
		}
	}](t, run(0, "publish", "--yes", "--replace", "MX", "--json"))[0].Domains[0]
	if last.Written != 1 || !last.Seen || !n.Has(t, "example.com. MX 10 mx.example.com.") || n.Has(t, "example.com. MX 10 mx.other.example.") {
		t.Errorf("the mail has not moved: %+v", last)
	}
	run(0, "publish", "--yes") // what waited for the mail
	if left := run(exitFailed, "diff"); !strings.Contains(left, "; 0 to add, 0 to merge, 0 to replace, 1 stay as they are") {
		t.Errorf("left is\n%s", left)
	}
	run(0, "undo", last.Undo)
	if !n.Has(t, "example.com. MX 10 mx.other.example.") || n.Has(t, "example.com. MX 10 mx.example.com.") {
		t.Error("the mail is not back")
	}
	files, err := os.ReadDir(filepath.Join(dir, "dns-undo"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	first := filepath.Join(dir, "dns-undo", files[0].Name())
	run(0, "undo", first)
	if n.Has(t, "mx.example.com. A 127.20.0.25") || !n.Has(t, `example.com. TXT "v=spf1 include:_spf.other.example ~all"`) {
		t.Error("not everything is as it was")
	}
	if out := run(0, "undo", first); !strings.HasPrefix(out, "0 sets") {
		t.Errorf("undone twice: %s", out)
	}
	text, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if d := (setup.UndoDocument{}); json.Unmarshal(text, &d) != nil || d.Provider != "rfc2136" || d.Zone != "example.com." || len(d.Changes) < 5 {
		t.Errorf("%s", text)
	}
}

// TestDNSRecordsOfALiveDomain has no server running, and a domain that others send for.
func TestDNSRecordsOfALiveDomain(t *testing.T) {
	n := peer.BIND(t, map[string]string{"example.com": strings.Replace(liveZone, "_dmarc TXT", "; _dmarc TXT", 1)})
	config := publishingAt(t, n, n.KeySecret, t.TempDir())
	for _, args := range [][]string{{"records"}, {"diff"}} {
		got := allgreen(t, "", append(append([]string{"dns"}, args...), "--config", config, "--lab")...)
		if !strings.Contains(got.out, "v=DMARC1; p=none; rua=") || strings.Contains(got.out, "p=quarantine") {
			t.Errorf("%q: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
	}
}

func TestDNSPublishIsRefused(t *testing.T) {
	_, config, _ := publishing(t, func(string) string { return "bm90IHRoZSBzZWNyZXQ=" })
	got := allgreen(t, "", "dns", "--config", config, "publish", "--yes", "--lab")
	if got.code != exitConfig || !strings.Contains(got.err, "BADSIG") || !strings.Contains(got.err, "[dns]") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
}

// TestDKIMRotate has a running server change its keys while BIND publishes them, then
// revoke and forget the old ones.
func TestDKIMRotate(t *testing.T) {
	n, s, path := publishingServer(t)
	run := func(args ...string) string {
		t.Helper()
		got := allgreen(t, "", append(append([]string{"dkim"}, args...), "--config", path, "--lab")...)
		if got.code != 0 {
			t.Fatalf("%q: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
		return got.out
	}
	domain := s.settings.Domains[0]
	record := func(selector, text string) bool {
		return n.Has(t, selector+"._domainkey.example.com. TXT "+finding.TXT("", text).Value)
	}
	old := s.identity.Keys(domain)[0]
	if out := run("rotate", "example.com"); !strings.Contains(out, "signs with ag-r2 and ag-e2") {
		t.Error(out)
	}
	signers, err := s.identity.Signers(domain)
	if err != nil || signers[0].Selector != "ag-r2" {
		t.Fatalf("signs with %v, %v", signers, err)
	}
	for _, signer := range signers {
		text, err := dkim.KeyRecord(signer.Key.Public())
		if err != nil || !record(signer.Selector, text) {
			t.Errorf("%s signs and is not published (%v)", signer.Selector, err)
		}
	}
	if out := run("list", "example.com"); !strings.Contains(out, "retired") || !strings.Contains(out, "active") {
		t.Error(out)
	}
	if out := run("revoke", "example.com"); !strings.HasPrefix(out, "0 keys") {
		t.Errorf("revoked while mail is under way: %s", out)
	}
	if out := run("revoke", "example.com", "--after", "0s"); !strings.HasPrefix(out, "2 keys of example.com are revoked, 0 forgotten") || !record(old.Selector, "v=DKIM1; k=rsa; p=") {
		t.Error(out)
	}
	if out := run("revoke", "example.com", "--after", "0s", "--forget", "0s"); !strings.HasPrefix(out, "0 keys of example.com are revoked, 2 forgotten") || record(old.Selector, "v=DKIM1; k=rsa; p=") {
		t.Error(out)
	}
	if got := allgreen(t, "", "dkim", "rotate", "example.net", "--config", path, "--lab"); got.code != exitUsage {
		t.Errorf("a domain of others: exit %d: %s", got.code, got.err)
	}
}
