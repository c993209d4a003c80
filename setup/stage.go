package setup

import (
	"context"

	"github.com/allgreen-mail/allgreen/finding"
)

// Stage is one part of the way. It looks first and changes only what does not hold yet.
type Stage struct {
	Name  string // "machine": of the state file and the JSON
	Title string // "This machine": for people
	Run   func(ctx context.Context, s *Setup) (Outcome, error)
}

// Outcome is what a stage has found when it was done. Green holds; Yellow and Unknown hold
// well enough to go on, and say what is missing; Red stops the way here, until somebody
// did what the notes say.
type Outcome struct {
	Status  finding.Status `json:"status"`
	Line    string         `json:"line"` // one line for people
	Notes   []Note         `json:"notes,omitempty"`
	Changed bool           `json:"changed"` // something was written, made or sent
}

// Note is one thing that a stage saw, and what to do about it.
type Note struct {
	Status finding.Status `json:"status"`
	Text   string         `json:"text"`          // one sentence without its full stop
	Fix    string         `json:"fix,omitempty"` // plain lines; commands and records as they are typed
}

// green is an outcome that holds, to which notes may be added.
func green() Outcome { return Outcome{Status: finding.Green} }

// note adds what was seen, and makes the outcome as bad as its worst note.
func (o *Outcome) note(status finding.Status, text, fix string) {
	o.Notes = append(o.Notes, Note{status, text, fix})
	o.Status = finding.Worse(o.Status, status)
}
