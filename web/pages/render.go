package pages

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// page is a template inside the layout.
type page struct{ *template.Template }

// view is what a template is given.
type view struct {
	Title  string
	Host   string
	Path   string
	Places []place
	In     bool   // logged in, or in the lab
	Lab    bool   // there is nothing to log out of
	Login  bool   // there is a way in, and this is not its page
	CSRF   string // for the hidden field of forms
	Again  string // where a page without script looks again by itself; "": nowhere
	Now    time.Time
	Said   string // what happened before this page
	Data   any
}

// Refreshing is implemented by data of pages that change by themselves: where a browser
// without script looks again every two seconds; "": no more.
type Refreshing interface{ Again() string }

// readPages parses every template into a copy of the layout.
func readPages() map[string]page {
	layout := template.Must(template.New("layout.html").Funcs(functions()).ParseFS(templateFiles, "templates/layout.html"))
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // a wrong pattern: our own bug
	}
	pages := map[string]page{}
	for _, name := range names {
		if stem := strings.TrimSuffix(path.Base(name), ".html"); stem != "layout" {
			pages[stem] = page{template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, name))}
		}
	}
	return pages
}

// functions are what templates may call.
func functions() template.FuncMap {
	return template.FuncMap{
		"clean": show.Clean,                                                                      // text of strangers
		"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },                // for machines
		"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }, // for people
		"ago":   ago,
		"size":  size,
		"count": countAny,
		"acts":  actsOn,
		"lines": cleanLines,

		"kindClass": kindClass,
		"itemNote":  itemNote,
	}
}

// ago is how long before now a time was, in words.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < 0:
		return "in " + length(-d)
	case d < 5*time.Second:
		return "just now"
	}
	return length(d) + " ago"
}

// length is a duration in its largest unit.
func length(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return count(int64(d/time.Second), "second")
	case d < 2*time.Hour:
		return count(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return count(int64(d/time.Hour), "hour")
	}
	return count(int64(d/(24*time.Hour)), "day")
}

// count is a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// cleanLines is text of strangers in lines.
func cleanLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(show.Clean(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String()
}

// countAny is count for the integers that templates have.
func countAny(n any, noun string) string { return count(reflect.ValueOf(n).Int(), noun) }

// size is a number of octets for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}

// render writes a page. It is made whole first: an error in a template is a clear
// answer, not half a page.
func (s *Site) render(w http.ResponseWriter, r *http.Request, name, title string, data any) {
	s.renderStatus(w, r, http.StatusOK, name, title, data)
}

func (s *Site) renderStatus(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	v := visitorOf(r)
	seen := view{
		Title: title, Host: s.o.Name.String(), Path: r.URL.Path, Places: s.places(v), In: v.in, Lab: s.o.Open, Login: s.has("GET /login") && !strings.HasPrefix(r.URL.Path, "/login"),
		CSRF: s.token(v), Now: s.o.World.Now(), Said: s.said(w, r), Data: data,
	}
	if again, ok := data.(Refreshing); ok {
		seen.Again = again.Again()
	}
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, "layout.html", seen); err != nil {
		s.log.Error("a page could not be made", "page", name, "error", err)
		http.Error(w, "this page could not be made; the log of the server says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// trouble is a page that could not be had.
type trouble struct{ Text, Hint string }

// problem says what is wrong, and what to do.
func (s *Site) problem(w http.ResponseWriter, r *http.Request, status int, text, hint string) {
	s.renderStatus(w, r, status, "problem", http.StatusText(status), trouble{text, hint})
}

// fail says what a call could not do.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *web.Error
	switch {
	case r.Context().Err() != nil: // nobody listens any more
	case errors.As(err, &e):
		s.problem(w, r, statusOf(e.Kind), e.Text, e.Hint)
	default:
		s.log.Error("a page failed", "path", r.URL.Path, "error", err)
		s.problem(w, r, http.StatusInternalServerError, "The server could not do that.", "Its log says why.")
	}
}

// statusOf is the HTTP status of an error of the API.
func statusOf(k web.Kind) int {
	switch k {
	case web.Invalid:
		return http.StatusBadRequest
	case web.NotFound:
		return http.StatusNotFound
	case web.Conflict:
		return http.StatusConflict
	case web.Temporary:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// elsewhere answers what is no page.
func (s *Site) elsewhere(w http.ResponseWriter, r *http.Request) {
	s.o.Beside.ServeHTTP(w, r)
}

// Style is the style sheet of the pages, for what lies beside them.
func Style() []byte {
	text, err := staticFiles.ReadFile("static/allgreen.css")
	if err != nil {
		panic("the style sheet is not embedded: " + err.Error())
	}
	return text
}

// static gives the style and the script.
func (s *Site) static(w http.ResponseWriter, r *http.Request) {
	text, err := staticFiles.ReadFile("static/" + path.Base(r.PathValue("file")))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeContent(w, r, r.PathValue("file"), time.Time{}, bytes.NewReader(text))
}
