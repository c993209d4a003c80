package pages

import (
	"fmt"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
)

// However much a hostile server says, a page stays a page; and what is short is told
// whole.
func TestSectionsStaySmall(t *testing.T) {
	report := func(n, octets, lines int) *finding.Report {
		var all []finding.Finding
		for i := range n {
			f := finding.Finding{Check: "smtp.banner", Group: fmt.Sprint("group", i%7), Status: finding.Status(i % 5), Code: "x", Subject: fmt.Sprint("host", i),
				Summary: strings.Repeat("<&", octets/2), Why: "why", Fix: strings.Repeat("f", octets), Refs: []string{"RFC 5321 4.2"}}
			for range lines {
				f.Evidence = append(f.Evidence, strings.Repeat("\x00é", octets))
			}
			all = append(all, f)
		}
		return finding.NewReport("example.com", all)
	}
	for _, tt := range []struct{ n, octets, lines int }{{10, 10, 1}, {300, 50, 2}, {300, 300, 20}, {1000, 4000, 3}, {5_000, 10, 0}} {
		r := report(tt.n, tt.octets, tt.lines)
		before := len(r.Findings[0].Evidence)
		text := string(sectionOf(r))
		short := strings.Contains(text, "a part of the report")
		if len(text) > 145_000 || short == (tt.n == 10) || !strings.Contains(text, `class="verdict red"`) {
			t.Errorf("%+v: %d octets, shortened: %v", tt, len(text), short)
		}
		if len(r.Findings) != tt.n || len(r.Findings[0].Evidence) != before {
			t.Error("the report itself was changed")
		}
	}
}
