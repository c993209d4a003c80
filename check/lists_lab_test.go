package check_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/reputation"
)

// labLists are the lists that exist in the lab only, each with one manner; more are
// left out because they keep silent for as long as we have patience.
func labLists(t *testing.T, weight string) []reputation.List {
	t.Helper()
	var all []reputation.List
	for _, manner := range []string{"good", "refusing", "world", "parked", "empty", "dead"} {
		var l reputation.List
		text := fmt.Sprintf(`{"id":%q,"name":%q,"operator":"lab","zone":"%s.dnsbl.example","subjects":["ip"],"purpose":"block","access":"open","state":"alive",
			"weight":%q,"codes":[{"code":"127.0.0.2","means":"planted"}],"control":{"listed":["127.0.0.2"],"clean":["127.0.0.1"]}}`, manner, manner, manner, weight)
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// The lists of the lab show each manner over real DNS: only the good one is ever
// believed, and the others never make anything green or red.
func TestListsOfTheLab(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := l.World()
	for _, tt := range []struct {
		target, weight string
		colours        map[finding.Status]int // of blocklist.address
	}{
		{"127.10.10.10", "high", map[finding.Status]int{finding.Red: 1, finding.Unknown: 1}},
		{"127.10.1.10", "high", map[finding.Status]int{finding.Green: 1, finding.Unknown: 1}},
		{"127.10.1.10", "low", map[finding.Status]int{finding.Green: 1}},
		{"127.10.10.10", "low", map[finding.Status]int{finding.Skip: 1}},
	} {
		t.Run(tt.target+" "+tt.weight, func(t *testing.T) {
			target, err := check.ParseTarget(tt.target, check.Address)
			if err != nil {
				t.Fatal(err)
			}
			lists := reputation.NewDirectory(reputation.Options{Lists: labLists(t, tt.weight), Now: w.Now})
			report := check.NewAudit(w, check.Options{Lists: lists, Only: []string{"blocklist.address"}}).Run(t.Context(), target, nil)
			got := map[finding.Status]int{}
			for _, f := range report.Findings {
				got[f.Status]++
				if f.Status == finding.Unknown {
					for _, name := range []string{"refusing", "world", "parked", "empty", "dead"} {
						if !strings.Contains(f.Summary, name) {
							t.Errorf("%s is not named: %s", name, f.Summary)
						}
					}
					if f.Fix == "" || len(f.Evidence) < 5 {
						t.Errorf("nobody learns what to do: %+v", f)
					}
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.colours) {
				t.Errorf("colours %v, want %v: %+v", got, tt.colours, report.Findings)
			}
		})
	}
}

// Who asks for other groups asks no list and no web site.
func TestOtherGroupsAskNoList(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	target, err := check.ParseTarget("green.example", check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	l.ForgetQuestions()
	check.NewAudit(l.World(), check.Options{Only: []string{"dns", "mx", "spf", "dmarc"}}).Run(t.Context(), target, nil)
	for q := range l.Questions() {
		for _, zone := range []string{"spamhaus", "spamcop", "dnsbl", "surbl", "www.", "_bimi"} {
			if strings.Contains(fmt.Sprint(q), zone) {
				t.Errorf("%v was asked", q)
			}
		}
	}
}

// Each list shows once a run whether it is in order, however many targets there are.
func TestControlPointsAreAskedOnceARun(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var targets []check.Target
	for _, name := range []string{"green.example", "listed.example", "no-spf.example"} {
		target, err := check.ParseTarget(name, check.Domain)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	l.ForgetQuestions()
	check.NewAudit(l.World(), check.Options{Only: []string{"blocklist"}}).RunAll(t.Context(), targets, func(*finding.Report) {})
	asked := 0
	for q, n := range l.Questions() {
		if strings.HasPrefix(q.Name, "2.0.0.127.") {
			asked++
			if n != 1 {
				t.Errorf("%v was asked %d times", q, n)
			}
		}
	}
	if asked < 10 {
		t.Errorf("only %d control points were asked", asked)
	}
}
