package pages

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	document "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is for a busy machine; nothing waits this long when all is well.
const patience = 10 * time.Minute

// tab is one tab of a real browser, and what its console said.
type tab struct {
	ctx context.Context

	mu   sync.Mutex
	said []string
}

// openBrowser starts Debian's Chromium, once for a test and its subtests.
func openBrowser(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is missing, and the pages cannot be looked at")
		}
		t.Skip("chromium is missing")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience), chromedp.Flag("hide-scrollbars", true),
	))
	t.Cleanup(cancel)
	b := &tab{ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	return b
}

// hear keeps what the console is told: errors of scripts, and what the policy forbade.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, fmt.Sprintf("console.%s with %d words", e.Type, len(e.Args)))
	case *log.EventEntryAdded:
		b.said = append(b.said, fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	}
}

// heard gives what the console was told since it was asked before.
func (b *tab) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = nil
	return said
}

// do acts, and everything must succeed.
func (b *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// evaluate asks the page.
func evaluate[T any](t *testing.T, b *tab, expression string) T {
	t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// follow acts and waits until the page that this leads to is loaded.
func (b *tab) follow(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// still keeps pages from changing by themselves while they are looked at.
var still = chromedp.Func(func(ctx context.Context, to *chromedp.Target) error {
	_, err := cdp.Call(ctx, to, document.AddScriptToEvaluateOnNewDocument, document.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.EventSource = class { addEventListener() {} close() {} };
		const later = window.setTimeout;
		window.setTimeout = (what, when, ...more) => (when >= 2000 ? 0 : later(what, when, ...more));`})
	return err
})

// scheme is light or dark, as people choose in their system.
func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, to *chromedp.Target) error {
		_, err := cdp.Call(ctx, to, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

// scripts lets scripts of pages run, or not.
func scripts(run bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, to *chromedp.Target) error {
		_, err := cdp.Call(ctx, to, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !run})
		return err
	})
}

//go:embed testdata/rules.js
var rules string

// breaches are the rules that the page breaks.
func (b *tab) breaches(t *testing.T) []string {
	t.Helper()
	return evaluate[[]string](t, b, rules)
}

// keep writes a picture of the whole page, for people.
func (b *tab) keep(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("ALLGREEN_SCREENSHOTS")
	if dir == "" {
		dir = filepath.Join("..", "..", ".cache", "screenshots")
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// fileName is an address as part of a name of a file.
func fileName(path string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("/?=&@:%", r) {
			return '-'
		}
		return r
	}, strings.Trim(path, "/"))
	if name == "" {
		return "front"
	}
	return name
}
