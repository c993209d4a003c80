package web

import (
	"context"
	"net/http"
	"time"
)

// WebLogin makes a link that lets whoever opens it first enrol a factor for the
// administration pages. Only the administration socket has it.
var WebLogin = Call[None, LoginLink]{"web.login"}

// LoginLink is a way in that works once.
type LoginLink struct {
	URL     string    `json:"url"`
	Who     string    `json:"who"` // who will be logged in
	Expires time.Time `json:"expires"`
}

// addLogin answers the call where there are pages to log in to.
func addLogin(mux *http.ServeMux, link func(context.Context) (LoginLink, error)) {
	if link != nil {
		answer(mux, WebLogin, func(ctx context.Context, _ None) (LoginLink, error) { return link(ctx) })
	}
}
