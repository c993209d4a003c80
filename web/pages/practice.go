package pages

import (
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/standing"
)

// Practice is a row of what a well-run server does: docs/practices.json.
type Practice struct {
	Row      string `json:"Row"`
	Practice string `json:"Practice"`
	Server   string `json:"Server"` // what the server does by itself; "": not yet, or nothing to do
}

// standings is one practice and how it stands with us.
type standings struct {
	Practice
	Status finding.Status
	Checks []string       // that look at it
	Apart  []string       // that look at it on a message, or on another machine: no watch can
	Rows   []standing.Row // the worst first
}

// Worst are the rows that need reading.
func (p standings) Worst() []standing.Row {
	return slices.DeleteFunc(slices.Clone(p.Rows), func(r standing.Row) bool { return isWell(r.Status) })
}

// Well are how many rows need none.
func (p standings) Well() int64 { return int64(len(p.Rows) - len(p.Worst())) }

// Blind reports whether a row was not seen at the last look.
func (p standings) Blind() bool {
	return slices.ContainsFunc(p.Rows, func(r standing.Row) bool { return !r.Blind.IsZero() && r.Status != finding.Unknown })
}

// isWell reports a colour that asks for nothing.
func isWell(s finding.Status) bool { return s == finding.Green || s == finding.Skip }

// judgePractices sorts the rows under the practices that their checks look at; what looks
// at none comes under its group. The worst come first.
func judgePractices(practices []Practice, checks []check.Check, rows []standing.Row) []standings {
	looks, apart := map[string][]string{}, map[string][]string{} // row of a practice -> ids
	var order []Practice
	order = append(order, practices...)
	for _, c := range checks {
		a := c.About()
		rows, into := a.Practices, looks
		if a.Scope&check.Servers == 0 {
			into = apart
		}
		if len(rows) == 0 {
			group := Practice{Row: a.Group(), Practice: "Further checks: " + a.Group()}
			if !slices.Contains(order, group) {
				order = append(order, group)
			}
			rows = []string{group.Row}
		}
		for _, row := range rows {
			into[row] = append(into[row], a.ID)
		}
	}
	byCheck := map[string][]standing.Row{}
	for _, r := range rows {
		byCheck[r.Check] = append(byCheck[r.Check], r)
	}
	var all []standings
	for _, p := range order {
		one := standings{Practice: p, Checks: looks[p.Row], Apart: apart[p.Row]}
		for _, id := range one.Checks {
			one.Rows = append(one.Rows, byCheck[id]...)
		}
		slices.SortStableFunc(one.Rows, func(a, b standing.Row) int { return worseFirst(a.Status, b.Status) })
		one.Status = statusOfAll(one.Checks, one.Rows)
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b standings) int { return worseFirst(a.Status, b.Status) })
	return all
}

// statusOfAll is the worst of the rows. What no check looks at is skipped, and what no
// check has looked at yet unknown: it is never green.
func statusOfAll(checks []string, rows []standing.Row) finding.Status {
	if len(checks) == 0 {
		return finding.Skip
	}
	if len(rows) == 0 {
		return finding.Unknown
	}
	worst := finding.Skip
	for _, r := range rows {
		worst = finding.Worse(worst, r.Status)
	}
	return worst
}

func worseFirst(a, b finding.Status) int {
	switch {
	case a == b:
		return 0
	case finding.Worse(a, b) == a:
		return -1
	}
	return 1
}

// countRows counts the colours of rows.
func countRows(rows []standing.Row) (c finding.Counts) {
	for _, r := range rows {
		switch r.Status {
		case finding.Green:
			c.Green++
		case finding.Yellow:
			c.Yellow++
		case finding.Red:
			c.Red++
		case finding.Skip:
			c.Skip++
		default:
			c.Unknown++
		}
	}
	return c
}

// targetOrder puts domains before names of hosts, and both before addresses.
func targetOrder(a, b string) int { return strings.Compare(targetKey(a), targetKey(b)) }

func targetKey(t string) string {
	if target, err := check.ParseTarget(t, 0); err == nil && target.Kind == check.Address {
		return "~" + t
	}
	return t
}
