package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
)

//go:embed docs/practices.json
var practicesText []byte

// practices are the rows of the all green page. A test holds that they can be read.
func practices() []pages.Practice {
	var all []pages.Practice
	if err := json.Unmarshal(practicesText, &all); err != nil {
		panic("docs/practices.json: " + err.Error())
	}
	return all
}

// pages answers on the HTTPS port: the pages under the name of the site, and under every
// other name what is for strangers.
func (g *generation) pages(calls, public http.Handler) http.Handler {
	o := g.server.pageOptions(g.settings)
	o.Client, o.Beside = web.NewClientOf(calls), public
	o.Domains = func() []mail.Domain { return g.settings.Domains }
	site := pages.New(o)
	here := site.Handler()
	g.running.Go(func() { <-g.ctx.Done(); site.Close() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if site.Answers(r) {
			here.ServeHTTP(w, r)
			return
		}
		public.ServeHTTP(w, r)
	})
}

// loginLink lets whoever may speak to the administration socket into the pages.
func (g *generation) loginLink(ctx context.Context) (web.LoginLink, error) {
	return pages.Link(ctx, g.server.pageOptions(g.settings))
}

// pageOptions are what the pages are made from, but for how they speak to the server.
func (s *server) pageOptions(c *config.Config) pages.Options {
	var port uint16
	if len(c.Listen.HTTPS) > 0 {
		port = c.Listen.HTTPS[0].Port
	}
	return pages.Options{
		Port: port, World: s.world, Store: s.store, Accounts: s.accounts, Log: s.log, Hostname: c.Hostname, Admin: c.Admin,
		Name: webName(c), Public: c.Web.Public, Secret: s.identity.Secret,
		Practices: practices(), Check: s.checkOptions(c),
	}
}

// checkOptions say how the pages check a domain of anybody: from an address that sends no
// mail, or without knocking at the mail ports of others.
func (s *server) checkOptions(c *config.Config) check.Options {
	o := check.Options{
		HELO: c.Hostname.String(), From: c.Web.CheckFrom,
		Lists: reputation.NewDirectory(reputation.Options{Keys: listKeys(c), Now: s.world.Now}),
	}
	if o.From.IsValid() {
		return o
	}
	o.Ours, o.Foreign = []netip.Addr{}, true
	for _, a := range c.Egress() {
		o.Ours = append(o.Ours, a.IP)
	}
	return o
}

// webName is the name under which the pages stand.
func webName(c *config.Config) mail.Domain { return cmp.Or(c.Names.Web, c.Hostname) }
