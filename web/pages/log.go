package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/web"
)

// logEvents is how many events one page lists.
const logEvents = 100

// logPage is what was asked of the log, and what was found.
type logPage struct {
	What, From, To, Kind string
	Kinds                []journal.Kind
	Events               []web.LogEvent
	Older                string // the address of what is older; "": there is nothing
}

// logSearch finds events by address, domain, trace id, day and kind.
func (s *Site) logSearch(w http.ResponseWriter, r *http.Request) {
	field := func(name string) string { return strings.TrimSpace(r.FormValue(name)) }
	page := logPage{What: field("what"), From: field("from"), To: field("to"), Kind: field("kind"), Kinds: journal.Kinds()}
	q := web.LogQuery{Limit: logEvents}
	switch {
	case strings.HasPrefix(page.What, "@"):
		q.Domain = page.What[1:]
	case strings.Contains(page.What, "@"):
		q.Address = page.What
	case strings.Contains(page.What, "."):
		q.Domain = page.What
	case page.What != "":
		http.Redirect(w, r, "/log/"+url.PathEscape(page.What), http.StatusSeeOther)
		return
	}
	if page.Kind != "" {
		q.Kinds = []string{page.Kind}
	}
	q.Since, _ = time.Parse(time.DateOnly, page.From)
	if until, err := time.Parse(time.DateOnly, page.To); err == nil {
		q.Until = until.Add(24 * time.Hour)
	}
	if before, err := time.Parse(time.RFC3339Nano, field("before")); err == nil {
		q.Until = before
	}
	var err error
	if page.Events, err = web.LogSearch.Do(r.Context(), s.o.Client, q); err != nil {
		s.fail(w, r, err)
		return
	}
	if n := len(page.Events); n == logEvents {
		page.Older = page.before(page.Events[n-1].Time)
	}
	s.render(w, r, "log", "Log", page)
}

// before is the address of the same question about what is older.
func (l logPage) before(t time.Time) string {
	values := url.Values{"before": {t.Format(time.RFC3339Nano)}}
	for name, value := range map[string]string{"what": l.What, "from": l.From, "to": l.To, "kind": l.Kind} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return "/log?" + values.Encode()
}

// life is one message from its beginning.
type life struct {
	Trace  string
	Events []lifeEvent
	Waits  []web.QueueEntry // what of it is in the queue
}

// lifeEvent is one moment of it.
type lifeEvent struct {
	web.LogEvent
	Facts []fact
	After string // how long after the event before; "": at once
}

// fact is one more thing that is known.
type fact struct{ Name, Value string }

// Class is the colour of what happened.
func (e lifeEvent) Class() string { return kindClass(e.Kind) }

// kindClass is the colour of a kind of event.
func kindClass(kind string) string {
	switch journal.Kind(kind) {
	case journal.Received, journal.Submitted, journal.Delivered, journal.Sent, journal.Released:
		return "green"
	case journal.Refused, journal.Bounced, journal.Held, journal.Dropped, journal.LoginFailed, journal.Alert:
		return "red"
	case journal.TempRefused, journal.Deferred, journal.Kept, journal.Discarded:
		return "yellow"
	}
	return "unknown"
}

// logTrace tells the life of one message.
func (s *Site) logTrace(w http.ResponseWriter, r *http.Request) {
	trace := r.PathValue("trace")
	events, err := web.LogTrace.Do(r.Context(), s.o.Client, web.LogID{Trace: trace})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page := life{Trace: trace}
	for i, e := range events {
		one := lifeEvent{LogEvent: e, Facts: factsOf(e.Fields)}
		if i > 0 {
			if pause := e.Time.Sub(events[i-1].Time); pause >= time.Second {
				one.After = length(pause)
			}
		}
		page.Events = append(page.Events, one)
	}
	left, err := web.QueueList.Do(r.Context(), s.o.Client, web.QueueQuery{QueueSelection: web.QueueSelection{Trace: trace}})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page.Waits = left.Entries
	s.render(w, r, "life", "The life of a message", page)
}

// factsOf are the fields of an event by name.
func factsOf(fields map[string]string) (all []fact) {
	for name, value := range fields {
		all = append(all, fact{name, value})
	}
	slices.SortFunc(all, func(a, b fact) int { return strings.Compare(a.Name, b.Name) })
	return all
}
