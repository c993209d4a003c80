package web

import (
	"context"
	"net/http"

	"github.com/allgreen-mail/allgreen/setup"
)

// The calls about what only a person can do.
var (
	ChecklistItems  = Call[None, []setup.Item]{"checklist.items"} // looks up what can be seen; takes seconds at most
	ChecklistMark   = Call[ChecklistTick, []setup.Item]{"checklist.mark"}
	ChecklistUnmark = Call[ChecklistTick, []setup.Item]{"checklist.unmark"}
)

// ChecklistTick names an item; an empty subject means all that the item is for.
type ChecklistTick struct {
	ID      string `json:"id"`
	Subject string `json:"subject,omitempty"` // an address or a domain
	Note    string `json:"note,omitempty"`    // of the person, for the next
}

// Checklist is what the calls work on. All of them give the whole list as it stands then.
type Checklist interface {
	Items(context.Context) ([]setup.Item, error)
	Mark(context.Context, ChecklistTick) ([]setup.Item, error)
	Unmark(context.Context, ChecklistTick) ([]setup.Item, error)
}

func addChecklist(mux *http.ServeMux, c Checklist) {
	answer(mux, ChecklistItems, func(ctx context.Context, _ None) ([]setup.Item, error) { return c.Items(ctx) })
	answer(mux, ChecklistMark, c.Mark)
	answer(mux, ChecklistUnmark, c.Unmark)
}
