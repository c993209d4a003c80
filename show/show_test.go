package show

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what was written with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it, then go test ./show -update\n%s", path, got)
	}
}

const longKey = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" +
	"ucNCNpyEsCaK7eMPKq3oXjrRBPqNcXSPnZs6cMNMJRBkQAwdYB8fHvCDMy3iSeDUxPL7BcDmx7Ev" +
	"PHYPdqBk3nq7cMNq8w3JPKTs3UMwR8wv1HdQ2Q9LpWBwzHkVvE5wI0HkR8fz0kDqB0VhZ4uZf1mY" +
	"vXm4sX3rM5tqXw9cZJf5m8qLxw3Jp1oVbH2kqk6n4v0Q7tNnJ2s3b1oU5eW8x6gq7y0zRrT4wIDAQAB"

// sick has something of every colour, and a server that attacks the reader.
func sick() *finding.Report {
	r := finding.NewReport("red.example", []finding.Finding{
		{Check: "dns.ns-count", Group: "dns", Status: finding.Green, Code: "ok", Subject: "red.example", Summary: "two name servers answer"},
		{Check: "dns.soa", Group: "dns", Status: finding.Green, Code: "ok", Subject: "red.example", Summary: "the SOA record is sound", Evidence: []string{"red.example. SOA ns1.red.example. hostmaster.red.example. 1 2 3 4 5"}, Refs: []string{"RFC 1912 2.2"}},
		{Check: "mx.null", Group: "mx", Status: finding.Skip, Code: "not-null", Subject: "red.example", Summary: "the domain takes mail"},
		{Check: "bimi.record", Group: "bimi", Status: finding.Skip, Code: "none", Subject: "red.example", Summary: "no BIMI record"},
		{Check: "rdns.exists", Group: "rdns", Status: finding.Red, Code: "no-ptr", Subject: "203.0.113.7",
			Summary:  "203.0.113.7 has no PTR record",
			Evidence: []string{"7.113.0.203.in-addr.arpa. PTR: NXDOMAIN from 192.0.2.53"},
			Why:      "Most large receivers refuse mail from addresses without reverse DNS, or file it as spam, whatever else is in order.",
			Fix:      "Ask the provider of the address to publish this PTR record. In the control panel of most hosters it is called reverse DNS.",
			Records:  []finding.Record{{Name: "7.113.0.203.in-addr.arpa.", Type: "PTR", Value: "mx.red.example."}},
			Who:      finding.IPOwner, Refs: []string{"RFC 1912 2.1"}, Affects: []string{"google", "yahoo"}},
		{Check: "rdns.generic", Group: "rdns", Status: finding.Green, Code: "ok", Subject: "203.0.113.8", Summary: "the PTR of 203.0.113.8 does not look generic"},
		{Check: "dkim.key", Group: "dkim", Status: finding.Red, Code: "no-key", Subject: "s1._domainkey.red.example",
			Summary: "there is no key under the selector that signs", Fix: "Publish the key.", Who: finding.DNSOwner,
			Evidence: []string{"s1._domainkey.red.example. TXT: NXDOMAIN from 192.0.2.53"},
			Records:  []finding.Record{finding.TXT("s1._domainkey.red.example.", longKey)}},
		{Check: "helo.name", Group: "helo", Status: finding.Yellow, Code: "differs", Subject: "203.0.113.7",
			Summary:  "the greeting of 203.0.113.7 is no host name",
			Evidence: []string{"220 \x1b[2J\x1b[1;32mgreen ok\x1b[0m everything is fine \u202eneerg\u202c \xff\x00", "EHLO: 250-日本語のサーバーへようこそ、ここは長い一行の挨拶でございますから折り返します、どうぞよろしくお願いいたします"},
			Fix:      "postconf -e 'myhostname = mx.red.example'\nsystemctl reload postfix", Who: finding.ThisServer},
		{Check: "blocklist.ip", Group: "blocklist", Status: finding.Unknown, Code: "refused", Subject: "203.0.113.7 in zen.list.example",
			Summary: "the list refuses this resolver", Fix: "Use a resolver of your own: --resolver 127.0.0.1:53.", Evidence: []string{"7.113.0.203.zen.list.example. A 127.255.255.254"}},
		{Check: "blocklist.ip", Group: "blocklist", Status: finding.Unknown, Code: "refused", Subject: "203.0.113.8 in zen.list.example",
			Summary: "the list refuses this resolver", Fix: "Use a resolver of your own: --resolver 127.0.0.1:53."},
		{Check: "blocklist.ip", Group: "blocklist", Status: finding.Green, Code: "clean", Subject: "203.0.113.7", Summary: "203.0.113.7 is not listed in bl.example"},
	})
	r.Kind, r.Started, r.ElapsedMS = "domain", time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC), 812
	r.Addresses = []finding.Address{{IP: "203.0.113.7", Source: "mx", Name: "mx.red.example"}, {IP: "203.0.113.8", Source: "spf"}}
	return r
}

func healthy() *finding.Report {
	r := finding.NewReport("green.example", []finding.Finding{
		{Check: "mx.exists", Group: "mx", Status: finding.Green, Code: "ok", Subject: "green.example", Summary: "one MX host"},
		{Check: "spf.record", Group: "spf", Status: finding.Green, Code: "ok", Subject: "green.example", Summary: "the SPF record is sound"},
		{Check: "bimi.record", Group: "bimi", Status: finding.Skip, Code: "none", Subject: "green.example", Summary: "no BIMI record"},
	})
	r.Kind, r.Started, r.ElapsedMS = "domain", time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC), 96
	return r
}

func TestTextGolden(t *testing.T) {
	for _, tt := range []struct {
		file    string
		reports []*finding.Report
		options Options
	}{
		{"red.txt", []*finding.Report{sick()}, Options{}},
		{"red-verbose.txt", []*finding.Report{sick()}, Options{Verbose: true}},
		{"red-colour-60.txt", []*finding.Report{sick()}, Options{Color: true, Width: 60}},
		{"green.txt", []*finding.Report{healthy()}, Options{}},
		{"both.txt", []*finding.Report{sick(), healthy()}, Options{}},
		{"nothing.txt", []*finding.Report{finding.NewReport("unseen.example", nil)}, Options{}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var b bytes.Buffer
			if err := Text(&b, tt.reports, tt.options); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.file, b.Bytes())
			limit := max(tt.options.Width, 60)
			if limit == 60 && tt.options.Width == 0 {
				limit = 80
			}
			checkPaper(t, b.String(), limit, tt.options.Color)
		})
	}
}

// checkPaper wants every line within the width, and no control character but
// the line ends and, in colour, our own SGR.
func checkPaper(t *testing.T, text string, limit int, color bool) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if color {
			for _, sgr := range []string{"0", "1", "2", "1;31", "32", "33", "36"} {
				line = strings.ReplaceAll(line, "\x1b["+sgr+"m", "")
			}
		}
		if n := columns(line); n > limit {
			t.Errorf("%d columns, over %d: %s", n, limit, line)
		}
		if got := wash(line); got != line {
			t.Errorf("not clean: %q", line)
		}
	}
}

func TestTextNeverReddensColourless(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, []*finding.Report{sick(), healthy()}, Options{Verbose: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("an escape reached the paper without Color")
	}
	for _, tag := range []string{"red x ", "yellow ! ", "unknown ? ", "green ok ", "skip - "} {
		if !strings.Contains(b.String(), tag) {
			t.Errorf("%q does not stand in the report", tag)
		}
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestErrorsOfTheWriterComeBack(t *testing.T) {
	reports := []*finding.Report{sick()}
	if err := Text(full{}, reports, Options{}); !errors.Is(err, errFull) {
		t.Errorf("Text: %v", err)
	}
}
