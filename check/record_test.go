package check_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
)

// recordsOf are all records to paste of some reports, each once.
func recordsOf(reports map[string]*finding.Report) []finding.Record {
	seen := map[finding.Record]bool{}
	var all []finding.Record
	for _, r := range reports {
		for _, f := range r.Findings {
			for _, record := range f.Records {
				if !seen[record] {
					seen[record] = true
					all = append(all, record)
				}
			}
		}
	}
	return all
}

// judgeRecords pastes the records into a zone file. BIND's own judge has the last
// word.
func judgeRecords(t *testing.T, records []finding.Record) {
	t.Helper()
	if len(records) == 0 {
		t.Error("there is no record to judge")
	}
	for _, r := range records {
		judgeRecord(t, r)
	}
	t.Run("named-checkzone", func(t *testing.T) { checkZone(t, records) })
}

// judgeRecord wants one record, of its type, at its name.
func judgeRecord(t *testing.T, r finding.Record) {
	t.Helper()
	line := pasted(r)
	rr, err := dns.NewRR(line)
	if err != nil || rr == nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if rr.Header().Name != r.Name || dns.TypeToString[rr.Header().Rrtype] != r.Type || !strings.HasSuffix(r.Name, ".") {
		t.Errorf("%s is read as %s", line, rr)
	}
	if text, err := r.Text(); r.Type == "TXT" && (err != nil || text == "") {
		t.Errorf("%s: %v", line, err)
	}
	if strings.ContainsAny(line, "\r\n") {
		t.Errorf("%q is more than a line", line)
	}
}

func pasted(r finding.Record) string { return fmt.Sprintf("%s 3600 IN %s %s", r.Name, r.Type, r.Value) }

// checkZone has the records read as one zone of the root. Whether they go together
// is not the question.
func checkZone(t *testing.T, records []finding.Record) {
	t.Helper()
	judge, err := exec.LookPath("named-checkzone")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("named-checkzone is missing: install bind9-utils")
		}
		t.Skip("named-checkzone is missing: install bind9-utils")
	}
	lines := []string{". 3600 IN SOA ns.test. hostmaster.test. 1 7200 1800 1209600 3600", ". 3600 IN NS ns.test.", "ns.test. 3600 IN A 192.0.2.53"}
	for _, r := range records {
		lines = append(lines, pasted(r))
	}
	path := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ignore := []string{"-i", "none", "-k", "ignore", "-m", "ignore", "-M", "ignore", "-n", "ignore", "-r", "ignore", "-S", "ignore", "-T", "ignore"}
	out, err := exec.CommandContext(t.Context(), judge, append(ignore, ".", path)...).CombinedOutput()
	if err != nil {
		t.Errorf("named-checkzone: %v\n%s", err, out)
	}
}

// wildTexts are records whose text would break out of a zone file, or not fit one
// string. Both must come back mended, and nothing else.
const wildTexts = `
$ORIGIN wild.example.
$TTL 3600
@ SOA ns1.nameserver.example. hostmaster.wild.example. 1 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
@ MX 10 mx
mx A 127.10.210.10
@ TXT "v=spf1 note=\")$INCLUDE\\ " "ip4:192.0.2.1 ip4:192.0.2.2 ip4:192.0.2.3 ip4:192.0.2.4 ip4:192.0.2.5 ip4:192.0.2.6 ip4:192.0.2.7 ip4:192.0.2.8 " "ip4:192.0.2.11 ip4:192.0.2.12 ip4:192.0.2.13 ip4:192.0.2.14 ip4:192.0.2.15 ip4:192.0.2.16 ip4:192.0.2.17 -all"
_dmarc TXT "v=DMARC1; p=none; note=\"\ ) \010$INCLUDE /etc/passwd \\"
`

func TestRecordsOfWildTexts(t *testing.T) {
	l := start(t, lab.Options{Bare: true, Zones: []string{wildTexts}})
	o := check.Options{Only: []string{"spf", "dmarc"}, IPs: []netip.Addr{netip.MustParseAddr("198.51.100.9")}}
	records := recordsOf(auditAll(t, l, []string{"wild.example"}, o))
	judgeRecords(t, records)
	for name, part := range map[string]string{
		"wild.example.":        `ip4:198.51.100.9 note=")$INCLUDE\ ip4:192.0.2.1 `,
		"_dmarc.wild.example.": "note=\" ) \n$INCLUDE /etc/passwd \\",
	} {
		if !suggests(records, name, part) {
			t.Errorf("nothing to publish at %s holds %q: %q", name, part, records)
		}
	}
}

func suggests(records []finding.Record, name, part string) bool {
	for _, r := range records {
		if text, err := r.Text(); r.Name == name && err == nil && strings.Contains(text, part) {
			return true
		}
	}
	return false
}
