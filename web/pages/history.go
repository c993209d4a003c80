package pages

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/web"
)

// How much one page of history tells.
const (
	maxHistory = 40
	maxChanges = 50
	maxSpans   = 200 // of all lines together
)

// historyPage is one check: what it asks, how it stands, and how it stood.
type historyPage struct {
	check.About
	Rows    []historyRow
	Left    int64 // rows for which there was no room
	Changes []standing.Change
	From    time.Time // the left end of the lines
	Job     *jobView
}

// Again has a browser look again while a look is under way.
func (h historyPage) Again() string {
	if h.Job == nil || h.Job.Ended {
		return ""
	}
	return h.Job.Link
}

// historyRow is one subject with its line of colours.
type historyRow struct {
	standing.Row
	Spans   []span
	Details template.HTML
}

// jobView is how far a look is.
type jobView struct {
	web.JobState
	Link string
}

// Percent is for people who see no bar.
func (j jobView) Percent() int64 {
	if j.Of == 0 {
		return 0
	}
	return 100 * j.Done / j.Of
}

// history shows one check.
func (s *Site) history(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("check")
	about, ok := aboutOf(id)
	if !ok {
		s.problem(w, r, http.StatusNotFound, "There is no check of this name.", "")
		return
	}
	rows, err := web.StandingRows.Do(r.Context(), s.o.Client, web.StandingQuery{Check: id, Target: r.FormValue("target")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	now := s.o.World.Now()
	h := historyPage{About: about, From: now.Add(-historyTerm)}
	slices.SortStableFunc(rows, func(a, b standing.Row) int {
		return cmp.Or(worseFirst(a.Status, b.Status), targetOrder(a.Target, b.Target))
	})
	h.Left = int64(max(0, len(rows)-maxHistory))
	rows = rows[:min(len(rows), maxHistory)]
	for _, target := range targetsOf(rows) {
		changes, err := web.StandingHistory.Do(r.Context(), s.o.Client, web.StandingQuery{Target: target, Check: id})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		h.Changes = append(h.Changes, changes...)
	}
	slices.SortStableFunc(h.Changes, func(a, b standing.Change) int { return b.Time.Compare(a.Time) })
	h.addRows(rows, now)
	h.Changes = h.Changes[:min(len(h.Changes), maxChanges)]
	if h.Job, err = s.jobOf(r, "/green/"+id); err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "history", id, h)
}

// addRows makes a line for each row. Details are for as many as the page bears.
func (h *historyPage) addRows(rows []standing.Row, now time.Time) {
	left := maxSpans
	for i, row := range rows {
		one := historyRow{Row: row, Spans: spansOf(row, h.Changes, h.From, now)}
		if over := len(one.Spans) - max(1, left); over > 0 {
			one.Spans = one.Spans[over:] // the oldest go
		}
		left -= len(one.Spans)
		if i < maxDetails && !isWell(row.Status) {
			one.Details = detailsOf(row.Finding)
		}
		h.Rows = append(h.Rows, one)
	}
}

func targetsOf(rows []standing.Row) []string {
	var all []string
	for _, r := range rows {
		if !slices.Contains(all, r.Target) {
			all = append(all, r.Target)
		}
	}
	return all
}

func aboutOf(id string) (check.About, bool) {
	for _, c := range check.All() {
		if a := c.About(); a.ID == id {
			return a, true
		}
	}
	return check.About{}, false
}

// historyTerm is how far the line of colours goes back, and lineWidth how wide it is
// drawn, in units of the picture.
const (
	historyTerm = 30 * 24 * time.Hour
	lineWidth   = 720
	leastWidth  = 2
)

// span is a time of one colour on the line.
type span struct {
	X, Width    int
	Status      finding.Status
	Since, Till time.Time
}

// spansOf makes the line of a row: its colour now, and before each change the colour from
// which it turned. Before the first that is known there is nothing.
func spansOf(row standing.Row, changes []standing.Change, from, now time.Time) []span {
	var spans []span
	status, till := row.Status, now
	since := row.Since
	add := func() {
		since = laterOf(since, from)
		if x, width := onLine(since, from, now), onLine(till, from, now)-onLine(since, from, now); till.After(since) {
			spans = append(spans, span{min(x, lineWidth-leastWidth), max(width, leastWidth), status, since, till})
		}
	}
	for _, c := range changes { // the newest first
		if c.Kind != standing.Turned || c.Target != row.Target || c.Subject != row.Subject || c.Time.Before(from) {
			continue
		}
		// A colour is told when it is confirmed; it began when it was seen first.
		begun := c.Time
		if c.To == row.Status && row.Since.Before(begun) && till.Equal(now) {
			begun = row.Since
		}
		since = begun
		add()
		status, till = c.From, begun
		since = from
		if status == finding.Unknown {
			break
		}
	}
	if status != finding.Unknown && till.After(from) {
		add()
	}
	slices.Reverse(spans)
	return spans
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func onLine(t, from, now time.Time) int {
	return int(lineWidth * t.Sub(from) / now.Sub(from))
}

// Words tell a line to who does not see it.
func (r historyRow) Words() string {
	text := ""
	for i, s := range r.Spans {
		if i > 0 {
			text += ", then "
		}
		text += fmt.Sprintf("%s %s from %s", s.Status, s.Status.Sign(), s.Since.UTC().Format("2 January 15:04"))
	}
	return text
}

// checkAgain begins to look at one check again.
func (s *Site) checkAgain(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("check")
	if _, ok := aboutOf(id); !ok {
		s.problem(w, r, http.StatusNotFound, "There is no check of this name.", "")
		return
	}
	s.startLook(w, r, web.StandingQuery{Target: r.PostFormValue("target"), Check: id}, "/green/"+id)
}

// lookAgain begins to look at everything again.
func (s *Site) lookAgain(w http.ResponseWriter, r *http.Request) {
	s.startLook(w, r, web.StandingQuery{Target: r.PostFormValue("target")}, "/green/look")
}

func (s *Site) startLook(w http.ResponseWriter, r *http.Request, q web.StandingQuery, page string) {
	job, err := web.StandingCheck.Do(r.Context(), s.o.Client, q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, page+"?job="+url.QueryEscape(job.ID), http.StatusSeeOther)
}

// jobOf is the look that the page is about; nil: none.
func (s *Site) jobOf(r *http.Request, page string) (*jobView, error) {
	id := r.FormValue("job")
	if id == "" {
		return nil, nil
	}
	state, err := web.JobLook.Do(r.Context(), s.o.Client, web.JobName{ID: id})
	if err != nil {
		return nil, err
	}
	state.Result = json.RawMessage(nil) // the rows are read anyway
	return &jobView{state, page + "?job=" + url.QueryEscape(id)}, nil
}

// lookPage is a look at everything, under way or over.
type lookPage struct{ Job *jobView }

// Again has a browser look again while it is under way.
func (l lookPage) Again() string {
	if l.Job.Ended {
		return ""
	}
	return l.Job.Link
}

// look shows how far a look at everything is, and leads back when it is over.
func (s *Site) look(w http.ResponseWriter, r *http.Request) {
	job, err := s.jobOf(r, "/green/look")
	switch {
	case err != nil:
		s.fail(w, r, err)
	case job == nil || job.Ended && job.Error == nil:
		http.Redirect(w, r, "/green", http.StatusSeeOther)
	default:
		s.render(w, r, "look", "Looking again", lookPage{job})
	}
}
