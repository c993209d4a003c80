package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// soundPage breaks no rule.
const soundPage = `<!DOCTYPE html><html lang="en"><head><title>sound</title><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"></head><body>
<a class="skip-link" href="#main">To the content</a><header><nav aria-label="Pages"><a href="/x">x</a></nav></header>
<main id="main"><h1>Sound</h1>HERE</main><footer>end</footer></body></html>`

// badPages breaks each rule once, so that none can silently stop working.
var badPages = []struct{ rule, page string }{
	{"", soundPage},
	{"", within(`<h2>a</h2><h3>b</h3><h2>c</h2>`)},
	{"", within(`<form method="post"><input type="hidden" name="csrf"><label for="a">A</label><input id="a"><button>Go</button></form>`)},
	{"", within(`<div class="scroll" tabindex="0" role="region" aria-label="wide">` + strings.Repeat("wide ", 3) + `</div>`)},
	{"language", strings.Replace(soundPage, ` lang="en"`, "", 1)},
	{"title", strings.Replace(soundPage, "<title>sound</title>", "", 1)},
	{"doctype", strings.Replace(soundPage, "<!DOCTYPE html>", "", 1)},
	{"zoom", strings.Replace(soundPage, `width=device-width`, "width=device-width, maximum-scale=1", 1)},
	{"landmark", strings.Replace(soundPage, `</main>`, `</main><main></main>`, 1)},
	{"landmark", within(`<nav><a href="/y">y</a></nav>`)},
	{"landmark", strings.Replace(soundPage, "<footer>", "<p>stray</p><footer>", 1)},
	{"skip-link", strings.Replace(soundPage, `href="#main"`, `href="/main"`, 1)},
	{"heading", within(`<h1>again</h1>`)},
	{"heading", within(`<h3>too deep</h3>`)},
	{"heading", within(`<h2><span aria-hidden="true"></span>&nbsp;</h2>`)},
	{"label", within(`<p>Name <input></p>`)},
	{"autocomplete", within(`<label>p <input type="password"></label>`)},
	{"name", within(`<button></button>`)},
	{"name", within(`<a href="/z"><img src="data:," alt=""></a>`)},
	{"name", within(`<a>nowhere</a>`)},
	{"alt", within(`<img src="data:,">`)},
	{"alt", within(`<svg width="9" height="9"><rect width="9" height="9"/></svg>`)},
	{"legend", within(`<fieldset><p>x</p></fieldset>`)},
	{"foreign", within(`<iframe title="x" srcdoc="x"></iframe>`)},
	{"duplicate-id", within(`<p id="a">a</p><p id="a">b</p>`)},
	{"reference", within(`<p aria-describedby="nobody">a</p>`)},
	{"reference", within(`<a href="#nobody">a</a>`)},
	{"table", within(`<table><tr><td>a</td></tr></table>`)},
	{"table", within(`<table><tr><th>a</th></tr></table>`)},
	{"list", within(`<ul><p>a</p></ul>`)},
	{"list", within(`<dl><p>a</p></dl>`)},
	{"time", within(`<time>now</time>`)},
	{"inline", within(`<p style="color: black">a</p>`)},
	{"inline", within(`<p onclick="x()">a</p>`)},
	{"tab-order", within(`<p tabindex="3">a</p>`)},
	{"csrf", within(`<form method="post"><button>Go</button></form>`)},
	{"wide", within(`<pre>` + strings.Repeat("wide", 200) + `</pre>`)},
	{"target", within(`<label for="t"></label><input id="t" aria-label="t" size="1" type="checkbox">`)},
	{"contrast", within(`<font color="#888888">grey</font>`)},
	{"contrast", within(`<svg role="img" aria-label="x" width="50" height="20"><text y="12" fill="#aaa">grey</text></svg>`)},
}

func within(body string) string { return strings.Replace(soundPage, "HERE", body, 1) }

// TestRules shows the rules pages that break them.
func TestRules(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/style.css" {
			w.Header().Set("Content-Type", "text/css")
			fmt.Fprint(w, "button, input:not([type=checkbox]) { min-width: 2rem; min-height: 2rem }")
			return
		}
		n, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil || n >= len(badPages) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, badPages[n].page)
	}))
	t.Cleanup(server.Close)
	b := openBrowser(t)
	b.do(t, chromedp.EmulateViewport(1280, 900), scheme("light"))
	for n, bad := range badPages {
		b.do(t, chromedp.Navigate(fmt.Sprintf("%s/%d", server.URL, n)))
		breaches := b.breaches(t)
		met := len(breaches) == 0
		for _, breach := range breaches {
			rule, _, _ := strings.Cut(breach, ":")
			met = met || rule == bad.rule
			if rule != bad.rule {
				t.Errorf("%q breaks the rule about %s: %s", bad.page, rule, breach)
			}
		}
		if bad.rule != "" && (len(breaches) == 0 || !met) {
			t.Errorf("%q does not break the rule about %s", bad.page, bad.rule)
		}
	}
}
