package pages

import (
	"encoding/base64"
	"fmt"
	"net/http"
)

// saidCookie names the cookie that carries one sentence from an act to the page that is
// shown after it, so that loading that page again does not act again. The prefix keeps
// other names of the domain from planting one (RFC 6265bis section 4.1.3.2).
func saidCookie(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-allgreen-said"
	}
	return "allgreen-said"
}

// saidTerm is how long the browser may take to follow, in seconds.
const saidTerm = 60

// maxSaid bounds the sentence, which travels in a header.
const maxSaid = 600

// say leads to a page of ours that will tell what happened.
func (s *Site) say(w http.ResponseWriter, r *http.Request, to, format string, about ...any) {
	text := fmt.Sprintf(format, about...)
	http.SetCookie(w, &http.Cookie{
		Name: saidCookie(r), Value: base64.RawURLEncoding.EncodeToString([]byte(text[:min(len(text), maxSaid)])), Path: "/", MaxAge: saidTerm,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// said is what happened before this page, told once.
func (s *Site) said(w http.ResponseWriter, r *http.Request) string {
	c, err := r.Cookie(saidCookie(r))
	if err != nil {
		return ""
	}
	http.SetCookie(w, &http.Cookie{Name: saidCookie(r), Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return ""
	}
	return string(text)
}
