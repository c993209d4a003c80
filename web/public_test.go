package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

func TestPublic(t *testing.T) {
	ours, silent := mail.MustParseDomain("ours.example"), mail.MustParseDomain("silent.example")
	p := Public{
		Hostname: mail.MustParseDomain("mx.ours.example"),
		Domains:  []mail.Domain{ours, silent},
		Policy: func(d mail.Domain) (string, bool) {
			return "version: STSv1\r\n", d == ours
		},
		Now: func() time.Time { return time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC) },
	}
	for _, tt := range []struct {
		url    string
		status int
		says   string
	}{
		{"https://mta-sts.ours.example/.well-known/mta-sts.txt", 200, "version: STSv1\r\n"},
		{"https://MTA-STS.ours.example:443/.well-known/mta-sts.txt", 200, "version: STSv1\r\n"},
		{"https://mta-sts.silent.example/.well-known/mta-sts.txt", 404, ""},
		{"https://mta-sts.theirs.example/.well-known/mta-sts.txt", 404, ""},
		{"https://ours.example/.well-known/mta-sts.txt", 404, ""},
		{"https://ours.example/", 200, "mailto:abuse@ours.example"},
		{"https://mx.ours.example/", 200, "<title>ours.example"},
		{"https://theirs.example/", 404, ""},
		{"https://127.0.0.1/", 404, ""},
		{"https://silent.example/.well-known/security.txt", 200, "Contact: mailto:security@silent.example\nExpires: 2027-02-19T00:00:00Z\n"},
		{"https://ours.example/v1/messages", 404, ""},
		{"https://ours.example/.git/config", 404, ""},
	} {
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, httptest.NewRequest("GET", tt.url, nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("GET %s: %d %s", tt.url, w.Code, w.Body)
		}
	}
}

func TestRedirect(t *testing.T) {
	for _, tt := range []struct {
		method, url string
		status      int
		to          string
	}{
		{"GET", "http://ours.example:80/a?b=c", 301, "https://ours.example/a?b=c"},
		{"POST", "http://ours.example/v1/messages", 403, ""},
		{"GET", "http://127.0.0.1/", 403, ""},
	} {
		w := httptest.NewRecorder()
		Redirect(w, httptest.NewRequest(tt.method, tt.url, nil))
		if w.Code != tt.status || w.Header().Get("Location") != tt.to {
			t.Errorf("%s %s: %d to %q", tt.method, tt.url, w.Code, w.Header().Get("Location"))
		}
	}
	r := httptest.NewRequest("GET", "http://x.example/", nil)
	r.Host = "evil.example\r\nX: y"
	w := httptest.NewRecorder()
	if Redirect(w, r); w.Code != http.StatusForbidden {
		t.Errorf("a host that is none is redirected: %d %v", w.Code, w.Header())
	}
}
