package pages

import (
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/testaddress"
	"github.com/allgreen-mail/allgreen/web"
)

// sharedPage is a result that somebody shared.
type sharedPage struct {
	exhibit.Exhibit
	Report  template.HTML // of a check; "": it is a message
	Message *messageView
}

// share keeps a result that this server made, and leads to the page that others may see.
func (s *Site) share(w http.ResponseWriter, r *http.Request, kind exhibit.Kind, title string, result any) {
	if !visitorOf(r).in && !s.strangers.take(remote(r), s.o.World.Now()) {
		s.problem(w, r, http.StatusTooManyRequests, "There was much from your network.", "Wait a few minutes.")
		return
	}
	document, err := json.Marshal(result)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	e, err := web.ExhibitPut.Do(r.Context(), s.o.Client, exhibit.Exhibit{Kind: kind, Title: title, Document: document})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/shared/"+e.ID, http.StatusSeeOther)
}

// shareCheck shares the report of a check that was made just now.
func (s *Site) shareCheck(w http.ResponseWriter, r *http.Request) {
	target, ok := s.readTarget(w, r)
	if !ok {
		return
	}
	var report *finding.Report
	if one := s.audits.find(target.Text); one != nil {
		state, _ := one.look()
		report = state.Report
	}
	if report == nil {
		s.problem(w, r, http.StatusConflict, "There is no report on it to share.", "Check it again, and share it then.")
		return
	}
	s.share(w, r, exhibit.Check, report.Name(), report)
}

// shareTest shares the verdict on a message to a test address, without the secret of the
// address.
func (s *Site) shareTest(w http.ResponseWriter, r *http.Request) {
	a, err := web.TestLook.Do(r.Context(), s.o.Client, web.TestQuery{ID: r.PathValue("id")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	m := chosen(a, r.PostFormValue("message"))
	if m == nil || m.Message.Report == nil {
		s.problem(w, r, http.StatusConflict, "There is no verdict to share.", "Wait until the message is judged.")
		return
	}
	s.share(w, r, exhibit.Test, m.Message.Report.Name(), m.Message)
}

// shared shows a shared result to whoever knows its id.
func (s *Site) shared(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
	w.Header().Set("Referrer-Policy", "no-referrer")
	id, forPrograms := strings.CutSuffix(r.PathValue("id"), ".json")
	e, err := web.ExhibitGet.Do(r.Context(), s.o.Client, web.ExhibitID{ID: id})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if forPrograms || strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		writeJSON(w, e)
		return
	}
	p := sharedPage{Exhibit: e}
	if p.Report, p.Message, err = readExhibit(e); err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "shared", e.Title, p)
}

// readExhibit makes the views of a document.
func readExhibit(e exhibit.Exhibit) (report template.HTML, message *messageView, err error) {
	if e.Kind == exhibit.Test {
		var m testaddress.Message
		if err := json.Unmarshal(e.Document, &m); err != nil {
			return "", nil, err
		}
		return "", viewOf(m), nil
	}
	var r finding.Report
	if err := json.Unmarshal(e.Document, &r); err != nil {
		return "", nil, err
	}
	return sectionOf(&r), nil, nil
}
