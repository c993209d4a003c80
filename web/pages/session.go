package pages

import (
	"crypto/sha256"
	"net/http"
	"net/url"
)

// session is somebody who logged in.
type session struct {
	hash [sha256.Size]byte // of what the cookie holds
}

// recognise finds the session of a request.
func (s *Site) recognise(*http.Request) (visitor, error) {
	return visitor{in: s.o.Open}, nil
}

// loginFor is the login that leads back to where somebody wanted to go.
func loginFor(r *http.Request) string {
	return "/login?to=" + url.QueryEscape(r.URL.RequestURI())
}
