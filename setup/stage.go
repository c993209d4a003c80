package setup

import (
	"context"

	"github.com/allgreen-mail/allgreen/finding"
)

// Stage is one part of the way. It looks first and changes only what does not hold yet.
type Stage struct {
	Name  string // "machine": of the state file and the JSON
	Title string // "This machine": for people
	Run   func(s *Setup, ctx context.Context) (Outcome, error)
}

// Outcome is what a stage has found when it was done: its colour is that of its worst
// note. Whatever the colour, the way goes on unless the stage stops it.
type Outcome struct {
	Status  finding.Status `json:"status"`
	Line    string         `json:"line"` // one line for people
	Notes   []Note         `json:"notes,omitempty"`
	Changed bool           `json:"changed"`        // something was written, made or sent
	Stop    bool           `json:"stop,omitempty"` // nothing behind it makes sense before somebody did what the notes say

	told bool // a person has seen the notes already
}

// Note is one thing that a stage saw, and what to do about it.
type Note struct {
	Status finding.Status `json:"status"`
	Text   string         `json:"text"`           // one sentence without its full stop
	Fix    string         `json:"fix,omitempty"`  // what to do, a sentence or two
	Copy   []string       `json:"copy,omitempty"` // commands and records, as they are typed
}

// green is an outcome that holds, to which notes may be added.
func green() Outcome { return Outcome{Status: finding.Green} }

// note adds what was seen, and makes the outcome as bad as its worst note.
func (o *Outcome) note(status finding.Status, text, fix string, copy ...string) {
	o.Notes = append(o.Notes, Note{status, text, fix, copy})
	o.Status = finding.Worse(o.Status, status)
}

// info notes what is no judgement.
func (o *Outcome) info(text, fix string, copy ...string) {
	o.Notes = append(o.Notes, Note{finding.Skip, text, fix, copy})
}

// stop notes what must be done before anything else.
func (o *Outcome) stop(text, fix string, copy ...string) {
	o.note(finding.Red, text, fix, copy...)
	o.Stop, o.Line = true, text
}
