package pages

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// closedSite is a site whose every call fails the test: a stranger must not get so far.
func closedSite(t *testing.T, o Options) *Site {
	t.Helper()
	o.World, o.Hostname = world.None(), mail.MustParseDomain("mx.example.com")
	if o.Client == nil {
		o.Client = web.NewClientOf(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("%s was called", r.URL.Path)
		}))
	}
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

// request is one to a route of the list, with something in the place of its names.
func request(route route) *http.Request {
	method, path, ok := strings.Cut(route.pattern, " ")
	if !ok {
		method, path = http.MethodGet, route.pattern
	}
	path = strings.NewReplacer("{$}", "", "{", "", "}", "", "...", "").Replace(path)
	r := httptest.NewRequest(method, path, nil)
	r.Host, r.TLS = "mx.example.com", &tls.ConnectionState{}
	return r
}

// Whoever is not logged in sees nothing of what is the administrator's, and can do
// nothing: this walks the whole list.
func TestStrangersSeeNothing(t *testing.T) {
	for _, public := range []bool{false, true} {
		s := closedSite(t, Options{Public: public})
		walked := 0
		for _, route := range s.all {
			if s.allows(route.access, visitor{}) {
				continue
			}
			walked++
			for _, accept := range []string{"text/html", "application/json"} {
				r := request(route)
				r.Header.Set("Accept", accept)
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, r)
				location := w.Header().Get("Location")
				switch {
				case w.Code == http.StatusUnauthorized:
				case w.Code == http.StatusSeeOther && r.Method == http.MethodGet && strings.HasPrefix(location, "/login?to=%2F"):
				default:
					t.Errorf("%s as %s: %d %s", route.pattern, accept, w.Code, location)
				}
				if w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s may be kept: %q", route.pattern, w.Header().Get("Cache-Control"))
				}
			}
		}
		if walked < 10 {
			t.Fatalf("only %d routes are closed", walked)
		}
	}
}

// What changes something needs the token of its page, and a request of this site.
func TestFormsNeedTheirToken(t *testing.T) {
	s := closedSite(t, Options{Open: true})
	walked := 0
	for _, route := range s.all {
		if !strings.HasPrefix(route.pattern, "POST ") {
			continue
		}
		walked++
		for name, change := range map[string]func(*http.Request){
			"no token":        func(*http.Request) {},
			"a wrong token":   func(r *http.Request) { r.Header.Set("X-Allgreen-Token", "wrong") },
			"another site":    func(r *http.Request) { s.sign(r); r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"a sister site":   func(r *http.Request) { s.sign(r); r.Header.Set("Sec-Fetch-Site", "same-site") },
			"another origin":  func(r *http.Request) { s.sign(r); r.Header.Set("Origin", "https://evil.example") },
			"another machine": func(r *http.Request) { s.sign(r); r.Host = "evil.example" },
		} {
			r := request(route)
			r.Host = "127.0.0.1:8025"
			change(r)
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != http.StatusForbidden && w.Code != http.StatusMisdirectedRequest {
				t.Errorf("%s with %s: %d", route.pattern, name, w.Code)
			}
		}
	}
	if walked < 3 {
		t.Fatalf("only %d routes change something", walked)
	}
}

// sign gives a request the token of who is not logged in.
func (s *Site) sign(r *http.Request) {
	r.Header.Set("X-Allgreen-Token", s.token(visitor{}))
}

// Tokens of two sessions, and of two servers, differ.
func TestTokensAreOfTheirSession(t *testing.T) {
	s, other := closedSite(t, Options{}), closedSite(t, Options{})
	one, two := visitor{session: session{hash: [32]byte{1}}}, visitor{session: session{hash: [32]byte{2}}}
	first, again := s.token(one), s.token(one)
	if first == s.token(two) || first == s.token(visitor{}) || first == other.token(one) || first != again {
		t.Error("tokens fit elsewhere, or not at home")
	}
}

// Every answer carries the headers that keep a page to itself, also where it fails, and a
// plain connection promises no TLS.
func TestHeaders(t *testing.T) {
	s := closedSite(t, Options{})
	for _, path := range []string{"/login", "/green", "/nothing", "/static/allgreen.css", "/check/example.com"} {
		for _, secure := range []bool{true, false} {
			r := httptest.NewRequest("GET", path, nil)
			if r.Host = "mx.example.com"; secure {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			h := w.Header()
			if got := h.Get("Content-Security-Policy"); got != policy || strings.Contains(got, "unsafe") {
				t.Errorf("%s: policy %q", path, got)
			}
			for name, want := range map[string]string{
				"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
				"Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": map[bool]string{true: hstsTerm}[secure],
			} {
				if h.Get(name) != want {
					t.Errorf("%s: %s is %q", path, name, h.Get(name))
				}
			}
		}
	}
}

// The site answers under its own name.
func TestAnswers(t *testing.T) {
	s := closedSite(t, Options{Name: mail.MustParseDomain("www.example.com")})
	for host, want := range map[string]bool{
		"www.example.com": true, "WWW.example.com:443": true, "www.example.com.": true, "mx.example.com": false, "mta-sts.example.com": false,
		"": false, "evil.example": false, "192.0.2.1": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if s.Answers(r) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}
