package check_test

import (
	"testing"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
)

// BenchmarkAudit is one whole audit of a domain where no host is slow, each with an
// empty cache: politely, and with every probe. The goal is less than a second.
func BenchmarkAudit(b *testing.B) {
	l, err := lab.Start(b.Context(), lab.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	target, err := check.ParseTarget("green.example", check.Domain)
	if err != nil {
		b.Fatal(err)
	}
	for name, battery := range map[string]bool{"polite": false, "battery": true} {
		b.Run(name, func(b *testing.B) {
			l.ForgetQuestions()
			b.ReportAllocs()
			for b.Loop() {
				r := check.NewAudit(l.World(), check.Options{Battery: battery}).Run(b.Context(), target, nil)
				if r.Verdict != finding.Green {
					b.Fatalf("the verdict is %s: %+v", r.Verdict, r.Counts)
				}
			}
			questions := 0
			for _, n := range l.Questions() {
				questions += n
			}
			b.ReportMetric(float64(questions)/float64(b.N), "questions/op")
		})
	}
}
