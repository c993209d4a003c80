package check_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
)

// rowsOf are the rows of the catalogue that a check stands for.
func rowsOf(id string) []string {
	about, _ := check.Find(id)
	return about.Rows
}

// auditInLab audits one domain of the lab with every probe.
func auditInLab(t *testing.T, l *lab.Lab, name string) *finding.Report {
	t.Helper()
	target, err := check.ParseTarget(name, check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	return check.NewAudit(l.World(), check.Options{Battery: true, Timeout: 3 * time.Minute}).Run(ctx, target, nil)
}

// auditAll audits domains of the lab side by side, in one run.
func auditAll(t *testing.T, l *lab.Lab, names []string, o check.Options) map[string]*finding.Report {
	t.Helper()
	var targets []check.Target
	for _, name := range names {
		target, err := check.ParseTarget(name, check.Domain)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	reports := map[string]*finding.Report{}
	check.NewAudit(l.World(), o).RunAll(t.Context(), targets, func(r *finding.Report) { reports[r.Target] = r })
	return reports
}

// auditTable audits every domain of the lab with every probe, and with the patience
// that it takes to call a server dead.
func auditTable(t *testing.T, l *lab.Lab) map[string]*finding.Report {
	t.Helper()
	var names []string
	for _, d := range lab.Domains() {
		names = append(names, d.Name)
	}
	return auditAll(t, l, names, check.Options{Battery: true, Parallel: 24, Timeout: 3 * time.Minute})
}

// The table of the lab is reproduced exactly: every planted defect is found by a
// check that stands for its row, and nothing else is red or yellow.
func TestLabTable(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	reports := auditTable(t, l)
	t.Run("records", func(t *testing.T) { judgeRecords(t, recordsOf(reports)) })
	for _, d := range lab.Domains() {
		t.Run(d.Name, func(t *testing.T) { compareDefects(t, d, reports[d.Name].Findings) })
	}
}

func compareDefects(t *testing.T, d lab.Domain, findings []finding.Finding) {
	t.Helper()
	for _, defect := range d.Defects {
		if !standsFor(defect.Row) {
			t.Logf("no check stands for %s yet", defect.Row)
			continue
		}
		if !slices.ContainsFunc(findings, func(f finding.Finding) bool { return shows(f, defect) }) {
			t.Errorf("the planted defect %s (%s) was not found%s", defect.Row, defect.Status, unseenOf(findings))
		}
	}
	for _, f := range findings {
		if f.Status != finding.Red && f.Status != finding.Yellow {
			continue
		}
		if !slices.ContainsFunc(d.Defects, func(defect lab.Defect) bool { return shows(f, defect) }) {
			t.Errorf("%s says %s, which nobody planted: %s (%v)", f.Check, f.Status, f.Summary, rowsOf(f.Check))
		}
	}
}

// unseenOf is what could not be seen, where a defect may hide.
func unseenOf(findings []finding.Finding) string {
	text := ""
	for _, f := range findings {
		if f.Status == finding.Unknown {
			text += "; unseen: " + f.Check + " " + f.Summary
		}
	}
	return text
}

func standsFor(row string) bool {
	return slices.ContainsFunc(check.All(), func(c check.Check) bool { return slices.Contains(c.About().Rows, row) })
}

func shows(f finding.Finding, d lab.Defect) bool {
	return f.Status.String() == d.Status && slices.Contains(rowsOf(f.Check), d.Row)
}

// The all-green domain is green to the last row: not even unknown.
func TestAllGreen(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	report := auditInLab(t, l, "green.example")
	for _, f := range report.Findings {
		if f.Status != finding.Green && f.Status != finding.Skip {
			t.Errorf("%s: %s %s: %s %v", f.Check, f.Status, f.Code, f.Summary, f.Evidence)
		}
	}
	if report.Verdict != finding.Green {
		t.Errorf("the verdict is %s", report.Verdict)
	}
}

// Every name and type is asked once in a run.
func TestEachQuestionIsAskedOnce(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := l.World()
	target, err := check.ParseTarget("green.example", check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	l.ForgetQuestions()
	check.NewAudit(w, check.Options{}).Run(t.Context(), target, nil)
	for q, n := range l.Questions() {
		if n > 1 {
			t.Errorf("%v was asked %d times", q, n)
		}
	}
}
