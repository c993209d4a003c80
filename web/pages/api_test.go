package pages

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/web"
)

// TestAPI asks as the browser of a person, as a page of another site, and as a program.
func TestAPI(t *testing.T) {
	sc := newScene(t)
	looks := call(sc, web.APITokenAdd, web.APIToken{Name: "monitor", ReadOnly: true}).Secret
	for _, tt := range []struct {
		name, call string
		header     map[string]string
		want       int
	}{
		{"a person", "account.list", map[string]string{"Content-Type": "application/json; charset=utf-8", "Sec-Fetch-Site": "same-origin"}, 200},
		{"a person may see what is secret", "backup.key", map[string]string{"Content-Type": "application/json"}, 200},
		{"a form of our own, or of an old browser elsewhere", "queue.drop", map[string]string{"Content-Type": "text/plain"}, 400},
		{"another site", "account.list", map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403},
		{"another origin", "account.list", map[string]string{"Content-Type": "application/json", "Origin": "https://evil.example"}, 403},
		{"a program", "account.list", map[string]string{"Authorization": "Bearer " + looks}, 200},
		{"a program that may only look", "queue.drop", map[string]string{"Authorization": "Bearer " + looks}, 403},
		{"a program that guesses", "account.list", map[string]string{"Authorization": "Bearer x"}, 401},
	} {
		r := httptest.NewRequest("POST", "http://127.0.0.1/api/v1/"+tt.call, strings.NewReader("{}"))
		for name, value := range tt.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		sc.site.Handler().ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
		}
	}
	w := httptest.NewRecorder()
	strangers := New(Options{Client: sc.client, World: sc.world, Store: sc.store, Hostname: sc.site.o.Hostname})
	t.Cleanup(strangers.Close)
	strangers.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/api/v1/account.list", strings.NewReader("{}")))
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("a stranger: %d %s", w.Code, w.Body)
	}
}
