package pages_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
	"github.com/allgreen-mail/allgreen/world"
)

// oneItem is a checklist of one thing.
type oneItem struct{ done bool }

func (o *oneItem) Items(context.Context) ([]setup.Item, error) {
	i := setup.Item{ID: "dnswl", Subject: "203.0.113.7", Need: "wise", Title: "A <b>list</b>", Do: []string{"Go there."}, State: setup.Open, Status: finding.Yellow}
	if o.done {
		i.State, i.Status = setup.Ticked, finding.Green
	}
	return []setup.Item{i}, nil
}

func (o *oneItem) Mark(ctx context.Context, in web.ChecklistTick) ([]setup.Item, error) {
	o.done = in.ID == "dnswl" && in.Subject == "203.0.113.7"
	return o.Items(ctx)
}

func (o *oneItem) Unmark(ctx context.Context, in web.ChecklistTick) ([]setup.Item, error) {
	o.done = false
	return o.Items(ctx)
}

// TestChecklistPage ticks the item off with the page's own form, and opens it again.
func TestChecklistPage(t *testing.T) {
	st, w, list := storetest.Open(t, exhibit.Schema), world.None(), &oneItem{}
	s := pages.New(pages.Options{
		Open: true, World: w, Store: st, Hostname: mail.MustParseDomain("mx.ours.example"),
		Client: web.NewClientOf(web.Administration{Store: st, Now: w.Now, Checklist: list, Metrics: web.NewMetrics()}.Handler()),
	})
	t.Cleanup(s.Close)
	page := func() string {
		t.Helper()
		got := ask(t, s.Handler(), request("GET", "/checklist", nil))
		if got.Code != http.StatusOK || strings.Contains(got.Body.String(), "<b>list") {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		return got.Body.String()
	}
	act := func(act string, code int) {
		t.Helper()
		token := hiddenToken.FindStringSubmatch(page())
		if token == nil {
			t.Fatal("no form")
		}
		form := url.Values{"csrf": {token[1]}, "id": {"dnswl"}, "subject": {"203.0.113.7"}}
		if got := ask(t, s.Handler(), request("POST", "/checklist/"+act, form)); got.Code != code {
			t.Fatalf("%s: %d %s", act, got.Code, got.Body)
		}
	}
	act("maybe", http.StatusNotFound)
	act("done", http.StatusSeeOther)
	if text := page(); !list.done || !strings.Contains(text, "1 of 1 are done") || !strings.Contains(text, "/checklist/undone") {
		t.Errorf("done: %s", text)
	}
	act("undone", http.StatusSeeOther)
	if text := page(); list.done || !strings.Contains(text, "It is done") {
		t.Errorf("open again: %s", text)
	}
}
