package pages

import (
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/setup"
)

func TestChecklistOf(t *testing.T) {
	item := func(id, need string, status finding.Status) setup.Item {
		return setup.Item{ID: id, Need: need, Status: status}
	}
	p := checklistOf([]setup.Item{
		item("a", "must", finding.Green), item("b", "wise", finding.Yellow), item("c", "wise", finding.Green), item("d", "may", finding.Skip), item("e", "wise", finding.Yellow),
	})
	if len(p.Groups) != 2 || p.Groups[0].Title != "Wise" || len(p.Groups[0].Items) != 2 || p.Groups[1].Items[0].ID != "d" || len(p.Done) != 2 {
		t.Errorf("%+v", p)
	}
	if want := "2 of 5 are done; 2 are left of what is needed or wise."; p.Sentence() != want {
		t.Errorf("%q", p.Sentence())
	}
	note := itemNote(setup.Item{Note: "as anna", Until: time.Date(2027, 9, 1, 0, 0, 0, 0, time.UTC)})
	if note != "as anna; counts until 2027-09-01" || strings.HasPrefix(itemNote(setup.Item{}), ";") {
		t.Errorf("%q", note)
	}
}
