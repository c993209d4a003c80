package pages_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
	"github.com/allgreen-mail/allgreen/world"
)

// office is a site with its administrator, in a time of its own.
type office struct {
	t        *testing.T
	o        pages.Options
	site     *pages.Site
	accounts *account.Directory
	anna     account.ID
	clock    *clock
	handler  http.Handler
}

// clock goes when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const annasPassword = "correct horse battery"

func newOffice(t *testing.T, change func(*pages.Options)) *office {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	w := world.None()
	w.Clock = c.Now
	st := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Clock: c.Now, Schemas: []store.Schema{account.Schema, standing.Schema, pages.Schema}})
	admin := mail.MustParseAddress("anna@example.com")
	dir := account.Open(st, account.Options{Domains: []mail.Domain{admin.Domain}, Admin: admin, World: w})
	t.Cleanup(dir.Close)
	id, err := dir.Create(t.Context(), account.New{Address: admin, Password: annasPassword})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Create(t.Context(), account.New{Address: mail.MustParseAddress("bob@example.com"), Password: annasPassword}); err != nil {
		t.Fatal(err)
	}
	jobs := web.NewJobs()
	t.Cleanup(jobs.Close)
	f := &office{t: t, accounts: dir, anna: id, clock: c, o: pages.Options{
		World: w, Store: st, Accounts: dir, Admin: admin, Hostname: mail.MustParseDomain("mx.example.com"),
		Client: web.NewClientOf(web.Administration{Store: st, Accounts: dir, Now: c.Now, Jobs: jobs, Metrics: web.NewMetrics()}.Handler()),
	}}
	if change != nil {
		change(&f.o)
	}
	f.site = pages.New(f.o)
	t.Cleanup(f.site.Close)
	f.handler = f.site.Handler()
	return f
}

// browser keeps cookies, and follows nothing.
type browser struct {
	*office
	jar  http.CookieJar
	tls  bool
	last *httptest.ResponseRecorder
}

func (f *office) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return &browser{office: f, jar: jar, tls: true}
}

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	b.t.Helper()
	scheme := "http"
	if b.tls {
		scheme, r.TLS = "https", &tls.ConnectionState{}
	}
	at := &url.URL{Scheme: scheme, Host: "mx.example.com", Path: "/"}
	r.Host = at.Host
	r.Header.Set("Accept", "text/html")
	for _, c := range b.jar.Cookies(at) {
		r.AddCookie(c)
	}
	b.last = httptest.NewRecorder()
	b.handler.ServeHTTP(b.last, r)
	b.jar.SetCookies(at, b.last.Result().Cookies())
	return b.last
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.send(httptest.NewRequest("GET", path, nil))
}

var csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// post sends a form with the token of a page.
func (b *browser) post(from, path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	m := csrf.FindStringSubmatch(b.get(from).Body.String())
	if m == nil {
		b.t.Fatalf("%s has no form: %d %s", from, b.last.Code, b.last.Body)
	}
	if form == nil {
		form = url.Values{}
	}
	form.Set("csrf", m[1])
	return b.send(formRequest(path, form))
}

func formRequest(path string, form url.Values) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// wants ends the test when the last answer was another.
func (b *browser) wants(status int, location string) {
	b.t.Helper()
	if b.last.Code != status || b.last.Header().Get("Location") != location {
		b.t.Fatalf("%d to %q, want %d to %q\n%s", b.last.Code, b.last.Header().Get("Location"), status, location, b.last.Body)
	}
}

// byLink opens a link of the server.
func (b *browser) byLink() string {
	b.t.Helper()
	link, err := pages.Link(context.Background(), b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	path := strings.TrimPrefix(link.URL, "https://mx.example.com")
	b.post(path, path, nil)
	b.wants(303, "/security")
	return path
}

var secretText = regexp.MustCompile(`<pre class="paste">([A-Z2-7]+)</pre>`)
var sealedText = regexp.MustCompile(`name="sealed" value="([^"]+)"`)

// enrol adds an app for codes, and gives its secret.
func (b *browser) enrol() string {
	b.t.Helper()
	page := b.get("/security/code").Body.String()
	secret, sealed := secretText.FindStringSubmatch(page), sealedText.FindStringSubmatch(page)
	if secret == nil || sealed == nil {
		b.t.Fatalf("no secret: %d %s", b.last.Code, page)
	}
	form := url.Values{"csrf": {csrf.FindStringSubmatch(page)[1]}, "sealed": {strings.ReplaceAll(sealed[1], "&#43;", "+")}, "label": {"Phone"}, "code": {codeNow(b.t, secret[1], b.clock.Now())}}
	b.send(formRequest("/security/code", form))
	b.wants(303, "/security")
	return secret[1]
}

func (b *browser) login(user, password, code string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.post("/login", "/login", url.Values{"user": {user}, "password": {password}, "code": {code}})
}

// The story of an administrator: nobody gets in by a password; a link of the server lets
// one enrol an app, and from then on password and code together are the way in.
func TestLoginStory(t *testing.T) {
	f := newOffice(t, nil)
	first := f.browser()
	first.get("/green")
	first.wants(303, "/login?to=%2Fgreen")
	first.login("anna@example.com", annasPassword, "")
	first.wants(403, "")

	path := first.byLink()
	if first.get("/green").Code == 200 {
		t.Fatal("a link opens the pages before there is a factor")
	}
	secret := first.enrol()
	if first.get("/green").Code != 200 {
		t.Fatalf("after enrolling: %d", first.last.Code)
	}
	again := f.browser()
	if again.post(path, path, nil).Code != 403 {
		t.Errorf("a link was used twice: %d", again.last.Code)
	}

	f.clock.pass(time.Minute)
	second := f.browser()
	code := codeNow(t, secret, f.clock.Now())
	second.login("anna@example.com", "wrong password here", code)
	second.wants(403, "")
	second.login("bob@example.com", annasPassword, code)
	second.wants(403, "")
	second.login("anna@example.com", annasPassword, "000000")
	second.wants(403, "")
	second.login("anna@example.com", annasPassword, code)
	second.wants(303, "/green")
	if second.get("/green").Code != 200 {
		t.Fatalf("logged in, and %d", second.last.Code)
	}
	third := f.browser()
	third.login("anna@example.com", annasPassword, code)
	third.wants(403, "") // a code counts once
}

// What ends a session.
func TestSessionsEnd(t *testing.T) {
	for name, end := range map[string]func(*office, *browser){
		"logout":     func(_ *office, b *browser) { b.post("/green", "/logout", nil) },
		"idle":       func(f *office, _ *browser) { f.clock.pass(12*time.Hour + time.Minute) },
		"seven days": func(f *office, b *browser) { passBusy(f, b, 7*24*time.Hour) },
		"new password": func(f *office, _ *browser) {
			must(f.t, f.accounts.SetPassword(context.Background(), f.anna, "another one entirely"))
		},
		"disabled": func(f *office, _ *browser) { must(f.t, f.accounts.SetDisabled(context.Background(), f.anna, true)) },
		"deleted":  func(f *office, _ *browser) { must(f.t, f.accounts.Delete(context.Background(), f.anna)) },
		"another administrator": func(f *office, _ *browser) {
			f.accounts.Configure([]mail.Domain{mail.MustParseDomain("example.com")}, mail.MustParseAddress("bob@example.com"), nil)
		},
		"ended from elsewhere": func(f *office, _ *browser) {
			other := f.browser()
			other.byLink()
			other.enrol()
			other.post("/security", "/security/session/others/end", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newOffice(t, nil)
			b := f.browser()
			b.byLink()
			b.enrol()
			if b.get("/green").Code != 200 {
				t.Fatal("not logged in")
			}
			end(f, b)
			if b.get("/green"); b.last.Code != 303 || strings.Contains(b.last.Body.String(), "Last look") {
				t.Errorf("%d after %s", b.last.Code, name)
			}
		})
	}
}

// passBusy lets time go by with a look every some hours.
func passBusy(f *office, b *browser, d time.Duration) {
	for ; d > 0; d -= 6 * time.Hour {
		f.clock.pass(6 * time.Hour)
		b.get("/green")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A session that somebody put into the browser before the login is none after it, and the
// cookie is out of reach of scripts, plain connections and other hosts.
func TestCookies(t *testing.T) {
	f := newOffice(t, nil)
	b := f.browser()
	b.byLink()
	planted := b.last.Result().Cookies()
	if len(planted) != 1 || planted[0].Name != "__Host-allgreen" || !planted[0].Secure || !planted[0].HttpOnly || planted[0].SameSite != http.SameSiteLaxMode || planted[0].Path != "/" || planted[0].Domain != "" {
		t.Fatalf("cookies %+v", planted)
	}
	secret := b.enrol()
	f.clock.pass(time.Minute)
	b.login("anna@example.com", annasPassword, codeNow(t, secret, f.clock.Now()))
	b.wants(303, "/green")
	thief := f.browser()
	thief.jar.SetCookies(&url.URL{Scheme: "https", Host: "mx.example.com", Path: "/"}, planted)
	if thief.get("/green").Code != 303 {
		t.Errorf("the session from before the login is still good: %d", thief.last.Code)
	}
	plain := f.browser()
	plain.tls = false
	plain.byLink()
	if c := plain.last.Result().Cookies(); len(c) != 1 || c[0].Name != "allgreen" || c[0].Secure {
		t.Errorf("cookies over a plain connection %+v", c)
	}
}

// Who knows the password gets to guess at few codes.
func TestCodesCannotBeGuessed(t *testing.T) {
	f := newOffice(t, nil)
	b := f.browser()
	b.byLink()
	secret := b.enrol()
	f.clock.pass(time.Minute)
	thief := f.browser()
	refused := 0
	for i := range 8 {
		if thief.login("anna@example.com", annasPassword, "00000"+string(rune('0'+i))); thief.last.Code == 429 {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d of 8 guesses were refused unread, want 3", refused)
	}
	code := codeNow(t, secret, f.clock.Now())
	if thief.login("anna@example.com", annasPassword, code); thief.last.Code != 429 {
		t.Errorf("the right code while it waits: %d", thief.last.Code)
	}
	f.clock.pass(10 * time.Minute)
	thief.login("anna@example.com", annasPassword, codeNow(t, secret, f.clock.Now()))
	thief.wants(303, "/green")
}

// A browser that was left open does not change how one logs in.
func TestFactorsChangeOnlyFresh(t *testing.T) {
	f := newOffice(t, nil)
	b := f.browser()
	b.byLink()
	b.enrol()
	f.clock.pass(20 * time.Minute)
	b.get("/security/code")
	b.wants(303, "/login?to=/security")
	b.post("/security", "/security/factor/1/remove", nil)
	b.wants(303, "/login?to=/security")
}

func TestTheLastFactorStays(t *testing.T) {
	f := newOffice(t, nil)
	b := f.browser()
	b.byLink()
	b.enrol()
	b.post("/security", "/security/factor/1/remove", nil)
	b.wants(409, "")
	b.enrol()
	b.post("/security", "/security/factor/1/remove", nil)
	b.wants(303, "/security")
}

// Links are good for ten minutes, and a new one ends the old.
func TestLinksEnd(t *testing.T) {
	f := newOffice(t, nil)
	old, err := pages.Link(t.Context(), f.o)
	must(t, err)
	path := strings.TrimPrefix(old.URL, "https://mx.example.com")
	_, err = pages.Link(t.Context(), f.o)
	must(t, err)
	b := f.browser()
	if b.post(path, path, nil).Code != 403 {
		t.Errorf("an old link: %d", b.last.Code)
	}
	late, err := pages.Link(t.Context(), f.o)
	must(t, err)
	f.clock.pass(10*time.Minute + time.Second)
	path = strings.TrimPrefix(late.URL, "https://mx.example.com")
	if b.post(path, path, nil).Code != 403 {
		t.Errorf("a late link: %d", b.last.Code)
	}
}
