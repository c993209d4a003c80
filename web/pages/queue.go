package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/web"
)

// queueEntries is how many messages one page lists.
const queueEntries = 50

// queueStates are the words of the states, to choose from.
var queueStates = []string{"waiting", "in delivery", "parked", "held"}

// queuePage lists what waits.
type queuePage struct {
	web.QueuePage
	Asked  web.QueueSelection
	States []string
	Next   string // the address of the next page; "": this is the last
}

// State is the one that was asked for; "": any.
func (q queuePage) State() string { return strings.Join(q.Asked.States, "") }

// Chosen reports whether the list is not of everything.
func (q queuePage) Chosen() bool {
	return q.Asked.Destination != "" || q.Asked.Origin != "" || len(q.Asked.States) > 0
}

// Named reports whether the choice is one that acts can be told.
func (q queuePage) Named() bool { return q.Asked.Destination != "" || q.Asked.Origin != "" }

// queueAsked is the selection of a question or a form.
func queueAsked(r *http.Request) web.QueueSelection {
	field := func(name string) string { return strings.TrimSpace(r.FormValue(name)) }
	q := web.QueueSelection{Destination: field("destination"), Origin: field("origin"), Trace: field("trace"), All: field("all") != ""}
	q.ID, _ = strconv.ParseInt(field("id"), 10, 64)
	if state := field("state"); state != "" {
		q.States = []string{state}
	}
	return q
}

// queueAddress is the address of the list of a selection.
func queueAddress(q web.QueueSelection, after int64) string {
	values := url.Values{}
	for name, value := range map[string]string{"destination": q.Destination, "origin": q.Origin, "trace": q.Trace, "state": strings.Join(q.States, "")} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if after > 0 {
		values.Set("after", fmt.Sprint(after))
	}
	if len(values) == 0 {
		return "/queue"
	}
	return "/queue?" + values.Encode()
}

// queueList shows what waits, the oldest first.
func (s *Site) queueList(w http.ResponseWriter, r *http.Request) {
	page := queuePage{Asked: queueAsked(r), States: queueStates}
	page.Asked.ID, page.Asked.All = 0, false
	after, _ := strconv.ParseInt(r.FormValue("after"), 10, 64)
	var err error
	page.QueuePage, err = web.QueueList.Do(r.Context(), s.o.Client, web.QueueQuery{QueueSelection: page.Asked, After: after, Limit: queueEntries})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if n := len(page.Entries); n == queueEntries {
		page.Next = queueAddress(page.Asked, page.Entries[n-1].ID)
	}
	s.render(w, r, "queue", "Queue", page)
}

// queueEntry shows one message that waits, and why.
func (s *Site) queueEntry(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		s.problem(w, r, http.StatusNotFound, "Messages of the queue have numbers.", "")
		return
	}
	found, err := web.QueueWhy.Do(r.Context(), s.o.Client, web.QueueQuery{QueueSelection: web.QueueSelection{ID: id}})
	switch {
	case err != nil:
		s.fail(w, r, err)
	case len(found) == 0:
		s.problem(w, r, http.StatusNotFound, "This message does not wait any more.", "The log tells what became of it.")
	default:
		s.render(w, r, "waiting", "Why it waits", found[0])
	}
}

// queueActs are what a person does to messages, with the words that tell of it.
var queueActs = map[string]struct {
	call web.Call[web.QueueChange, web.QueueChanged]
	done string
}{
	"retry":   {web.QueueRetry, "will be tried again now"},
	"hold":    {web.QueueHold, "held until you decide"},
	"release": {web.QueueRelease, "released"},
	"drop":    {web.QueueDrop, "dropped for good"},
}

// queueAct does something to one message, or to all that were chosen.
func (s *Site) queueAct(w http.ResponseWriter, r *http.Request) {
	act, ok := queueActs[r.PathValue("act")]
	if !ok {
		s.problem(w, r, http.StatusNotFound, "There is no such act.", "")
		return
	}
	asked := queueAsked(r)
	done, err := act.call.Do(r.Context(), s.o.Client, web.QueueChange{QueueSelection: asked, Why: strings.TrimSpace(r.FormValue("why"))})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	text := fmt.Sprintf("%s %s.", count(int64(done.Changed), "message"), act.done)
	if done.Busy > 0 {
		text += fmt.Sprintf(" %s in delivery at this moment: unchanged.", count(int64(done.Busy), "message"))
	}
	s.say(w, r, s.afterAct(r.Context(), asked), "%s", text)
}

// afterAct is where to go: to the message if it is still there, else to the list.
func (s *Site) afterAct(ctx context.Context, asked web.QueueSelection) string {
	if asked.ID == 0 {
		return queueAddress(asked, 0)
	}
	left, err := web.QueueList.Do(ctx, s.o.Client, web.QueueQuery{QueueSelection: web.QueueSelection{ID: asked.ID}, Limit: 1})
	if err != nil || len(left.Entries) == 0 {
		return "/queue"
	}
	return fmt.Sprintf("/queue/%d", asked.ID)
}

// freeSender lets a sender on hold go on, with what it has in the queue.
func (s *Site) freeSender(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	done, err := web.PrincipalFree.Do(r.Context(), s.o.Client, web.Freeing{Name: name})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, "/flow", "%s may send again; %s released.", name, count(int64(done.Changed), "message"))
}

// chosenMessages are what the buttons of a page act on: one message, or a selection.
type chosenMessages struct {
	CSRF                       string
	ID                         int64
	Destination, Origin, State string
}

// actsOn has the buttons act on an entry or a selection.
func actsOn(csrf string, on any) chosenMessages {
	switch on := on.(type) {
	case web.QueueEntry:
		return chosenMessages{CSRF: csrf, ID: on.ID, State: on.State}
	case web.QueueSelection:
		return chosenMessages{CSRF: csrf, Destination: on.Destination, Origin: on.Origin, State: strings.Join(on.States, "")}
	}
	return chosenMessages{} // selects nothing
}
