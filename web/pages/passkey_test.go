package pages

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// authenticator gives the browser a key that recognises its owner, or somebody else.
func authenticator(verified bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, to *chromedp.Target) error {
		if _, err := cdp.Call(ctx, to, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, to, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: verified, AutomaticPresenceSimulation: true,
		}})
		return err
	})
}

// A real browser enrols a passkey through a link and logs in with it, and the pages on
// the way keep the rules of all pages.
func TestPasskeys(t *testing.T) {
	b := openBrowser(t)
	w := world.None()
	st := storetest.OpenWith(t, store.Options{Clock: w.Now, Schemas: []store.Schema{account.Schema, standing.Schema, Schema}})
	admin := mail.MustParseAddress("anna@example.com")
	dir := account.Open(st, account.Options{Domains: []mail.Domain{admin.Domain}, Admin: admin, World: w})
	t.Cleanup(dir.Close)
	_, err := dir.Create(t.Context(), account.New{Address: admin, Password: "correct horse battery"})
	must(t, err)
	o := Options{World: w, Store: st, Accounts: dir, Admin: admin, Hostname: mail.MustParseDomain("localhost"), Client: standingOf(rowsOf(1, finding.Green), nil)}
	site := New(o)
	t.Cleanup(site.Close)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	must(t, err)
	home := "http://localhost:" + at.Port()
	link, err := Link(t.Context(), o)
	must(t, err)

	keepsRules := func() {
		t.Helper()
		for _, breach := range b.breaches(t) {
			t.Errorf("%s: %s", evaluate[string](t, b, "location.pathname"), breach)
		}
	}
	path := func() string { return evaluate[string](t, b, "location.pathname") }
	b.do(t, authenticator(true), chromedp.Navigate(home+strings.TrimPrefix(link.URL, "https://localhost")))
	keepsRules()
	b.follow(t, chromedp.Click("main form button"))
	if path() != "/security" {
		t.Fatalf("the link leads to %s", path())
	}
	keepsRules()
	b.follow(t, chromedp.Click("[data-passkey]"))
	if text := evaluate[string](t, b, "document.querySelector('main table').textContent"); !strings.Contains(text, "Passkey") {
		t.Fatalf("after adding a passkey the page says %s", text)
	}
	keepsRules()
	b.do(t, chromedp.Navigate(home+"/security/code"))
	keepsRules()

	b.do(t, chromedp.Navigate(home+"/green"))
	b.follow(t, chromedp.Click(".logout button"))
	if path() != "/login" {
		t.Fatalf("logging out leads to %s", path())
	}
	b.do(t, chromedp.Navigate(home+"/green"))
	if path() != "/login" {
		t.Fatalf("logged out, and at %s", path())
	}
	keepsRules()
	b.follow(t, chromedp.Click("[data-passkey]"))
	if path() != "/green" {
		t.Fatalf("the passkey leads to %s: %s", path(), evaluate[string](t, b, "document.querySelector('main').textContent"))
	}
	for _, said := range b.heard() {
		t.Errorf("the console says %s", said)
	}
}
