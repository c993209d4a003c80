package show

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkipped `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// JUnit writes the reports for build servers: a test suite per target, a test
// case per finding. Red is a failure; unknown and skip are skipped, with the
// reason; yellow passes, with its text as output. It returns the first error
// of w.
func JUnit(w io.Writer, reports []*finding.Report) error {
	all := junitSuites{Name: "allgreen"}
	var elapsed int64
	for _, r := range reports {
		s := suiteOf(r)
		all.Suites = append(all.Suites, s)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Skipped += s.Skipped
		elapsed += r.ElapsedMS
	}
	all.Time = seconds(elapsed)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suiteOf(r *finding.Report) junitSuite {
	s := junitSuite{
		Name: wash(r.Target), Tests: len(r.Findings), Failures: r.Counts.Red,
		Skipped: r.Counts.Unknown + r.Counts.Skip, Time: seconds(r.ElapsedMS),
	}
	if !r.Started.IsZero() {
		s.Timestamp = r.Started.UTC().Format(time.RFC3339)
	}
	for _, f := range r.Findings {
		s.Cases = append(s.Cases, caseOf(f))
	}
	return s
}

func caseOf(f finding.Finding) junitCase {
	c := junitCase{Class: wash(f.Group), Name: wash(f.Check)}
	if f.Subject != "" {
		c.Name += " " + wash(f.Subject)
	}
	summary := wash(f.Summary)
	switch f.Status {
	case finding.Green:
	case finding.Red:
		c.Failure = &junitFailure{Message: summary, Type: wash(f.Code), Text: plain(f)}
	case finding.Yellow:
		c.Out = f.Status.String() + ": " + summary + "\n" + plain(f)
	default:
		c.Skipped = &junitSkipped{Message: strings.Join(append([]string{f.Status.String() + ": " + summary}, fixLines(f)...), "; ")}
	}
	return c
}

func fixLines(f finding.Finding) []string {
	if f.Fix == "" {
		return nil
	}
	return washLines(f.Fix)
}

// plain is the evidence and the cure without any layout.
func plain(f finding.Finding) string {
	var b strings.Builder
	for _, e := range f.Evidence {
		b.WriteString("saw: " + wash(e) + "\n")
	}
	for _, line := range fixLines(f) {
		b.WriteString("fix: " + line + "\n")
	}
	for _, r := range f.Records {
		b.WriteString(strings.Join(zoneLines(r, maxText), "\n") + "\n")
	}
	if f.Who != "" {
		b.WriteString("who: " + wash(whoWords(f.Who)) + "\n")
	}
	return b.String()
}

func seconds(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }
