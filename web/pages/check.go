package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/check"
)

// checkForm is the form for any target, with what was wrong with the last one.
type checkForm struct{ Target, Problem string }

// checkPage is a check under way, or its report.
type checkPage struct {
	auditState
	Link   string
	Report template.HTML // "": it is under way
}

// Again has a browser look again until the report is there.
func (c checkPage) Again() string {
	if c.Report != "" {
		return ""
	}
	return c.Link
}

// Percent is for people who see no bar.
func (c checkPage) Percent() int {
	if c.Of == 0 {
		return 0
	}
	return 100 * c.Done / c.Of
}

// checkAny is the form; with a target it leads to the target's own page.
func (s *Site) checkAny(w http.ResponseWriter, r *http.Request) {
	text := strings.TrimSpace(r.FormValue("target"))
	if text == "" {
		s.render(w, r, "check", "Check", checkForm{})
		return
	}
	target, err := s.targetOf(text)
	if err != nil {
		s.renderStatus(w, r, http.StatusBadRequest, "check", "Check", checkForm{text, err.Error()})
		return
	}
	http.Redirect(w, r, checkLink(target), http.StatusSeeOther)
}

func checkLink(t check.Target) string { return "/check/" + url.PathEscape(t.Text) }

// errPrivateTarget is the error of a target inside somebody's network, which is nobody
// else's to look at.
var errPrivateTarget = errors.New("this address cannot be reached from the Internet, so nobody can check it from here")

// targetOf reads a target that a browser may name: a domain, a host, a public address.
func (s *Site) targetOf(text string) (check.Target, error) {
	t, err := check.ParseTarget(text, 0)
	switch {
	case err != nil:
		return t, err
	case t.Kind&(check.Message|check.Egress) != 0:
		return t, fmt.Errorf("%w: write a domain, the name of a host, or an address", check.ErrTarget)
	case t.Kind == check.Address && !s.o.World.IsPublic(t.IP):
		return t, errPrivateTarget
	case t.Kind == check.Address:
		t.Text = t.IP.String()
	default:
		t.Text = t.Domain.String()
	}
	return t, nil
}

// checkTarget shows the report on a target, or begins to make one.
func (s *Site) checkTarget(w http.ResponseWriter, r *http.Request) {
	target, ok := s.readTarget(w, r)
	if !ok {
		return
	}
	one := s.audits.find(target.Text)
	if one == nil && !isVisit(r) {
		s.problem(w, r, http.StatusForbidden, "A check begins only when somebody opens its page.", "")
		return
	}
	if one == nil {
		if one = s.beginCheck(w, r, target); one == nil {
			return
		}
	}
	s.showCheck(w, r, one)
}

// readTarget reads the target of a path, and answers when it is none.
func (s *Site) readTarget(w http.ResponseWriter, r *http.Request) (check.Target, bool) {
	w.Header().Set("X-Robots-Tag", "noindex, nofollow") // a crawler would check half the world
	target, err := s.targetOf(r.PathValue("target"))
	if err != nil {
		s.renderStatus(w, r, http.StatusBadRequest, "check", "Check", checkForm{r.PathValue("target"), err.Error()})
		return target, false
	}
	if target.Text != r.PathValue("target") && r.Method == http.MethodGet {
		http.Redirect(w, r, checkLink(target), http.StatusSeeOther)
		return target, false
	}
	return target, true
}

// isVisit reports that a person opens a page: no picture on somebody else's page, no
// browser that fetches ahead.
func isVisit(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return (dest == "" || dest == "document" || dest == "empty") && r.Header.Get("Sec-Purpose") == ""
}

// beginCheck begins a check for this visitor, and answers when it may not be.
func (s *Site) beginCheck(w http.ResponseWriter, r *http.Request, t check.Target) *audit {
	stranger := !visitorOf(r).in
	if stranger && !s.strangers.take(remote(r), s.o.World.Now()) {
		w.Header().Set("Retry-After", fmt.Sprint(int(strangerPause/time.Second)))
		s.problem(w, r, http.StatusTooManyRequests, "There were many checks from your network.", "Wait a few minutes.")
		return nil
	}
	one, err := s.audits.begin(t, stranger)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		s.problem(w, r, http.StatusServiceUnavailable, "Many checks are under way.", "Load this page again in a moment.")
		return nil
	}
	return one
}

// checkOnceMore begins another check of the target.
func (s *Site) checkOnceMore(w http.ResponseWriter, r *http.Request) {
	target, ok := s.readTarget(w, r)
	if !ok {
		return
	}
	if s.beginCheck(w, r, target) != nil {
		http.Redirect(w, r, checkLink(target), http.StatusSeeOther)
	}
}

func (s *Site) showCheck(w http.ResponseWriter, r *http.Request, one *audit) {
	state, _ := one.look()
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		writeReport(w, state)
		return
	}
	p, title := pageOfAudit(state), state.Target
	if state.Report != nil {
		title += ": " + state.Report.Verdict.String()
	}
	s.render(w, r, "checked", title, p)
}

func pageOfAudit(state auditState) checkPage {
	p := checkPage{auditState: state, Link: "/check/" + url.PathEscape(state.Target)}
	if state.Report != nil {
		p.Report = sectionOf(state.Report)
	}
	return p
}

// writeReport is the page for programs: the report as `check --json` has it, or how far
// it is.
func writeReport(w http.ResponseWriter, state auditState) {
	w.Header().Set("Content-Type", "application/json")
	var v any = state.Report
	if state.Report == nil {
		v = map[string]any{"target": state.Target, "done": state.Done, "of": state.Of}
		w.WriteHeader(http.StatusAccepted)
	}
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// writeJSON is a page for programs.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// eventPause is the least time between two events of one check.
const eventPause = 300 * time.Millisecond

// checkEvents sends how far a check is, for the script, until the report is there.
func (s *Site) checkEvents(w http.ResponseWriter, r *http.Request) {
	target, err := s.targetOf(r.PathValue("target"))
	var one *audit
	if err == nil {
		one = s.audits.find(target.Text)
	}
	if one == nil {
		http.NotFound(w, r)
		return
	}
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Now().Add(2 * auditPatience)) // deadline; not every writer has one
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for {
		state, changed := one.look()
		if state.Report != nil {
			_, _ = fmt.Fprintf(w, "event: done\ndata: %s\n\n", checkLink(target))
			return
		}
		if s.sendEvent(w, "progress", pageOfAudit(state)) != nil || out.Flush() != nil {
			return
		}
		pause := time.NewTimer(eventPause)
		select {
		case <-pause.C:
		case <-r.Context().Done():
			pause.Stop()
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// sendEvent sends a template of the checked page as an event of one line.
func (s *Site) sendEvent(w http.ResponseWriter, name string, data any) error {
	var b bytes.Buffer
	if err := s.pages["checked"].ExecuteTemplate(&b, name, data); err != nil {
		s.log.Error("an event could not be made", "error", err)
		return err
	}
	_, err := fmt.Fprintf(w, "event: part\ndata: %s\n\n", bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte(" ")))
	return err
}

// remote is the address of who asks.
func remote(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}
