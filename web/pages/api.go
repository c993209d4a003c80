package pages

import (
	"mime"
	"net/http"

	"github.com/allgreen-mail/allgreen/web"
)

// api offers what the pages do to programs: those with a token, and scripts in the browser
// of somebody who is logged in.
func (s *Site) api() http.Handler {
	return web.API{Client: s.o.Client, Who: s.who}.Handler()
}

// who tells what a request to the API may do. A browser sends its session along whoever
// made it ask; JSON it sends to another site only when that site allows it, which ours
// never does. So that together with the refusal of requests from other sites no token of
// a form is needed.
func (s *Site) who(r *http.Request) (web.Access, error) {
	if r.Header.Get("Authorization") != "" {
		return web.TokenAccess(s.o.Store, r)
	}
	v, err := s.recognise(r)
	if err != nil || !v.in {
		return web.Nobody, err
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return web.Nobody, &web.Error{Kind: web.Invalid, Text: "this is no JSON", Hint: "send Content-Type: application/json"}
	}
	return web.Person, nil
}
