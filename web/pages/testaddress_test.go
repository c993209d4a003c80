package pages_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/testaddress"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
	"github.com/allgreen-mail/allgreen/world"
)

// testSite is a site with test addresses whose messages all get the same verdict.
type testSite struct {
	*pages.Site
	t     *testing.T
	store *store.Store
	book  *testaddress.Book
	world *world.World
}

func newTestSite(t *testing.T, o pages.Options) *testSite {
	s := &testSite{t: t, store: storetest.Open(t, testaddress.Schema, exhibit.Schema), world: world.None()}
	s.book = testaddress.New(testaddress.Options{Store: s.store, Now: s.world.Now, Domain: func() mail.Domain { return mail.MustParseDomain("ours.example") },
		Judge: func(_ context.Context, a *testaddress.Arrival, _ []byte) (testaddress.Verdict, error) {
			r := finding.NewReport(a.To, []finding.Finding{{Check: "spf.message", Group: "spf", Status: finding.Red, Code: "fail", Subject: "192.0.2.1", Summary: "SPF <b>fails</b>"}})
			return testaddress.Verdict{Report: r, Receivers: []testaddress.Receiver{{ID: "google", Verdict: finding.Red, Minds: []string{"spf.message"}}, {ID: "gmx", Verdict: finding.Green}}}, nil
		}})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.book.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	o.World, o.Hostname = s.world, mail.MustParseDomain("mx.ours.example")
	o.Client = web.NewClientOf(web.Administration{Store: s.store, Now: s.world.Now, Tests: s.book, Metrics: web.NewMetrics()}.Handler())
	s.Site = pages.New(o)
	t.Cleanup(s.Close)
	return s
}

// put has a message arrive.
func (s *testSite) put(address, header string) {
	spool := s.store.NewSpool()
	defer spool.Close()
	if _, err := spool.WriteString(header + "\r\nHello.\r\n"); err != nil {
		s.t.Fatal(err)
	}
	a := &testaddress.Arrival{Trace: "trace", Time: s.world.Now(), Client: netip.MustParseAddr("192.0.2.1"), From: "<joe@sender.example>", To: address}
	a.Meet(smtp.Peer{HELO: "mail.sender.example", EHLO: true}, &mailauth.Results{Envelope: mailauth.Envelope{HELO: "mail.sender.example"}})
	err := s.store.Write(s.t.Context(), func(tx *store.Tx) error {
		body, err := tx.PutBody(spool)
		if err != nil {
			return err
		}
		return s.book.Put(tx, mail.MustParseAddress(address), a, header, body)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// request is one of a browser at the lab's page.
func request(method, path string, form url.Values) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:8025"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

var hiddenToken = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// TestTestPage makes an address, has a message come, and reads the verdict.
func TestTestPage(t *testing.T) {
	s := newTestSite(t, pages.Options{Open: true})
	form := ask(t, s.Handler(), request("GET", "/test", nil))
	token := hiddenToken.FindStringSubmatch(form.Body.String())
	if form.Code != 200 || token == nil {
		t.Fatalf("%d %s", form.Code, form.Body)
	}
	if got := ask(t, s.Handler(), request("POST", "/test", nil)); got.Code != http.StatusForbidden {
		t.Errorf("a form without its token: %d", got.Code)
	}
	made := ask(t, s.Handler(), request("POST", "/test", url.Values{"csrf": {token[1]}}))
	link := made.Header().Get("Location")
	if made.Code != http.StatusSeeOther || !strings.HasPrefix(link, "/test/") {
		t.Fatalf("%d to %q: %s", made.Code, link, made.Body)
	}
	empty := ask(t, s.Handler(), request("GET", link, nil))
	if empty.Code != 200 || !strings.Contains(empty.Body.String(), "Waiting for a message") || !strings.Contains(empty.Body.String(), "/events?taken=0&amp;judged=0") {
		t.Errorf("%d %s", empty.Code, empty.Body)
	}
	a, err := s.book.Look(t.Context(), strings.TrimPrefix(link, "/test/"))
	if err != nil {
		t.Fatal(err)
	}

	server := httptest.NewServer(s.Handler())
	defer server.Close()
	answer, err := server.Client().Get(server.URL + link + "/events?taken=0&judged=0")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	s.put(a.Address, "From: joe@sender.example\r\nSubject: <script>alert(1)</script>\x1b[2J\r\n")
	if events, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(events), "event: done\ndata: "+link) {
		t.Errorf("the events are %q, %v", events, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if a, err = s.book.Await(ctx, a.ID, testaddress.MaxMessages, 0); err != nil || a.Judged() != 1 {
		t.Fatalf("%+v, %v", a, err)
	}

	page := ask(t, s.Handler(), request("GET", link, nil))
	text := page.Body.String()
	for _, want := range []string{"SPF &lt;b&gt;fails&lt;/b&gt;", "&lt;script&gt;alert(1)", "mail.sender.example", "none: in the clear", "Google", "known to trouble", "&lt;joe@sender.example&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(text, "<script>") || strings.Contains(text, "\x1b") || len(text) > 150_000 {
		t.Errorf("the page obeys the message:\n%s", text)
	}
	if page.Header().Get("Referrer-Policy") != "no-referrer" || page.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the page gives its address away: %v", page.Header())
	}
	if got := ask(t, s.Handler(), request("GET", "/test/"+strings.Repeat("a", 26), nil)); got.Code != 404 {
		t.Errorf("a guessed page: %d", got.Code)
	}
	r := request("GET", link, nil)
	r.Header.Set("Accept", "application/json")
	var same testaddress.Address
	if got := ask(t, s.Handler(), r); json.Unmarshal(got.Body.Bytes(), &same) != nil || same.Address != a.Address || same.Messages[0].Report.Verdict != finding.Red {
		t.Errorf("as JSON: %s", got.Body)
	}
}

// TestShare shares a verdict, and shows it to somebody else without the secret of the
// address.
func TestShare(t *testing.T) {
	s := newTestSite(t, pages.Options{Open: true})
	a, err := s.book.Make(t.Context(), netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	s.put(a.Address, "From: joe@sender.example\r\nSubject: hello\r\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if a, err = s.book.Await(ctx, a.ID, testaddress.MaxMessages, 0); err != nil || a.Judged() != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	token := hiddenToken.FindStringSubmatch(ask(t, s.Handler(), request("GET", "/test/"+a.ID, nil)).Body.String())
	shared := ask(t, s.Handler(), request("POST", "/test/"+a.ID+"/share", url.Values{"csrf": {token[1]}, "message": {"1"}}))
	link := shared.Header().Get("Location")
	if shared.Code != http.StatusSeeOther || !strings.HasPrefix(link, "/shared/") {
		t.Fatalf("%d to %q: %s", shared.Code, link, shared.Body)
	}
	page := ask(t, s.Handler(), request("GET", link, nil))
	if text := page.Body.String(); page.Code != 200 || !strings.Contains(text, "Subject: hello") || !strings.Contains(text, "SPF &lt;b&gt;fails") || strings.Contains(text, a.ID) {
		t.Errorf("%d %s", page.Code, text)
	}
	var e exhibit.Exhibit
	if got := ask(t, s.Handler(), request("GET", link+".json", nil)); json.Unmarshal(got.Body.Bytes(), &e) != nil || e.Kind != exhibit.Test || strings.Contains(got.Body.String(), a.ID) {
		t.Errorf("as JSON: %s", got.Body)
	}
	if got := ask(t, s.Handler(), request("GET", "/shared/"+strings.Repeat("a", 26), nil)); got.Code != 404 {
		t.Errorf("a guessed page: %d", got.Code)
	}
	if got := ask(t, s.Handler(), request("POST", "/check/nothing.example/share", url.Values{"csrf": {token[1]}})); got.Code != http.StatusConflict {
		t.Errorf("a report that was never made: %d %s", got.Code, got.Body)
	}
}

// TestTestPageForStrangers lets them make addresses only where the configuration says so,
// and see a page whose id they were told.
func TestTestPageForStrangers(t *testing.T) {
	s := newTestSite(t, pages.Options{})
	a, err := s.book.Make(t.Context(), netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/test": http.StatusUnauthorized, "/test/" + a.ID: http.StatusOK} {
		r := httptest.NewRequest("GET", "https://mx.ours.example"+path, nil)
		if got := ask(t, s.Handler(), r); got.Code != want {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
	s = newTestSite(t, pages.Options{Public: true})
	form := ask(t, s.Handler(), httptest.NewRequest("GET", "https://mx.ours.example/test", nil))
	token := hiddenToken.FindStringSubmatch(form.Body.String())
	if token == nil {
		t.Fatalf("%d %s", form.Code, form.Body)
	}
	made := 0
	for range 20 {
		r := httptest.NewRequest("POST", "https://mx.ours.example/test", strings.NewReader(url.Values{"csrf": {token[1]}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		switch got := ask(t, s.Handler(), r); got.Code {
		case http.StatusSeeOther:
			made++
		case http.StatusServiceUnavailable:
		default:
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	}
	if made != 10 {
		t.Errorf("a stranger made %d addresses", made)
	}
}
