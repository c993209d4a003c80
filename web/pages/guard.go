package pages

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets a page load its own style, script and pictures, speak to its own server,
// and nothing else. Frames may not hold it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// hstsTerm is a year (RFC 6797 section 6.1.1).
const hstsTerm = "max-age=31536000"

// maxForm bounds what a form may hold.
const maxForm = 1 << 20

// harden wraps everything: headers, Host, requests from other sites.
func (s *Site) harden(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, http.StatusForbidden, "This request came from another site.", "Open the page here and try again.")
	}))
	inner := sameOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.o.Open && !isLoopbackName(r.Host) {
			http.Error(w, "the lab answers under 127.0.0.1 and localhost only", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", hstsTerm)
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		inner.ServeHTTP(w, r)
	})
}

// isLoopbackName reports whether a Host field names this machine by a name that no DNS
// can point elsewhere.
func isLoopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// visitor is who looks. The zero value is a stranger.
type visitor struct {
	session session
	in      bool // logged in, or in the lab
}

// visitorKey finds the visitor in the context of a request.
type visitorKey struct{}

// visitorOf is who looks.
func visitorOf(r *http.Request) visitor {
	v, _ := r.Context().Value(visitorKey{}).(visitor)
	return v
}

// allows reports whether this visitor may see a page.
func (s *Site) allows(a access, v visitor) bool {
	switch a {
	case public:
		return true
	case open:
		return v.in || s.o.Public
	case enrolling:
		return v.in || v.session != session{}
	}
	return v.in
}

// guard lets in whom the access allows. Others are sent to the login when they look,
// and refused when they act. A form must carry the token of its session.
func (s *Site) guard(a access, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := s.recognise(r)
		if err != nil {
			s.log.Error("the session could not be read", "error", err)
			s.problem(w, r, http.StatusServiceUnavailable, "The server cannot look up who you are.", "Try again in a moment.")
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), visitorKey{}, v))
		if a != public || v.session != (session{}) || v.in {
			w.Header().Set("Cache-Control", "no-store")
		}
		switch {
		case !s.allows(a, v):
			s.turnAway(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead && !s.tokenFits(r, v):
			s.problem(w, r, http.StatusForbidden, "The form is too old.", "Go back, load the page again, and send it once more.")
		default:
			next(w, r)
		}
	})
}

// turnAway sends who only looks to the login, and from there back.
func (s *Site) turnAway(w http.ResponseWriter, r *http.Request) {
	looks := r.Method == http.MethodGet || r.Method == http.MethodHead
	if looks && s.has("GET /login") && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, loginFor(r), http.StatusSeeOther)
		return
	}
	s.problem(w, r, http.StatusUnauthorized, "This page is for the administrator.", "Log in first.")
}

// token is what a form of this visitor carries: nobody else can know it.
func (s *Site) token(v visitor) string {
	mac := hmac.New(sha256.New, s.secret("web forms"))
	mac.Write(v.session.hash[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// tokenFits compares it, in a time that tells nothing.
func (s *Site) tokenFits(r *http.Request, v visitor) bool {
	given := r.Header.Get("X-Allgreen-Token")
	if given == "" {
		given = r.PostFormValue(tokenField)
	}
	return hmac.Equal([]byte(given), []byte(s.token(v)))
}

// tokenField is the hidden field of every form.
const tokenField = "csrf"

// secret is a key of this site for a purpose.
func (s *Site) secret(purpose string) []byte {
	if s.o.Secret != nil {
		return s.o.Secret(purpose)
	}
	mac := hmac.New(sha256.New, s.random)
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}
