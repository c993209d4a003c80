package pages_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web/pages"
	"github.com/allgreen-mail/allgreen/world"
)

// ask has a handler answer one request.
func ask(t *testing.T, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// In the lab there is no login, so the Host field must name this machine: a page
// elsewhere whose name was pointed to 127.0.0.1 reads nothing.
func TestLabAnswersLoopbackNamesOnly(t *testing.T) {
	site := pages.New(pages.Options{World: world.None(), Hostname: mail.MustParseDomain("mx.example.com"), Open: true}).Handler()
	for host, want := range map[string]int{
		"127.0.0.1:8025": 200, "localhost:8025": 200, "LOCALHOST": 200, "[::1]:8025": 200, "127.1.2.3": 200,
		"evil.example:8025": 421, "localhost.evil.example": 421, "192.0.2.1:8025": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/lab", nil)
		r.Host = host
		if w := ask(t, site, r); w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}
