package monitor

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Letters leave through somebody else's server, with a login and under TLS, or go straight
// to the recipient's; and a server that says no is an error.
func TestPost(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	login := func(port uint16, password string) *Smarthost {
		return &Smarthost{Host: mail.MustParseDomain("mx.green.example"), Port: port, User: "alice@green.example", Password: password}
	}
	for _, tt := range []struct {
		name, to string
		smart    *Smarthost
		login    string
		fails    string
	}{
		{"straight", "alice@green.example", nil, "", ""},
		{"nobody", "no-such-user@green.example", nil, "", "RCPT was answered with 550"},
		{"nowhere", "alice@no-such-domain.example", nil, "", "the name does not exist"},
		{"submission", "alice@green.example", login(587, host.Password), "alice", ""},
		{"submissions", "alice@green.example", login(465, host.Password), "alice", ""},
		{"a wrong password", "alice@green.example", login(587, "wrong"), "", "the login was answered with 535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &Post{World: l.World(), HELO: "mx.allgreen.example", From: mail.MustParseAddress("alice@green.example"), Smarthost: tt.smart}
			letter := Letter{Subject: tt.name, Text: "hello\n", Time: time.Now()}
			err := p.To(mail.MustParseAddress(tt.to), mail.MustParseDomain("mx.allgreen.example")).Tell(t.Context(), letter)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			m, err := l.WaitForMail(ctx, func(m host.Message) bool {
				return strings.Contains(string(m.Data), "Subject: [mx.allgreen.example] "+tt.name) && slices.Contains(m.To, tt.to)
			})
			if err != nil || !m.TLS || !strings.HasPrefix(m.Login, tt.login) || tt.login == "" && m.Login != "" {
				t.Errorf("arrived as %+v, %v", m, err)
			}
		})
	}
}

// A webhook that does not answer 2xx has not taken it, and its address stays secret.
func TestWebhook(t *testing.T) {
	answer := http.StatusOK
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.Header.Get("Content-Type") + " " + string(text)
		w.WriteHeader(answer)
	}))
	t.Cleanup(server.Close)
	w := &world.World{Network: world.Machine()}
	tell := func(url string) error {
		return Webhook(w, mail.MustParseDomain("mx.example.com"), url).Tell(t.Context(), Letter{Subject: "red", Text: "it is"})
	}
	if err := tell(server.URL + "/secret"); err != nil || !strings.HasPrefix(got, `POST application/json {"host":"mx.example.com",`) {
		t.Errorf("%q, %v", got, err)
	}
	for _, answer = range []int{http.StatusFound, http.StatusNotFound, http.StatusInternalServerError} {
		if err := tell(server.URL + "/secret"); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("answered %d: %v", answer, err)
		}
	}
	server.Close()
	if err := tell(server.URL + "/secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
}
