package pages

import (
	"encoding/base64"
	"fmt"
	"net/http"
)

// saidCookie carries one sentence from an act to the page that is shown after it, so
// that loading that page again does not act again.
const saidCookie = "allgreen-said"

// saidTerm is how long the browser may take to follow, in seconds.
const saidTerm = 60

// maxSaid bounds the sentence, which travels in a header.
const maxSaid = 600

// say leads to a page of ours that will tell what happened.
func (s *Site) say(w http.ResponseWriter, r *http.Request, to, format string, about ...any) {
	text := fmt.Sprintf(format, about...)
	http.SetCookie(w, &http.Cookie{
		Name: saidCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(text[:min(len(text), maxSaid)])), Path: "/", MaxAge: saidTerm,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// said is what happened before this page, told once.
func (s *Site) said(w http.ResponseWriter, r *http.Request) string {
	c, err := r.Cookie(saidCookie)
	if err != nil {
		return ""
	}
	http.SetCookie(w, &http.Cookie{Name: saidCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return ""
	}
	return string(text)
}
