package finding

import (
	"slices"
	"time"
)

// Address is one address a report judged, and how it came to be judged.
type Address struct {
	IP     string `json:"ip"`
	Source string `json:"source"` // "mx", "spf", "--ip", "target", "message"
	Name   string `json:"name,omitempty"`
}

// Counts counts findings by status.
type Counts struct {
	Green   int `json:"green"`
	Yellow  int `json:"yellow"`
	Red     int `json:"red"`
	Unknown int `json:"unknown"`
	Skip    int `json:"skip"`
}

// Report is everything found out about one target.
type Report struct {
	Target    string    `json:"target"`
	Title     string    `json:"title,omitempty"` // for people, where the target's own name says nothing: "-"
	Kind      string    `json:"kind,omitempty"`  // domain, host, address, message, egress
	Started   time.Time `json:"started"`
	ElapsedMS int64     `json:"elapsed_ms"`
	Verdict   Status    `json:"verdict"`
	Counts    Counts    `json:"counts"`
	Addresses []Address `json:"addresses,omitempty"`
	Findings  []Finding `json:"findings"`
}

// Name is the report's heading: the title, or the target.
func (r *Report) Name() string {
	if r.Title != "" {
		return r.Title
	}
	return r.Target
}

// NewReport counts the findings and draws the verdict: the worst of them, and
// Unknown when there is none or only skips.
func NewReport(target string, findings []Finding) *Report {
	r := &Report{Target: target, Findings: findings}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	verdict := Skip
	for _, f := range findings {
		r.Counts.add(f.Status)
		verdict = Worse(verdict, f.Status)
	}
	if verdict != Skip {
		r.Verdict = verdict
	}
	return r
}

func (c *Counts) add(s Status) {
	switch s {
	case Green:
		c.Green++
	case Yellow:
		c.Yellow++
	case Red:
		c.Red++
	case Skip:
		c.Skip++
	default:
		c.Unknown++
	}
}

// WorstFirst is the findings in the order a person wants to read them: red,
// yellow, unknown, green, skip, each in the order given.
func (r *Report) WorstFirst() []Finding {
	sorted := slices.Clone(r.Findings)
	slices.SortStableFunc(sorted, func(a, b Finding) int {
		return b.Status.rank() - a.Status.rank()
	})
	return sorted
}

// ExitCode is what `check` exits with for this verdict: 0 green, 1 red, 2
// yellow, 3 nothing judged or nothing worse than unknown.
func (s Status) ExitCode() int {
	switch s {
	case Green:
		return 0
	case Red:
		return 1
	case Yellow:
		return 2
	}
	return 3
}
