package check

import (
	"context"
	"slices"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// says is a check that says one code.
func says(id, code string, needs ...string) Check {
	return rule{About{
		ID: id, Scope: Domain, Needs: needs, Why: "why", Fix: "fix", Who: finding.DNSOwner,
		Codes: []Code{{"good", finding.Green, "good"}, {"bad", finding.Red, "bad"}, {"blind", finding.Unknown, "not seen"}},
	}, func(context.Context, *Subject) []finding.Finding {
		return []finding.Finding{{Code: code, Subject: "example.com", Summary: code}}
	}}
}

func audit(o Options, checks ...Check) *finding.Report {
	a := &Audit{World: world.None(), Options: o, Checks: checks}
	target := Target{Text: "example.com", Kind: Domain, Domain: mail.MustParseDomain("example.com")}
	return a.Run(context.Background(), target, nil)
}

func codes(r *finding.Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Check+"="+f.Code)
	}
	return out
}

func TestAuditOrderAndNeeds(t *testing.T) {
	tests := []struct {
		name    string
		only    []string
		checks  []Check
		want    []string
		verdict finding.Status
	}{
		{"all green", nil, []Check{says("a.x", "good"), says("b.x", "good", "a.x")}, []string{"a.x=good", "b.x=good"}, finding.Green},
		{"what is needed is red", nil, []Check{says("a.x", "bad"), says("b.x", "good", "a.x")}, []string{"a.x=bad", "b.x=needs"}, finding.Red},
		{"what is needed is unknown", nil, []Check{says("a.x", "blind"), says("b.x", "good", "a.x")}, []string{"a.x=blind", "b.x=needs"}, finding.Unknown},
		{"a chain of needs", nil, []Check{says("a.x", "bad"), says("b.x", "good", "a.x"), says("c.x", "good", "b.x")}, []string{"a.x=bad", "b.x=needs", "c.x=needs"}, finding.Red},
		{"needed later in the list", nil, []Check{says("b.x", "good", "a.x"), says("a.x", "bad")}, []string{"b.x=needs", "a.x=bad"}, finding.Red},
		{"only a group", []string{"b"}, []Check{says("a.x", "good"), says("b.x", "good")}, []string{"b.x=good"}, finding.Green},
		{"only, needs run silently", []string{"c.x"}, []Check{says("a.x", "bad"), says("b.x", "good", "a.x"), says("c.x", "good", "b.x")}, []string{"c.x=needs"}, finding.Unknown},
		{"nothing to judge", []string{"z"}, []Check{says("a.x", "good")}, nil, finding.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := audit(Options{Only: tt.only}, tt.checks...)
			if got := codes(r); !slices.Equal(got, tt.want) {
				t.Errorf("findings %v, want %v", got, tt.want)
			}
			if r.Verdict != tt.verdict {
				t.Errorf("verdict %v, want %v", r.Verdict, tt.verdict)
			}
		})
	}
}

func TestAuditCompletesFindings(t *testing.T) {
	f := audit(Options{}, says("a.x", "bad")).Findings[0]
	if f.Group != "a" || f.Status != finding.Red || f.Why != "why" || f.Fix != "fix" || f.Who != finding.DNSOwner {
		t.Errorf("the finding is incomplete: %+v", f)
	}
	if f := audit(Options{}, says("a.x", "good")).Findings[0]; f.Fix != "" || f.Why != "" {
		t.Errorf("a green finding preaches: %+v", f)
	}
}

func TestUndeclaredCodeIsOurBug(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an undeclared code went through")
		}
	}()
	About{ID: "a.x"}.complete(finding.Finding{Code: "surprise"})
}

// A world that reaches nothing shows nothing: never green, never red.
func TestNothingSeenIsNeitherGreenNorRed(t *testing.T) {
	for _, kind := range []Scope{Domain, Host, Address} {
		a := NewAudit(world.None(), Options{})
		target, err := ParseTarget("mail.example.com", kind)
		if kind == Address {
			target, err = ParseTarget("192.0.2.1", kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Run(t.Context(), target, nil).Findings {
			if f.Status == finding.Green || f.Status == finding.Red || f.Status == finding.Yellow {
				t.Errorf("%s of a %s says %s %s although nothing could be seen: %s", f.Check, kind, f.Status, f.Code, f.Summary)
			}
		}
	}
}
