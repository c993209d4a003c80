package web

import (
	_ "embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/suppression"
)

// UnsubscribePath is where the links of List-Unsubscribe lead, before their token.
const UnsubscribePath = "/unsubscribe/"

// oneClick is what the POST of a mail program says (RFC 8058 section 3.2).
const oneClick = "One-Click"

// maxUnsubscribe bounds the form, whose words are few.
const maxUnsubscribe = 16 << 10

// Unsubscribing answers the links that stand in List-Unsubscribe. A GET never acts, for
// scanners follow links; a POST acts, for whoever sends it, and needs no login: the token is
// the right to do so.
type Unsubscribing struct {
	store  *store.Store
	secret []byte
	now    func() time.Time
	log    *slog.Logger
	crowd  *policy.Crowd
}

// NewUnsubscribing makes it; secret is that of the links.
func NewUnsubscribing(st *store.Store, secret []byte, now func() time.Time, log *slog.Logger) *Unsubscribing {
	return &Unsubscribing{store: st, secret: secret, now: now, log: log, crowd: policy.NewCrowd(policy.Limits{})}
}

func (u *Unsubscribing) add(mux *http.ServeMux) {
	mux.HandleFunc("GET "+UnsubscribePath+"{token}", u.ask)
	mux.HandleFunc("POST "+UnsubscribePath+"{token}", u.act)
}

//go:embed unsubscribe.html
var unsubscribeText string

var unsubscribePage = template.Must(template.New("unsubscribe").Parse(unsubscribeText))

// unsubscribe is what the page says.
type unsubscribe struct {
	Title, Host     string
	Stream, Address string
	Done            string // what was done; "": it asks
	Back            bool   // it can be taken back
}

// ask shows the button.
func (u *Unsubscribing) ask(w http.ResponseWriter, r *http.Request) {
	stream, address, err := suppression.Read(u.secret, r.PathValue("token"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	u.show(w, r, unsubscribe{Title: "Unsubscribe?", Stream: streamName(stream), Address: address.String()})
}

// act unsubscribes, or takes that back. Once more is the same as once.
func (u *Unsubscribing) act(w http.ResponseWriter, r *http.Request) {
	stream, address, err := suppression.Read(u.secret, r.PathValue("token"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxUnsubscribe)
	page := unsubscribe{Stream: streamName(stream), Address: address.String()}
	switch {
	case r.PostFormValue("List-Unsubscribe") == oneClick: // as a form of either kind, section 3.1
		page.Title, page.Back = "Unsubscribed", true
		page.Done = fmt.Sprintf("%s gets no more mail of the kind “%s” from here.", page.Address, page.Stream)
		err = u.unsubscribe(r, stream, address)
	case r.PostFormValue("subscribe") == "again":
		page.Title = "Taken back"
		page.Done, err = u.resubscribe(r, stream, address)
	default:
		http.Error(w, "nothing was done: the body of the request must be List-Unsubscribe=One-Click", http.StatusBadRequest)
		return
	}
	if err != nil {
		u.log.Error("an unsubscription could not be kept", "stream", stream, "error", err)
		http.Error(w, "nothing was done: please try again in a minute", http.StatusServiceUnavailable)
		return
	}
	u.show(w, r, page)
}

func (u *Unsubscribing) unsubscribe(r *http.Request, stream string, address mail.Address) error {
	now := u.now()
	return u.store.Write(r.Context(), func(tx *store.Tx) error {
		added, err := suppression.Add(tx, suppression.Entry{Stream: stream, Address: address, Kind: suppression.Unsubscribed, Since: now})
		if err != nil || !added {
			return err
		}
		return u.note(tx, r, now, journal.Unsubscribed, stream, address)
	})
}

// resubscribe takes back what the person did, and says what holds now.
func (u *Unsubscribing) resubscribe(r *http.Request, stream string, address mail.Address) (says string, err error) {
	now := u.now()
	err = u.store.Write(r.Context(), func(tx *store.Tx) error {
		removed, err := suppression.Resubscribe(tx, stream, address)
		if err == nil && removed {
			err = u.note(tx, r, now, journal.Resubscribed, stream, address)
		}
		if err != nil {
			return err
		}
		says = fmt.Sprintf("%s gets mail of the kind “%s” again.", address, streamName(stream))
		stopped, err := suppression.Has(tx, stream, address)
		if stopped {
			says = fmt.Sprintf("Your unsubscription was taken back. Mail of the kind “%s” to %s stays stopped for another reason, which only the operator of this server can lift.", streamName(stream), address)
		}
		return err
	})
	return says, err
}

// note writes a change into the journal; so many of one client an hour, so that nobody
// fills it by changing to and fro.
func (u *Unsubscribing) note(tx *store.Tx, r *http.Request, now time.Time, kind journal.Kind, stream string, address mail.Address) error {
	client := clientOf(r)
	if !u.crowd.MayNote(client, now) {
		return nil
	}
	e := journal.Event{Trace: mail.NewTraceID(now), Time: now, Kind: kind, To: address.String(), Fields: map[string]string{"stream": stream}}
	if client.IsValid() {
		e.Fields["client"] = client.String()
	}
	return journal.Add(tx, e)
}

// show is a page for people and a line for programs. Nobody keeps it, and where its address
// leads is nobody else's business.
func (u *Unsubscribing) show(w http.ResponseWriter, r *http.Request, p unsubscribe) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodPost && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, p.Done) // the client may be gone
		return
	}
	p.Host = requestHost(r).Unicode()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", frontPolicy)
	_ = unsubscribePage.Execute(w, p) // the client may be gone
}

// streamName is what a stream is called to strangers: without what sort of sender it has.
func streamName(stream string) string {
	_, name, ok := strings.Cut(stream, ":")
	if !ok {
		return stream
	}
	return name
}
