package main

import (
	"cmp"
	"net/http"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
)

// pages answers on the HTTPS port: the pages under the name of the site, and under every
// other name what is for strangers.
func (g *generation) pages(calls, public http.Handler) http.Handler {
	o := g.server.pageOptions(g.settings)
	o.Client, o.Beside = web.NewClientOf(calls), public
	o.Domains = func() []mail.Domain { return g.settings.Domains }
	site := pages.New(o)
	here := site.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if site.Answers(r) {
			here.ServeHTTP(w, r)
			return
		}
		public.ServeHTTP(w, r)
	})
}

// pageOptions are what the pages are made from, but for how they speak to the server.
func (s *server) pageOptions(c *config.Config) pages.Options {
	return pages.Options{
		World: s.world, Store: s.store, Accounts: s.accounts, Log: s.log, Hostname: c.Hostname, Admin: c.Admin,
		Name: webName(c), Public: c.Web.Public, Secret: s.identity.Secret,
	}
}

// webName is the name under which the pages stand.
func webName(c *config.Config) mail.Domain { return cmp.Or(c.Names.Web, c.Hostname) }
