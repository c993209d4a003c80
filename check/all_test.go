package check

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
)

// groups are the groups of the command-line contract.
var groups = strings.Fields(`domain dns mx spf dkim dmarc bimi mta-sts tls-rpt dane rdns helo smtp submission access tls
	relay backscatter blocklist asn role web message egress provider`)

var (
	idForm   = regexp.MustCompile(`^[a-z-]+\.[a-z0-9-]+$`)
	codeForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	rowForm  = regexp.MustCompile(`^[A-Z0-9]+(-[A-Z0-9]+)+$`)
)

func TestEveryCheckIsExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		a := c.About()
		t.Run(a.ID, func(t *testing.T) {
			if seen[a.ID] || !idForm.MatchString(a.ID) || !slices.Contains(groups, a.Group()) {
				t.Errorf("the id is taken, malformed, or of no known group")
			}
			seen[a.ID] = true
			for what, text := range map[string]string{"question": a.Question, "why": a.Why, "fix": a.Fix, "who": string(a.Who)} {
				if text == "" {
					t.Errorf("there is no %s", what)
				}
			}
			if !strings.HasSuffix(a.Question, "?") || a.Scope == 0 || len(a.Refs) == 0 {
				t.Errorf("question, scope or references are incomplete")
			}
			for _, row := range a.Rows {
				if !rowForm.MatchString(row) {
					t.Errorf("%q is no row of the catalogue", row)
				}
			}
			checkCodes(t, a)
		})
	}
}

func checkCodes(t *testing.T, a About) {
	t.Helper()
	seen := map[string]bool{}
	bad := false
	for _, c := range append(a.Codes, commonCodes...) {
		if seen[c.Code] || !codeForm.MatchString(c.Code) || c.Meaning == "" {
			t.Errorf("code %q is said twice, malformed, or means nothing", c.Code)
		}
		seen[c.Code] = true
		bad = bad || c.Status == finding.Red || c.Status == finding.Yellow || c.Status == finding.Green
	}
	if !bad {
		t.Errorf("the check can say nothing of consequence")
	}
}

func TestNeedsLeadSomewhereAndNeverInCircles(t *testing.T) {
	needs := map[string][]string{}
	for _, c := range All() {
		needs[c.About().ID] = c.About().Needs
	}
	var climb func(id string, path []string)
	climb = func(id string, path []string) {
		if slices.Contains(path, id) {
			t.Fatalf("%s needs itself: %v", id, path)
		}
		if _, ok := needs[id]; !ok {
			t.Fatalf("%v needs %s, which does not exist", path, id)
		}
		for _, next := range needs[id] {
			climb(next, append(slices.Clone(path), id))
		}
	}
	for id := range needs {
		climb(id, nil)
	}
}
