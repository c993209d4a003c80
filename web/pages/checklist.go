package pages

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/web"
)

// checklistPage is what only a person can do.
type checklistPage struct {
	Groups []checklistGroup
	Done   []setup.Item
	All    int
	Left   int // of what is needed or wise
}

// checklistGroup are the open items of one weight.
type checklistGroup struct {
	Title, Text string
	Items       []setup.Item
}

// checklist shows the list, what is open first.
func (s *Site) checklist(w http.ResponseWriter, r *http.Request) {
	items, err := web.ChecklistItems.Do(r.Context(), s.o.Client, web.None{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "checklist", "Checklist", checklistOf(items))
}

func checklistOf(items []setup.Item) checklistPage {
	p := checklistPage{All: len(items)}
	titles := map[string]checklistGroup{
		"must": {Title: "Needed", Text: "Without these, mail is refused."},
		"wise": {Title: "Wise", Text: "Each takes some minutes, and shows you trouble before your users feel it."},
		"may":  {Title: "Where it applies", Text: "Only if you send there, or were refused."},
	}
	for _, need := range []string{"must", "wise", "may"} {
		group := titles[need]
		for _, i := range items {
			switch {
			case i.Need != need:
			case i.Status == finding.Green:
				p.Done = append(p.Done, i)
			default:
				group.Items = append(group.Items, i)
			}
		}
		if len(group.Items) > 0 {
			p.Groups = append(p.Groups, group)
		}
		if need != "may" {
			p.Left += len(group.Items)
		}
	}
	return p
}

// Sentence is the state of the list in one line.
func (p checklistPage) Sentence() string {
	return fmt.Sprintf("%d of %d are done; %d are left of what is needed or wise.", len(p.Done), p.All, p.Left)
}

// itemNote is what was seen or written about an item, and until when its tick counts.
func itemNote(i setup.Item) string {
	var parts []string
	for _, part := range []string{i.Note, i.Unseen} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if !i.Until.IsZero() {
		parts = append(parts, "counts until "+i.Until.UTC().Format(time.DateOnly))
	}
	return strings.Join(parts, "; ")
}

// markItem ticks an item off, or takes that back.
func (s *Site) markItem(w http.ResponseWriter, r *http.Request) {
	call, word := web.ChecklistMark, "done"
	if r.PathValue("act") == "undone" {
		call, word = web.ChecklistUnmark, "open again"
	} else if r.PathValue("act") != "done" {
		s.problem(w, r, http.StatusNotFound, "There is no such act.", "")
		return
	}
	tick := web.ChecklistTick{ID: r.FormValue("id"), Subject: r.FormValue("subject"), Note: strings.TrimSpace(r.FormValue("note"))}
	if _, err := call.Do(r.Context(), s.o.Client, tick); err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, "/checklist", "%s is %s.", strings.TrimSpace(tick.ID+" "+tick.Subject), word)
}
