package lab

import (
	"bytes"
	"maps"
	"net/http"
	"text/template"

	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// policyPath is where an MTA-STS policy stands (RFC 8461 section 3.3).
const policyPath = "/.well-known/mta-sts.txt"

// policyDefect is what a domain's MTA-STS site does wrong.
type policyDefect struct {
	certificate ca.Quality
	page        host.Page
}

func policyDefects() map[string]policyDefect {
	policy := func(mode, mx, age string) host.Page {
		return host.Page{Body: "version: STSv1\r\nmode: " + mode + "\r\nmx: " + mx + "\r\nmax_age: " + age + "\r\n"}
	}
	const month = "2419200"
	return map[string]policyDefect{
		"red.example":          {page: policy("enforce", "mx.elsewhere.example", month)},
		"sts-wrong.example":    {page: policy("enforce", "mx.elsewhere.example", month)},
		"sts-testing.example":  {page: policy("testing", "mx.sts-testing.example", month)},
		"sts-none.example":     {page: policy("none", "mx.sts-none.example", month)},
		"dane-partial.example": {page: policy("enforce", "*.dane-partial.example", month)},
		"sts-short.example":    {page: policy("enforce", "mx.sts-short.example", "3600")},
		"sts-cert.example":     {certificate: ca.WrongName, page: policy("enforce", "mx.sts-cert.example", month)},
		"sts-missing.example":  {page: host.Page{Status: http.StatusNotFound, Body: "not here"}},
		"sts-endless.example":  {page: host.Page{Body: "version: STSv1\r\n", Endless: true}},
		"sts-redirect.example": {page: host.Page{
			Status: http.StatusFound, Location: "https://sts-redirect.example" + policyPath,
		}},
	}
}

// sites are the web sites of each domain: those of a well-run one.
func sites(domains []Domain) (map[string][]host.Site, error) {
	t, err := template.ParseFS(internet, "internet/site/*")
	if err != nil {
		return nil, err
	}
	all := map[string][]host.Site{}
	for _, d := range domains {
		pages, err := pagesOf(t, d)
		if err != nil {
			return nil, err
		}
		maps.Copy(pages, pageDefects()[d.Name])
		policy := host.Site{Name: "mta-sts." + d.Name, Pages: pages}
		if change, ok := policyDefects()[d.Name]; ok {
			policy.Certificate = change.certificate
			policy.Pages = map[string]host.Page{policyPath: change.page}
		}
		all[d.Name] = []host.Site{{Name: d.Name, Pages: pages}, {Name: "www." + d.Name, Pages: pages}, policy}
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
		{policyPath, "mta-sts.txt", plain},
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
