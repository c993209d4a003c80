package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/web"
)

// The server serves its pages under its own name, to strangers only the way in; under its
// other names it has what is for strangers, and a reload changes none of it.
func TestPagesAreServed(t *testing.T) {
	v := settle(t, "", lab.Options{})
	client := v.world.HTTPClient(30 * time.Second)
	ask := func(url string) (status int, location, text string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, answer.Header.Get("Location"), string(body)
	}
	login := allgreen(t, "", "web", "login", "--lab", "--json")
	var link web.LoginLink
	if err := json.Unmarshal([]byte(login.out), &link); err != nil || link.Who != "anna@allgreen.example" || !strings.HasPrefix(link.URL, "https://mx.allgreen.example/login/link/") {
		t.Fatalf("allgreen web login: %s (%v)", login.out, err)
	}
	for _, again := range []bool{false, true} {
		for _, tt := range []struct {
			url, location, text string
			status              int
		}{
			{"https://mx.allgreen.example/green", "/login?to=%2Fgreen", "", 303},
			{"https://mx.allgreen.example/check", "/login?to=%2Fcheck", "", 303},
			{"https://mx.allgreen.example/login", "", "With a password and a code", 200},
			{link.URL, "", "Log in once", 200},
			{"https://mx.allgreen.example/.well-known/security.txt", "", "Contact:", 200},
			{"https://mta-sts.allgreen.example/.well-known/mta-sts.txt", "", "STSv1", 200},
			{"https://mta-sts.allgreen.example/green", "", "", 404},
			{"https://mta-sts.allgreen.example/login", "", "", 404},
		} {
			status, location, text := ask(tt.url)
			if status != tt.status || location != tt.location || !strings.Contains(text, tt.text) {
				t.Errorf("%s (reloaded: %v): %d to %q\n%.500s", tt.url, again, status, location, text)
			}
		}
		if _, err := v.home.server.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Every practice that is written down stands on the all green page.
func TestPracticesCanBeRead(t *testing.T) {
	all := practices()
	if len(all) < 30 || all[0].Row == "" || all[0].Practice == "" {
		t.Errorf("%d practices, the first is %+v", len(all), all[0])
	}
}
