package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/world"
)

// The all-green domain, servers and all, with each question about it lost in turn:
// nothing turns red or yellow by it, and nothing new is green.
func TestGreenThroughOutages(t *testing.T) {
	l := start(t, lab.Options{})
	target, err := check.ParseTarget("green.example", check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(q dnsQuestion) (map[string]finding.Finding, map[dnsQuestion]bool) {
		w := *l.World()
		o := &outage{Resolver: w.Resolver, fails: q, kind: world.ErrTemporary, asked: map[dnsQuestion]bool{}}
		w.Resolver = o
		said := map[string]finding.Finding{}
		groups := []string{"domain", "mx", "spf", "dkim", "dmarc", "bimi", "mta-sts", "tls-rpt", "rdns", "role", "helo"}
		for _, f := range check.NewAudit(&w, check.Options{Only: groups}).Run(t.Context(), target, nil).Findings {
			if f.Status != finding.Unknown && f.Status != finding.Skip {
				said[fmt.Sprintf("%s %s about %s", f.Status, f.Check, f.Subject)] = f
			}
		}
		return said, o.asked
	}
	whole, asked := judge(dnsQuestion{})
	for q := range asked {
		if strings.Contains(string(q.name), "._domainkey.") {
			continue // TestNothingIsSaidThatHangsOnALostAnswer loses those
		}
		lost, _ := judge(q)
		for what, f := range lost {
			if _, known := whole[what]; !known {
				t.Errorf("without an answer to %s %s: %s: %s", q.name, world.TypeName(q.qtype), what, f.Summary)
			}
		}
	}
}
