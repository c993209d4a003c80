package main

import (
	"context"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/world"
)

// labPage is the lab in a browser: its domains, and an audit of each at a click.
// It listens on loopback only and audits the lab's own domains only.
type labPage struct {
	world   *world.World
	domains []pageDomain
}

// pageDomain is a row of the page.
type pageDomain struct{ Name, About string }

var labIndex = template.Must(template.New("index").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The lab</title>
<style>
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:46rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td{padding:.3rem .6rem;border-top:1px solid #8884}
a{text-decoration:none;font-weight:600}
</style>
<h1>An Internet on loopback</h1>
<p>Each domain has its own hosts and one known defect, or a known set of them. Click one to have it audited.</p>
<table>{{range .}}<tr><td><a href="/check/{{.Name}}">{{.Name}}</a></td><td>{{.About}}</td></tr>
{{end}}</table></html>
`))

// open serves the page until the context ends and returns its address. Who opened
// it waits for done.
func (p labPage) open(ctx context.Context) (url string, done <-chan struct{}, err error) {
	l, err := p.listen(ctx)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: p.routes(), ReadHeaderTimeout: 10 * time.Second}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		_ = server.Serve(l) // ends with the context
	}()
	return "http://" + l.Addr().String() + "/", finished, nil
}

// listen takes the port that people remember, or a free one.
func (p labPage) listen(ctx context.Context) (net.Listener, error) {
	loopback := netip.MustParseAddr("127.0.0.1")
	l, err := p.world.Listen(ctx, netip.AddrPortFrom(loopback, 8025))
	if err == nil {
		return l, nil
	}
	return p.world.Listen(ctx, netip.AddrPortFrom(loopback, 0))
}

func (p labPage) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = labIndex.Execute(w, p.domains)
	})
	mux.HandleFunc("GET /check/{domain}", p.check)
	return mux
}

func (p labPage) check(w http.ResponseWriter, r *http.Request) {
	report, err := p.audit(r.Context(), r.PathValue("domain"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = show.HTML(w, []*finding.Report{report})
}

func (p labPage) audit(ctx context.Context, name string) (*finding.Report, error) {
	if !slices.ContainsFunc(p.domains, func(d pageDomain) bool { return d.Name == name }) {
		return nil, errors.New("the lab has no such domain")
	}
	target, err := check.ParseTarget(name, check.Domain)
	if err != nil {
		return nil, err
	}
	return check.NewAudit(p.world, check.Options{Battery: true}).Run(ctx, target, nil), nil
}
