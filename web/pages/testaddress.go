package pages

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/provider"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/testaddress"
	"github.com/allgreen-mail/allgreen/web"
)

// testPage is a test address with one of the messages that came to it.
type testPage struct {
	testaddress.Address
	Link, Events string
	Chosen       *messageView // nil: nothing came yet
}

// Again has a browser without script look again while something is awaited.
func (p testPage) Again() string {
	if p.Open || p.Judged() < len(p.Messages) {
		return p.Link
	}
	return ""
}

// messageView is a message and its verdict as the page shows them.
type messageView struct {
	testaddress.Message
	Report    template.HTML // "": it is being judged
	Lines     []string      // of the header
	Receivers []receiverView
}

// receiverView is what one big receiver is likely to say.
type receiverView struct {
	testaddress.Receiver
	Name string
}

// Silent are the receivers that mind nothing that was found.
func (m messageView) Silent() string {
	var names []string
	for _, r := range m.Receivers {
		if len(r.Minds) == 0 {
			names = append(names, r.Name)
		}
	}
	return strings.Join(names, ", ")
}

// testForm offers an address.
func (s *Site) testForm(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, "test", "Test address", nil)
}

// makeTest makes an address and leads to its page.
func (s *Site) makeTest(w http.ResponseWriter, r *http.Request) {
	wanted := web.TestWanted{}
	if !visitorOf(r).in {
		wanted.Client = remote(r).String()
	}
	a, err := web.TestMake.Do(r.Context(), s.o.Client, wanted)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/test/"+a.ID, http.StatusSeeOther)
}

// test shows an address to whoever knows its id, with the newest message or that of the
// query.
func (s *Site) test(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address of the page is a secret
	a, err := web.TestLook.Do(r.Context(), s.o.Client, web.TestQuery{ID: r.PathValue("id")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		writeJSON(w, a)
		return
	}
	p := testPage{Address: a, Link: "/test/" + a.ID, Chosen: chosen(a, r.FormValue("message"))}
	if p.Again() != "" {
		p.Events = fmt.Sprintf("%s/events?taken=%d&judged=%d", p.Link, len(a.Messages), a.Judged())
	}
	title := "Test address"
	if p.Chosen != nil && p.Chosen.Message.Report != nil {
		title = "Test message: " + p.Chosen.Message.Report.Verdict.String()
	}
	s.render(w, r, "tested", title, p)
}

// chosen is the message of a number, else the newest.
func chosen(a testaddress.Address, number string) *messageView {
	if len(a.Messages) == 0 {
		return nil
	}
	m := a.Messages[len(a.Messages)-1]
	if n, err := strconv.Atoi(number); err == nil && n >= 1 && n <= len(a.Messages) {
		m = a.Messages[n-1]
	}
	return viewOf(m)
}

func viewOf(m testaddress.Message) *messageView {
	v := &messageView{Message: m}
	if m.Report != nil {
		v.Report = sectionOf(m.Report)
	}
	for line := range strings.Lines(m.Header) {
		v.Lines = append(v.Lines, show.Clean(strings.TrimRight(line, "\r\n")))
	}
	for _, r := range m.Receivers {
		v.Receivers = append(v.Receivers, receiverView{r, providerName(r.ID)})
	}
	return v
}

// providers are read once: they are data of the program.
var providers = sync.OnceValue(provider.New)

// providerName is the name that people know a receiver by.
func providerName(id string) string {
	if p, ok := providers().Get(id); ok {
		return cmp.Or(p.Name, id)
	}
	return id
}

// How long one answer with events lasts, and one question in it: whoever still waits
// comes again.
const (
	eventsLast = 10 * time.Minute
	eventsWait = 50 * time.Second
)

// testEvents tells the script when there is more to see than it has.
func (s *Site) testEvents(w http.ResponseWriter, r *http.Request) {
	q := web.TestQuery{ID: r.PathValue("id"), Wait: int64(eventsWait / time.Second)}
	q.Taken, _ = strconv.Atoi(r.FormValue("taken"))
	q.Judged, _ = strconv.Atoi(r.FormValue("judged"))
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for began := time.Now(); time.Since(began) < eventsLast; { // elapsed
		_ = out.SetWriteDeadline(time.Now().Add(2 * eventsWait)) // deadline; not every writer has one
		if _, err := w.Write([]byte(": still here\n\n")); err != nil || out.Flush() != nil {
			return
		}
		a, err := web.TestLook.Do(r.Context(), s.o.Client, q)
		switch {
		case err != nil:
			return
		case len(a.Messages) > q.Taken || a.Judged() > q.Judged || !a.Open && a.Judged() == len(a.Messages):
			_, _ = fmt.Fprintf(w, "event: done\ndata: /test/%s\n\n", a.ID)
			return
		}
	}
}
