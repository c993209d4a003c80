package pages

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/web"
)

// How much of it one page tells. What is left out is counted, and a click away.
const (
	maxDetails = 15 // findings with everything below them
	maxLines   = 80
)

// greenPage is how all our domains and addresses stand.
type greenPage struct {
	Verdict   finding.Status
	Sentence  string
	Seen      time.Time // the last look
	Counts    finding.Counts
	Target    string // the one that is looked at; "": all
	Targets   []greenTarget
	NotGreen  []greenPractice
	Green     []greenPractice
	Unwatched []greenPractice
	Trials    []standing.Row // that were worse at the last look, which does not count yet
	Left      int64          // rows that are not shown for want of room
	Looking   bool           // the first look is under way
}

// Again has a browser look again while the first look is under way.
func (g greenPage) Again() string {
	if g.Looking {
		return "/green"
	}
	return ""
}

type greenTarget struct {
	Name   string
	Status finding.Status
	Counts finding.Counts
}

// Link leads to the rows of one target.
func (t greenTarget) Link() string { return "/green?target=" + url.QueryEscape(t.Name) }

type greenPractice struct {
	standings
	Lines []greenLine
}

// greenLine is one row that needs reading.
type greenLine struct {
	standing.Row
	Details template.HTML // "": there was no room, or it stands above
	Above   string        // the anchor where it stands already
}

// Anchor names the row on the page.
func (l greenLine) Anchor() string { return "row-" + rowKey(l.Row) }

func rowKey(r standing.Row) string { return url.PathEscape(r.Target + "-" + r.Check + "-" + r.Subject) }

// green is the all green page: every practice, for every domain and address of ours.
func (s *Site) green(w http.ResponseWriter, r *http.Request) {
	rows, err := web.StandingRows.Do(r.Context(), s.o.Client, web.StandingQuery{Brief: true})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "green", "All green", s.greenOf(rows, r.FormValue("target")))
}

func (s *Site) greenOf(rows []standing.Row, target string) greenPage {
	g := greenPage{Target: target, Looking: len(rows) == 0}
	names := map[string][]standing.Row{}
	for _, row := range rows {
		names[row.Target] = append(names[row.Target], row)
	}
	for name, of := range names {
		c := countRows(of)
		g.Targets = append(g.Targets, greenTarget{name, statusOfCounts(c), c})
	}
	slices.SortFunc(g.Targets, func(a, b greenTarget) int {
		return cmp.Or(worseFirst(a.Status, b.Status), targetOrder(a.Name, b.Name))
	})
	if target != "" {
		rows = names[target]
	}
	for _, row := range rows {
		if row.Seen.After(g.Seen) {
			g.Seen = row.Seen
		}
	}
	g.Counts = countRows(rows)
	g.Verdict = statusOfCounts(g.Counts)
	g.Sentence = greenSentence(g.Verdict, g.Counts)
	room := &room{details: maxDetails, lines: maxLines, shown: map[string]string{}}
	for _, p := range judgePractices(s.o.Practices, check.All(), rows) {
		one := greenPractice{standings: p, Lines: room.lineUp(p.Worst())}
		switch {
		case len(p.Checks) == 0:
			g.Unwatched = append(g.Unwatched, one)
		case isWell(p.Status):
			g.Green = append(g.Green, one)
		default:
			g.NotGreen = append(g.NotGreen, one)
		}
	}
	g.Left = room.left
	for _, row := range rows {
		if isWell(row.Status) && (row.Trial == finding.Red || row.Trial == finding.Yellow) && len(g.Trials) < maxLines {
			g.Trials = append(g.Trials, row)
		}
	}
	return g
}

// statusOfCounts is the verdict on what was counted, as a report has it: nothing, or
// nothing but skipped rows, is unknown.
func statusOfCounts(c finding.Counts) finding.Status {
	switch {
	case c.Red > 0:
		return finding.Red
	case c.Yellow > 0:
		return finding.Yellow
	case c.Unknown > 0 || c.Green == 0:
		return finding.Unknown
	}
	return finding.Green
}

func greenSentence(verdict finding.Status, c finding.Counts) string {
	switch {
	case c == finding.Counts{}:
		return "Nothing was looked at yet, so nothing is known."
	case verdict == finding.Green:
		return "All is green."
	case verdict == finding.Red:
		return "Something is red: receivers refuse or distrust mail for it."
	case verdict == finding.Yellow:
		return "It works, and something should be mended."
	case c.Green == 0:
		return "Nothing could be judged."
	}
	return "All that could be seen is green; something could not be seen."
}

// room is what is left of the page.
type room struct {
	details, lines int
	left           int64
	shown          map[string]string // rows, and where they stand
}

// lineUp takes as many rows as there is room for. What stands above already is only
// named.
func (m *room) lineUp(rows []standing.Row) []greenLine {
	var lines []greenLine
	for _, row := range rows {
		if m.lines == 0 {
			m.left++
			continue
		}
		m.lines--
		line := greenLine{Row: row, Above: m.shown[rowKey(row)]}
		if line.Above == "" && m.details > 0 {
			m.details--
			line.Details = detailsOf(row.Finding)
		}
		if line.Above == "" {
			m.shown[rowKey(row)] = line.Anchor()
		}
		lines = append(lines, line)
	}
	return lines
}

// detailsOf is what a report says below a finding. It is washed and escaped by show.
func detailsOf(f finding.Finding) template.HTML {
	var b strings.Builder
	_ = show.Details(&b, f) // a strings.Builder takes everything
	return template.HTML(b.String())
}
