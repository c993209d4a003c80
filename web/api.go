package web

import (
	"net/http"
	"sync"
)

// apiPath is where the calls stand on the port for people: those of the administration
// socket, and no other.
const apiPath = "/api"

// API offers the calls of the administration to programs with a token and to the pages of
// people who are logged in.
//
//	POST /api/v1/NAME      a call of the catalogue
//	GET  /api/openapi.json its description, for everybody
type API struct {
	Client *Client // of the administration
	// Who tells what whoever asks may do. An error that is an *Error is told as it is;
	// Nobody has to log in.
	Who func(*http.Request) (Access, error)
}

// Handler answers under /api.
func (a API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, o := range Catalogue() {
		mux.Handle("POST "+apiPath+callPath+o.Name, a.guard(o))
	}
	text := sync.OnceValue(describeAPI)
	mux.HandleFunc("GET "+apiPath+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text()) // the client may be gone
	})
	mux.HandleFunc(apiPath+"/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, &Error{Kind: NotFound, Text: "there is no such call", Hint: "GET /api/openapi.json tells all; calls are made with POST"})
	})
	return mux
}

// guard lets a call through for those who may make it.
func (a API) guard(o Operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		may, err := a.Who(r)
		switch {
		case err != nil:
			writeError(w, err)
		case may == Nobody:
			w.Header().Set("WWW-Authenticate", `Bearer realm="allgreen"`)
			writeError(w, &Error{Kind: Stranger, Text: "who are you?", Hint: "send Authorization: Bearer with a token of: allgreen web token add NAME"})
		case may < o.Access:
			writeError(w, &Error{Kind: Forbidden, Text: o.Name + " is not for this token", Hint: "it needs more than to " + may.String()})
		default:
			a.pass(w, r, o)
		}
	})
}

// pass makes the call as it was asked for, and answers what it answers.
func (a API) pass(w http.ResponseWriter, r *http.Request, o Operation) {
	status, answer, err := a.Client.raw(r.Context(), callPath+o.Name, http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		writeError(w, &Error{Kind: Temporary, Text: err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the program may be gone
}
