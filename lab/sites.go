package lab

import (
	"bytes"
	"text/template"

	"github.com/allgreen-mail/allgreen/lab/host"
)

// sites are the web sites of each domain: those of a well-run one.
func sites() (map[string][]host.Site, error) {
	t, err := template.ParseFS(internet, "internet/site/*")
	if err != nil {
		return nil, err
	}
	all := map[string][]host.Site{}
	for _, d := range Domains() {
		pages, err := pagesOf(t, d)
		if err != nil {
			return nil, err
		}
		all[d.Name] = []host.Site{
			{Name: d.Name, Pages: pages},
			{Name: "www." + d.Name, Pages: pages},
			{Name: "mta-sts." + d.Name, Pages: pages},
		}
	}
	return all, nil
}

// pagesOf are the pages of a well-run domain.
func pagesOf(t *template.Template, d Domain) (map[string]host.Page, error) {
	const html, plain, svg = "text/html; charset=utf-8", "text/plain; charset=utf-8", "image/svg+xml"
	pages := map[string]host.Page{
		"POST /unsubscribe": {Body: "You are off the list.\n"},
		"/unsubscribe":      {Type: html, Body: "<!doctype html><title>Unsubscribe</title><form method=post><button>Unsubscribe</button></form>\n"},
	}
	for _, p := range []struct{ path, file, kind string }{
		{"/", "index.html", html},
		{"/imprint", "imprint.html", html},
		{"/.well-known/security.txt", "security.txt", plain},
		{"/.well-known/mta-sts.txt", "mta-sts.txt", plain},
		{"/bimi/logo.svg", "logo.svg", svg},
	} {
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, p.file, d); err != nil {
			return nil, err
		}
		pages[p.path] = host.Page{Type: p.kind, Body: b.String()}
	}
	return pages, nil
}
