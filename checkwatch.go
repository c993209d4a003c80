package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/monitor"
	"github.com/allgreen-mail/allgreen/show"
)

// soonestRound is how often strangers may be looked at without end.
const soonestRound = time.Minute

// checkWatchFlag refuses what would be no watch, or a nuisance. The lab bears everything.
func (c *checkCommand) checkWatchFlag() error {
	switch {
	case c.Watch < 0:
		return usage(fmt.Errorf("--watch %s lies in the past", c.Watch), "--watch takes a duration, as 10m or 1h")
	case c.Watch > 0 && c.Watch < soonestRound && !c.Lab:
		return usage(fmt.Errorf("--watch %s is too often for those who are asked", c.Watch), "--watch takes a minute or more, as 10m or 1h")
	}
	return nil
}

// rounds is what a person who watches was shown: everything once, then what changed and
// was seen so often that it counts. What could not be seen changes nothing.
type rounds struct {
	targets map[string]map[place]*colour
}

// place is what a colour belongs to.
type place struct{ check, subject string }

// colour is the one that was shown, and another that is on trial.
type colour struct {
	shown, next finding.Status
	times       int // that next was seen one after the other
	seen        bool
}

// turn is one change to be shown.
type turn struct {
	finding.Finding
	from finding.Status
}

// see takes in a report. first means that all of it is to be shown.
func (r *rounds) see(report *finding.Report) (turns []turn, first bool) {
	if r.targets == nil {
		r.targets = map[string]map[place]*colour{}
	}
	known := r.targets[report.Target]
	if first = known == nil; first {
		known = map[place]*colour{}
		r.targets[report.Target] = known
	}
	blind := map[string]bool{} // checks that could not see everything
	for _, f := range report.Findings {
		at := place{f.Check, f.Subject}
		was := known[at]
		switch {
		case f.Status == finding.Unknown || f.Code == "needs-unseen" || f.Code == "asked-already":
			blind[f.Check] = true
			if was != nil {
				was.seen = true
			}
			continue
		case was == nil && first:
			known[at] = &colour{shown: f.Status, seen: true}
			continue
		case was == nil:
			was = &colour{}
			known[at] = was
		}
		was.seen = true
		if from := was.shown; was.turnsTo(f.Status) && !(from == finding.Unknown && isWell(f.Status)) {
			turns = append(turns, turn{f, from})
		}
	}
	return append(turns, missing(known, blind)...), first
}

// turnsTo counts a sight, and reports whether the colour that is shown is another now.
func (c *colour) turnsTo(s finding.Status) bool {
	switch {
	case s == c.shown:
		c.times = 0
		return false
	case s == c.next:
		c.times++
	default:
		c.next, c.times = s, 1
	}
	if c.times < monitor.Confirm {
		return false
	}
	c.shown, c.times = s, 0
	return true
}

// missing are what the report says nothing about any more, and drops it when that was so
// often enough.
func missing(known map[place]*colour, blind map[string]bool) (turns []turn) {
	inOrder := func(a, b place) int { return cmp.Or(cmp.Compare(a.check, b.check), cmp.Compare(a.subject, b.subject)) }
	for _, at := range slices.SortedFunc(maps.Keys(known), inOrder) {
		c := known[at]
		if c.seen || blind[at.check] {
			c.seen = false
			continue
		}
		from := c.shown
		if c.turnsTo(gone) {
			delete(known, at)
			if !isWell(from) && from != finding.Unknown {
				turns = append(turns, turn{finding.Finding{Check: at.check, Subject: at.subject, Status: finding.Skip, Summary: at.subject + " is not there any more"}, from})
			}
		}
	}
	return turns
}

// gone is the colour of what is not there; no finding has it.
const gone = finding.Status(-1)

func isWell(s finding.Status) bool { return s == finding.Green || s == finding.Skip }

// printRound shows a report, or what changed since the one before.
func (c *checkCommand) printRound(w io.Writer, r *finding.Report) error {
	if c.Watch <= 0 || c.JSON {
		return c.print(w, r)
	}
	turns, first := c.seen.see(r)
	if first {
		return c.print(w, r)
	}
	var errs []error
	for _, t := range turns {
		errs = append(errs, printTurn(w, r.Target, t, r.Started))
	}
	return errors.Join(errs...)
}

func printTurn(w io.Writer, target string, t turn, at time.Time) error {
	head := fmt.Sprintf("%s %s  %s: %s %s (was %s %s)", clock(at), target, t.Check, t.Status, t.Status.Sign(), t.from, t.from.Sign())
	if _, err := fmt.Fprintf(w, "%s\n%s\n", show.Clean(head), show.Paragraph(t.Summary, 2, width(w))); err != nil {
		return err
	}
	if t.Fix == "" || isWell(t.Status) {
		return nil
	}
	_, err := fmt.Fprintln(w, show.Paragraph("What to do: "+t.Fix, 2, width(w)))
	return err
}
