package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/suppression"
)

// door is the public endpoint over tables.
type door struct {
	t       *testing.T
	store   *store.Store
	handler http.Handler
	path    string // of anna's link
}

func openDoor(t *testing.T) *door {
	st := storetest.Open(t, journal.Schema, suppression.Schema)
	now := func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	secret := []byte("a secret of thirty-two octets...")
	p := Public{Hostname: mail.MustParseDomain("mx.ours.example"), Domains: []mail.Domain{mail.MustParseDomain("ours.example")}, Now: now,
		Unsubscribe: NewUnsubscribing(st, secret, now, slog.New(slog.NewTextHandler(t.Output(), nil)))}
	return &door{t: t, store: st, handler: p.Handler(), path: UnsubscribePath + suppression.Link(secret, "token:news", anna)}
}

var anna = mail.MustParseAddress("anna@example.net")

// ask sends a request and wants a status, words, and no cookie and no redirect.
func (d *door) ask(method, url, body, kind, accept string, status int, says string) {
	d.t.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", accept)
	r.RemoteAddr = "203.0.113.5:1234"
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	if w.Code != status || !strings.Contains(w.Body.String(), says) {
		d.t.Errorf("%s %.60s: %d %s", method, url, w.Code, w.Body)
	}
	if w.Header().Get("Set-Cookie") != "" || w.Header().Get("Location") != "" {
		d.t.Errorf("%s %.60s: %v", method, url, w.Header())
	}
	if status == http.StatusOK && (w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer") {
		d.t.Errorf("%s %.60s: %v", method, url, w.Header())
	}
}

func (d *door) stopped(want bool) {
	d.t.Helper()
	if err := d.store.Read(d.t.Context(), func(tx *store.Tx) error {
		got, err := suppression.Has(tx, "token:news", anna)
		if err == nil && got != want {
			d.t.Errorf("stopped: %v", got)
		}
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
}

const (
	urlencoded = "application/x-www-form-urlencoded"
	multiform  = "multipart/form-data; boundary=b"
	multibody  = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"
)

// TestUnsubscribe is RFC 8058 and what a person sees.
func TestUnsubscribe(t *testing.T) {
	d := openDoor(t)
	url := "https://mx.ours.example" + d.path
	d.ask("GET", url, "", "", "text/html", 200, `value="One-Click"`)
	d.ask("GET", url+"?List-Unsubscribe=One-Click", "", "", "", 200, "anna@example.net")
	d.ask("HEAD", url, "", "", "", 200, "")
	d.ask("POST", url+"?List-Unsubscribe=One-Click", "", urlencoded, "", 400, "nothing was done")
	d.ask("POST", url, "List-Unsubscribe=no", urlencoded, "", 400, "nothing was done")
	d.ask("POST", url, "x="+strings.Repeat("x", 1<<20)+"&List-Unsubscribe=One-Click", urlencoded, "", 400, "")
	d.stopped(false)

	d.ask("POST", url, "List-Unsubscribe=One-Click", urlencoded, "*/*", 200, "gets no more mail")
	d.stopped(true)
	d.ask("POST", url, "List-Unsubscribe=One-Click", urlencoded, "", 200, "gets no more mail")
	d.ask("POST", url, "List-Unsubscribe=One-Click", urlencoded, "text/html", 200, `value="again"`)
	d.ask("POST", "https://ours.example"+d.path, "subscribe=again", urlencoded, "text/html", 200, "again.")
	d.stopped(false)
	d.ask("POST", url, "subscribe=again", urlencoded, "", 200, "again.")
	d.ask("POST", url, multibody, multiform, "", 200, "gets no more mail")
	d.stopped(true)
	d.journal(journal.Unsubscribed, 2)
	d.journal(journal.Resubscribed, 1)
}

func (d *door) journal(kind journal.Kind, want int) {
	d.t.Helper()
	if err := d.store.Read(d.t.Context(), func(tx *store.Tx) error {
		found, err := journal.Search(tx, journal.Query{Kinds: []journal.Kind{kind}, Address: "anna@example.net"})
		if err == nil && (len(found) != want || found[0].Fields["client"] != "203.0.113.5" || found[0].Fields["stream"] != "token:news") {
			d.t.Errorf("the journal has %+v", found)
		}
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
}

// TestUnsubscribeOther keeps other reasons, and refuses what is no token of ours.
func TestUnsubscribeOther(t *testing.T) {
	d := openDoor(t)
	if err := d.store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := suppression.Add(tx, suppression.Entry{Stream: "token:news", Address: anna, Kind: suppression.Complained})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.ask("POST", d.path, "subscribe=again", urlencoded, "", 200, "stays stopped")
	d.stopped(true)
	for _, path := range []string{UnsubscribePath, UnsubscribePath + "AAAA", d.path + "A", d.path + "/x"} {
		d.ask("GET", path, "", "", "", 404, "")
		d.ask("POST", path, "List-Unsubscribe=One-Click", urlencoded, "", 404, "")
	}
}
