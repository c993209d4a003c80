package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web"
)

// maxWeight is what a page may weigh with all that it loads.
const maxWeight = 150_000

// examples are addresses for the routes that have a parameter, and those with a question
// that make another page. A page without one is not looked at, and the test says so.
func (sc *scene) examples() map[string][]string {
	made := call(sc, web.TestMake, web.TestWanted{})
	entry := func(trace mail.TraceID) string {
		found := call(sc, web.QueueList, web.QueueQuery{QueueSelection: web.QueueSelection{Trace: string(trace)}})
		return fmt.Sprintf("/queue/%d", found.Entries[0].ID)
	}
	taken := func() string {
		job := call(sc, web.BackupNow, web.None{})
		_, err := web.Await[backup.Taken](sc.t.Context(), sc.client, job, func(web.JobState) {})
		must(sc.t, err)
		return "/backups?act=now&job=" + job.ID
	}
	report, err := json.Marshal(finding.NewReport("example.com", []finding.Finding{{Check: "mx.count", Group: "mx", Status: finding.Green, Code: "few", Summary: "one MX record"}}))
	must(sc.t, err)
	shared := call(sc, web.ExhibitPut, exhibit.Exhibit{Kind: exhibit.Check, Title: "example.com", Document: report})
	return map[string][]string{
		"GET /shared/{id}":        {"/shared/" + shared.ID},
		"GET /green":              {"/green", "/green?target=example.com"},
		"GET /green/{check}":      {"/green/dmarc.record?target=example.com"},
		"GET /green/look":         {},
		"GET /check/{target}":     {"/check/example.com"},
		"GET /flow":               {"/flow", "/flow?span=year"},
		"GET /queue":              {"/queue", "/queue?destination=slow.example", "/queue?state=parked"},
		"GET /queue/{id}":         {entry(sc.deferred), entry(sc.held)},
		"GET /log":                {"/log", "/log?what=gina%40far.example&kind=received", "/log?what=nobody%40far.example"},
		"GET /log/{trace}":        {"/log/" + string(sc.deferred)},
		"GET /accounts/{address}": {"/accounts/anna@example.com", "/accounts/bob@example.com"},
		"GET /domains/{domain}":   {"/domains/example.com", "/domains/example.com?compare=yes"},
		"GET /backups":            {"/backups", taken()},
		"GET /test/{id}":          {"/test/" + made.ID},
		"GET /static/{file}":      {}, // seen with every page
		"GET /api/openapi.json":   {},
	}
}

// addresses are those of all pages that a browser shows.
func (sc *scene) addresses(t *testing.T) (all []string) {
	t.Helper()
	examples := sc.examples()
	for _, route := range sc.site.all {
		method, path, _ := strings.Cut(route.pattern, " ")
		path = strings.TrimSuffix(path, "{$}")
		known, listed := examples[route.pattern]
		switch {
		case method != http.MethodGet || strings.HasSuffix(path, "/events"):
		case listed:
			all = append(all, known...)
		case strings.Contains(path, "{"):
			t.Errorf("%s: give it an address to look at, in scene.examples", route.pattern)
		default:
			all = append(all, path)
		}
	}
	return slices.DeleteFunc(all, func(path string) bool { return !sc.isPage(t, path) })
}

// isPage asks first: what leads elsewhere or is no HTML is not for a browser.
func (sc *scene) isPage(t *testing.T, path string) bool {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: http.DefaultTransport}
	answer, err := client.Get(sc.url + path)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	must(t, err)
	switch {
	case answer.StatusCode >= 400:
		t.Errorf("%s answers %d: %.300s", path, answer.StatusCode, text)
	case len(text) > maxWeight:
		t.Errorf("%s weighs %d octets", path, len(text))
	case answer.StatusCode == http.StatusOK:
		return strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html")
	}
	return false
}

// text is what a page says.
func (sc *scene) text(t *testing.T, path string) string {
	t.Helper()
	answer, err := (&http.Client{Transport: http.DefaultTransport}).Get(sc.url + path)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return string(text)
}

// TestPages walks every page in a real browser: on a desk and on a phone, in light and
// dark, with the keyboard alone, and without scripts.
func TestPages(t *testing.T) {
	sc := newScene(t)
	b := openBrowser(t)
	b.do(t, still)
	addresses := sc.addresses(t)
	for _, screen := range []struct {
		name          string
		width, height int64
	}{{"desk", 1280, 900}, {"phone", 360, 740}} {
		b.do(t, chromedp.EmulateViewport(screen.width, screen.height))
		for _, path := range addresses {
			t.Run(screen.name+path, func(t *testing.T) {
				b.do(t, scheme("light"), chromedp.Navigate(sc.url+path))
				b.judge(t, "light")
				b.weigh(t)
				b.keep(t, fileName(path)+"-"+screen.name)
				b.tabThrough(t)
				if screen.name == "desk" { // the colours are the same on a phone
					b.do(t, scheme("dark"))
					b.judge(t, "dark")
				}
			})
		}
	}
	t.Run("keyboard", func(t *testing.T) { sc.byKeyboard(t, b) })
	t.Run("without scripts", func(t *testing.T) { sc.withoutScripts(t, b, addresses) })
}

// judge holds the page to the rules, and to saying nothing on the console.
func (b *tab) judge(t *testing.T, colours string) {
	t.Helper()
	for _, breach := range b.breaches(t) {
		t.Errorf("in %s: %s", colours, breach)
	}
	for _, said := range b.heard() {
		t.Errorf("the console says %s", said)
	}
}

// weigh adds up what the page loaded.
func (b *tab) weigh(t *testing.T) {
	t.Helper()
	weight := evaluate[float64](t, b, `performance.getEntries().reduce((sum, e) => sum + (e.decodedBodySize || 0), 0)`)
	if weight > maxWeight || weight == 0 {
		t.Errorf("the page weighs %.0f octets", weight)
	}
}

// reachable are the things on the page that Tab must reach, in this order. From now on
// the page writes down where the focus goes, and whether one sees that.
const reachable = `(() => {
	const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
		.filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && e.tabIndex >= 0)
		.filter((e) => e.type !== 'radio' || e.checked || ![...document.getElementsByName(e.name)].some((o) => o.checked));
	document.activeElement.blur();
	getSelection().removeAllRanges();
	window.visited = [];
	document.addEventListener('focusin', (event) => {
		const e = event.target, s = getComputedStyle(e), r = e.getBoundingClientRect();
		const seen = (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2) || s.boxShadow !== 'none';
		visited.push({ tab: all.indexOf(e), seen: seen && r.width > 0 && r.right > 0 });
	});
	return all.map((e) => e.outerHTML.slice(0, 120));
})()`

type focus struct {
	Tab  int  `json:"tab"` // -1: a part that scrolls
	Seen bool `json:"seen"`
}

// pressTab is one key going down, which is all that the focus waits for.
var pressTab = chromedp.Func(func(ctx context.Context, to *chromedp.Target) error {
	_, err := cdp.Call(ctx, to, input.DispatchKeyEvent, *kb.Encode('\t')[0])
	return err
})

// tabThrough presses Tab until everything had the focus, in the order of the page.
func (b *tab) tabThrough(t *testing.T) {
	t.Helper()
	want := evaluate[[]string](t, b, reachable)
	next := 0
	for tries := 0; next < len(want) && tries < 20; tries++ {
		for range len(want) - next {
			b.do(t, pressTab)
		}
		for _, at := range evaluate[[]focus](t, b, `window.visited.splice(0)`) {
			switch {
			case at.Tab < 0 || next == len(want):
			case at.Tab != next:
				t.Errorf("Tab goes to %q instead of %q", want[at.Tab], want[next])
				return
			default:
				if !at.Seen {
					t.Errorf("nobody sees that %q has the focus", want[next])
				}
				next++
			}
		}
	}
	if next < len(want) {
		t.Errorf("Tab never reaches %q", want[next])
	}
}

// byKeyboard goes from one page to another, and past the navigation.
func (sc *scene) byKeyboard(t *testing.T, b *tab) {
	b.do(t, chromedp.EmulateViewport(1280, 900), scheme("light"), chromedp.Navigate(sc.url+"/green"))
	b.do(t, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	if at := evaluate[string](t, b, `document.activeElement.id`); at != "main" {
		t.Errorf("the first Tab and Enter lead to %q, want the content", at)
	}
	for _, path := range []string{"/check", "/green"} {
		b.do(t, chromedp.Navigate(sc.url+"/lab"))
		for presses := 0; ; presses++ {
			b.do(t, chromedp.KeyEvent(kb.Tab))
			if evaluate[string](t, b, `document.activeElement.getAttribute('href') || ''`) == path {
				break
			}
			if presses > 50 {
				t.Fatalf("no Tab leads to %s", path)
			}
		}
		b.follow(t, chromedp.KeyEvent(kb.Enter))
		if at := evaluate[string](t, b, `location.pathname`); at != path {
			t.Errorf("Enter on the link to %s leads to %s", path, at)
		}
	}
	b.heard()
}

// withoutScripts looks at every page again: all that it says must be there.
func (sc *scene) withoutScripts(t *testing.T, b *tab, addresses []string) {
	b.do(t, scripts(false), chromedp.EmulateViewport(360, 740))
	defer b.do(t, scripts(true))
	for _, path := range addresses {
		if text := sc.text(t, path); strings.Contains(text, `http-equiv="refresh"`) {
			if !strings.Contains(text, "<h1>") {
				t.Errorf("%s has no content yet, and no heading", path)
			}
			continue // a browser would load it again while it is looked at
		}
		b.do(t, chromedp.Navigate(sc.url+path))
		seen := evaluate[string](t, b, fmt.Sprintf(`(document.querySelector('main h1') || {}).textContent || %q`, "no heading"))
		if seen == "no heading" {
			t.Errorf("%s has no content without scripts", path)
		}
		for _, breach := range b.breaches(t) {
			t.Errorf("%s: %s", path, breach)
		}
		for _, said := range b.heard() {
			t.Errorf("%s: the console says %s", path, said)
		}
	}
}
