package check_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// siteCase is a web site behind a PTR name and what is said about it.
type siteCase struct {
	name  string
	sites []host.Site // Name is below the domain of the case; "" is the domain itself
	zone  string      // more records
	want  string      // of web.ptr-domain
	site  string      // of web.site
}

func siteCases() []siteCase {
	const html = "text/html"
	page := func(body string) map[string]host.Page { return map[string]host.Page{"/": {Type: html, Body: body}} }
	moved := func(to string) map[string]host.Page {
		return map[string]host.Page{"/": {Status: http.StatusFound, Location: to}}
	}
	imprint := map[string]host.Page{
		"/":             {Type: html, Body: `<a href="/impressum">Impressum</a>`},
		"/impressum":    {Type: html, Body: "We are us."},
		"/empty":        {Status: http.StatusNotFound},
		"/over-there":   {Status: http.StatusFound, Location: "/impressum"},
		"/round-robin":  {Status: http.StatusFound, Location: "/round-robin"},
		"/kontakt/form": {Type: html, Body: "Write to us."},
	}
	return []siteCase{
		{name: "imprint", sites: []host.Site{{Pages: imprint}}, want: "contact", site: "answers"},
		{name: "only-www", sites: []host.Site{{Name: "www", Pages: imprint}}, zone: "www A %[2]s", want: "contact", site: "answers"},
		{name: "mailto", sites: []host.Site{{Pages: page(`<a href="mailto:us@example.com">write</a>`)}}, want: "contact", site: "answers"},
		{name: "nothing", sites: []host.Site{{Pages: page(`<a href="/shop">shop</a>`)}}, want: "no-contact", site: "answers"},
		{name: "dead-link", sites: []host.Site{{Pages: page(`<a href="/impressum">Impressum</a>`)}}, want: "no-contact", site: "answers"},
		{name: "scripts", sites: []host.Site{{Pages: page(`<script src="/app.js"></script>`)}}, want: "only-scripts", site: "answers"},
		{name: "no-site", sites: []host.Site{{Name: "other", Pages: imprint}}, zone: "; %[1]s %[2]s", want: "no-site", site: "none"},
		{name: "not-found", sites: []host.Site{{Pages: map[string]host.Page{}}}, want: "no-site", site: "no-https"},
		{name: "wrong-certificate", sites: []host.Site{{Certificate: ca.WrongName, Pages: imprint}}, want: "no-site", site: "no-https"},
		{name: "circle", sites: []host.Site{{Pages: moved("/")}}, want: "no-site", site: "no-https"},
		{name: "to-http", sites: []host.Site{{Pages: moved("http://imprint.test/")}}, want: "no-site", site: "no-https"},
		{name: "to-port", sites: []host.Site{{Pages: moved("https://imprint.test:8443/")}}, want: "no-site", site: "no-https"},
		{name: "to-address", sites: []host.Site{{Pages: moved("https://127.0.0.1/")}}, want: "no-site", site: "no-https"},
		{name: "to-inside", sites: []host.Site{{Pages: moved("https://inside.to-inside.test/")}}, zone: "inside A 10.0.0.1\n@ A %[2]s", want: "no-site", site: "no-https"},
		{name: "moved", sites: []host.Site{{Pages: moved("https://imprint.test/")}}, want: "contact", site: "answers"},
		{name: "endless", sites: []host.Site{{Pages: map[string]host.Page{"/": {Type: html, Body: `<a href="/x">x</a>`, Endless: true}}}}, want: "no-contact", site: "answers"},
		{name: "fails", sites: []host.Site{{Pages: imprint}}, zone: "@ A %[2]s\n;lab fault %[1]s. A servfail\n;lab fault %[1]s. AAAA servfail", want: "no-answer", site: "no-answer"},
	}
}

// Each site is at the domain <name>.test, whose mail host has the address below it.
func TestWebSites(t *testing.T) {
	cases := siteCases()
	var o lab.Options
	o.Bare = true
	for i, tt := range cases {
		domain, mx, web := tt.name+".test", fmt.Sprintf("127.10.200.%d", i+1), fmt.Sprintf("127.10.201.%d", i+1)
		zone := tt.zone
		if zone == "" {
			zone = "@ A %[2]s ; %[1]s"
		}
		o.Zones = append(o.Zones, fmt.Sprintf("$ORIGIN %s.\n$TTL 300\n@ SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300\n@ NS ns1.nameserver.example.\n"+
			"mx A %s\n%d.200.10.127.in-addr.arpa. PTR mx\n", domain, mx, i+1)+fmt.Sprintf(zone, domain, web)+"\n")
		var sites []host.Site
		for _, site := range tt.sites {
			site.Name = strings.TrimPrefix(site.Name+"."+domain, ".")
			sites = append(sites, site)
		}
		o.Web = append(o.Web, host.Web{Addr: netip.MustParseAddr(web), Sites: sites})
	}
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for i, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			audit := check.NewAudit(l.World(), check.Options{Only: []string{"web.ptr-domain", "web.site"}})
			judge := func(text, id, want string, kind check.Scope) {
				target, err := check.ParseTarget(text, kind)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range audit.Run(t.Context(), target, nil).Findings {
					if f.Check == id {
						got = append(got, f.Code)
						if f.Code != want {
							t.Logf("%s %v", f.Summary, f.Evidence)
						}
					}
				}
				if !slices.Equal(got, []string{want}) {
					t.Errorf("%s of %s says %v, want %s", id, text, got, want)
				}
			}
			judge(fmt.Sprintf("127.10.200.%d", i+1), "web.ptr-domain", tt.want, check.Address)
			judge(tt.name+".test", "web.site", tt.site, check.Domain)
		})
	}
}
