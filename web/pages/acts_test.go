package pages

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/web"
)

// person acts on pages as a browser without scripts does: it sends the forms that a page
// has, follows where it is led, and keeps cookies.
type person struct {
	t       *testing.T
	sc      *scene
	cookies []*http.Cookie
	at      string // the page it sees
	text    string
}

func (p *person) request(method, path string, form url.Values) *httptest.ResponseRecorder {
	p.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range p.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	p.sc.site.Handler().ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		p.cookies = nil
		if c.MaxAge >= 0 {
			p.cookies = []*http.Cookie{c}
		}
	}
	p.at, p.text = path, w.Body.String()
	return w
}

// open looks at a page.
func (p *person) open(path string) {
	p.t.Helper()
	if w := p.request("GET", path, nil); w.Code != http.StatusOK {
		p.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

// send sends a form of the page that is open, and follows; it wants to read the words.
func (p *person) send(action string, fields url.Values, want string) {
	p.t.Helper()
	if !strings.Contains(p.text, `action="`+action+`"`) {
		p.t.Fatalf("%s has no form for %s", p.at, action)
	}
	token := csrfField.FindStringSubmatch(p.text)
	if fields == nil {
		fields = url.Values{}
	}
	without := p.request("POST", action, fields)
	if without.Code != http.StatusForbidden {
		p.t.Errorf("%s without the token of its form: %d", action, without.Code)
	}
	fields.Set("csrf", token[1])
	w := p.request("POST", action, fields)
	if w.Code == http.StatusSeeOther {
		to, _, _ := strings.Cut(w.Header().Get("Location"), "#")
		p.open(to)
	}
	if !strings.Contains(p.text, want) {
		p.t.Errorf("after %s the page does not say %q: %s", action, want, mainOf(p.text))
	}
}

func mainOf(text string) string {
	_, text, _ = strings.Cut(text, "<main")
	return text[:min(len(text), 600)]
}

// TestQueueActs decides about messages as the pages offer it.
func TestQueueActs(t *testing.T) {
	sc := newScene(t)
	p := &person{t: t, sc: sc}
	held := call(sc, web.QueueList, web.QueueQuery{QueueSelection: web.QueueSelection{Trace: string(sc.held)}}).Entries[0]
	deferred := call(sc, web.QueueList, web.QueueQuery{QueueSelection: web.QueueSelection{Trace: string(sc.deferred)}}).Entries[0]
	one := func(e web.QueueEntry) url.Values { return url.Values{"id": {fmtID(e)}} }

	p.open("/queue/" + fmtID(deferred))
	p.send("/queue/retry", one(deferred), "1 message will be tried again now.")
	p.open("/queue/" + fmtID(deferred))
	if strings.Contains(p.text, "will be tried again now") {
		t.Error("what happened is told twice")
	}
	p.send("/queue/hold", one(deferred), "1 message held until you decide.")
	p.send("/queue/release", one(deferred), "1 message released.")
	p.open("/queue?destination=gate.example")
	p.send("/queue/drop", url.Values{"destination": {"gate.example"}}, "Nothing waits that is so.")
	p.request("GET", "/queue/"+fmtID(held), nil)
	if !strings.Contains(p.text, "does not wait any more") {
		t.Errorf("a dropped message: %s", mainOf(p.text))
	}
	p.open("/queue")
	p.send("/queue/retry", url.Values{"all": {"yes"}}, "will be tried again now.")
	p.send("/queue/retry", nil, "") // nothing chosen is a mistake, not everything
	if !strings.Contains(p.text, `class="problem"`) {
		t.Errorf("an act on nothing: %s", mainOf(p.text))
	}
	p.open("/flow")
	p.send("/flow/free", url.Values{"name": {"bob@example.com"}}, "bob@example.com may send again; 0 messages released.")
}

func fmtID(e web.QueueEntry) string { return strconv.FormatInt(e.ID, 10) }

// TestAccountActs makes an account and takes it through its life.
func TestAccountActs(t *testing.T) {
	sc := newScene(t)
	p := &person{t: t, sc: sc}
	p.open("/accounts")
	p.send("/accounts", url.Values{"address": {"gina@example.com"}, "quota": {"0,5"}}, "gina@example.com has a mailbox now.")
	const at = "/accounts/gina@example.com"
	p.send(at+"/quota", url.Values{"quota": {"2"}}, "The room is changed.")
	if !strings.Contains(p.text, "of 2.0 GB") {
		t.Errorf("the room: %s", mainOf(p.text))
	}
	p.send(at+"/password", url.Values{"password": {"correct horse battery"}}, "The password is changed.")
	p.send(at+"/app-password", url.Values{"label": {"phone"}}, "which is shown this once")
	p.open(at)
	if strings.Contains(p.text, "shown this once") {
		t.Error("a secret is shown twice")
	}
	p.send(at+"/forget", url.Values{"label": {"phone"}}, "opens nothing any more")
	p.send(at+"/disable", nil, "disabled x")
	p.send(at+"/enable", nil, "The account goes on.")
	p.send(at+"/hold", nil, "What it sends is held.")
	p.send(at+"/free", nil, "It may send again")
	p.open("/accounts")
	p.send("/aliases", url.Values{"from": {"info@example.com"}, "to": {"gina@example.com, anna@example.com"}}, "Mail for info@example.com goes to gina@example.com, anna@example.com.")
	p.send("/aliases/remove", url.Values{"from": {"info@example.com"}}, "leads nowhere any more")
	p.open(at)
	p.send(at+"/remove", url.Values{"again": {"bob@example.com"}}, "nothing was removed")
	p.open(at)
	p.send(at+"/remove", url.Values{"again": {"Gina@example.com"}}, "gina@example.com is gone")
}

// TestDeviceActs adds and removes what sends without being a person.
func TestDeviceActs(t *testing.T) {
	sc := newScene(t)
	p := &person{t: t, sc: sc}
	p.open("/devices")
	p.send("/devices/device", url.Values{"name": {"scanner"}, "networks": {"192.168.1.21"}, "from": {"anna@example.com"}}, "scanner may send now.")
	p.send("/devices/token", url.Values{"name": {"shop"}, "owner": {"anna@example.com"}, "from": {"anna@example.com"}}, "which is shown this once")
	p.open("/devices")
	p.send("/devices/program", url.Values{"name": {"monitor"}}, "which is shown this once")
	if made := call(sc, web.APITokenList, web.None{}); len(made) != 1 || !made[0].ReadOnly {
		t.Errorf("a program that was not allowed to change: %+v", made)
	}
	p.open("/devices")
	for _, one := range []string{"device/scanner", "token/shop", "program/monitor"} {
		kind, name, _ := strings.Cut(one, "/")
		p.send("/devices/"+kind+"/remove", url.Values{"name": {name}}, name+" opens nothing any more.")
	}
}

// TestBackupActs makes a backup and reads it back.
func TestBackupActs(t *testing.T) {
	sc := newScene(t)
	p := &person{t: t, sc: sc}
	for _, act := range []string{"now", "verify", "prune"} {
		p.open("/backups")
		p.send("/backups/"+act, nil, "")
		query, err := url.ParseQuery(strings.TrimPrefix(p.at, "/backups?"))
		must(t, err)
		if _, err := web.Await[any](t.Context(), sc.client, web.JobName{ID: query.Get("job")}, func(web.JobState) {}); err != nil {
			t.Errorf("%s: %v", act, err)
		}
		p.open(p.at)
		if !strings.Contains(p.text, "Done: ") {
			t.Errorf("after %s: %s", act, mainOf(p.text))
		}
	}
}
