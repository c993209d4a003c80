package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

// A group is the findings of one part of the catalogue, worst first.
type group struct {
	name   string
	worst  finding.Status
	counts finding.Counts
	items  []item
}

// An item is a finding, and the subjects of which the very same was found.
type item struct {
	finding.Finding
	also []string
}

// groupsOf sorts the findings of a report into groups, the worst group first,
// equal ones in the order in which they were found.
func groupsOf(r *finding.Report) []group {
	var names []string
	byName := map[string][]finding.Finding{}
	for _, f := range r.Findings {
		if byName[f.Group] == nil {
			names = append(names, f.Group)
		}
		byName[f.Group] = append(byName[f.Group], f)
	}
	var groups []group
	for _, name := range names {
		groups = append(groups, newGroup(name, byName[name]))
	}
	slices.SortStableFunc(groups, func(a, b group) int { return compare(a.worst, b.worst) })
	return groups
}

func newGroup(name string, findings []finding.Finding) group {
	r := finding.NewReport(name, findings)
	g := group{name: name, worst: r.Verdict, counts: r.Counts}
	if r.Counts.Skip == len(findings) {
		g.worst = finding.Skip
	}
	for _, f := range r.WorstFirst() {
		g.items = append(g.items, item{Finding: f})
	}
	return g
}

// compare orders the worse status first.
func compare(a, b finding.Status) int {
	switch {
	case a == b:
		return 0
	case finding.Worse(a, b) == a:
		return -1
	}
	return 1
}

// merged folds findings that say the same of several subjects into one.
func merged(items []item) []item {
	var out []item
	for _, it := range items {
		i := slices.IndexFunc(out, func(o item) bool { return saysTheSame(o.Finding, it.Finding) })
		if i < 0 {
			out = append(out, it)
			continue
		}
		out[i].also = append(out[i].also, it.Subject)
	}
	return out
}

// saysTheSame reports whether one text serves for both: the same answer to the
// same question with the same cure.
func saysTheSame(a, b finding.Finding) bool {
	return a.Check == b.Check && a.Code == b.Code && a.Status == b.Status && a.Fix == b.Fix &&
		a.Subject != b.Subject && len(a.Records) == 0 && len(b.Records) == 0
}

// needsReading reports whether a finding is shown whole, not only counted.
func needsReading(s finding.Status) bool {
	return s != finding.Green && s != finding.Skip
}

// countWords is "2 red, 1 yellow", without what there is none of.
func countWords(c finding.Counts) string {
	var words []string
	for _, part := range []struct {
		n    int
		word string
	}{{c.Red, "red"}, {c.Yellow, "yellow"}, {c.Unknown, "unknown"}, {c.Green, "green"}, {c.Skip, "skipped"}} {
		if part.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", part.n, part.word))
		}
	}
	return strings.Join(words, ", ")
}

// headline is the summary, with the subject before it where the summary does not
// name it.
func headline(target string, f finding.Finding) string {
	if f.Subject == "" || f.Subject == target || strings.Contains(f.Summary, f.Subject) {
		return f.Summary
	}
	return f.Subject + ": " + f.Summary
}

// whoWords names those who can act.
func whoWords(w finding.Who) string {
	switch w {
	case finding.DNSOwner:
		return "whoever edits the domain's DNS zone"
	case finding.IPOwner:
		return "the provider of the IP address"
	case finding.ThisServer:
		return "whoever runs this server"
	case finding.OtherSide:
		return "the other side"
	}
	return string(w)
}

// verdictWords is the report in one sentence.
func verdictWords(r *finding.Report) string {
	counts := countWords(r.Counts)
	if counts == "" {
		counts = "nothing was judged"
	}
	says := " could not be judged: "
	switch r.Verdict {
	case finding.Green:
		says = " is all green: "
	case finding.Yellow:
		says = " works, and should be mended: "
	case finding.Red:
		says = " is not all green: "
	case finding.Unknown:
		if r.Counts.Green > 0 {
			says = " is green as far as could be seen: "
		}
	}
	return r.Name() + says + counts
}

// facts is what kind of target it was, when it was judged, and how long it took.
func facts(r *finding.Report) string {
	var words []string
	if r.Kind != "" {
		words = append(words, wash(r.Kind))
	}
	if !r.Started.IsZero() {
		words = append(words, r.Started.UTC().Format("2006-01-02 15:04 UTC"))
	}
	if r.ElapsedMS > 0 {
		words = append(words, fmt.Sprintf("%.1f s", float64(r.ElapsedMS)/1000))
	}
	return strings.Join(words, ", ")
}
