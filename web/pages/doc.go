// Package pages is what a person sees of the server in a browser: the all green page,
// the check of any domain, the queue, the accounts. Every page is a client of the
// administration API of package web, so that what a page can do, a script can do too.
//
//	site := pages.New(pages.Options{
//		Client: web.NewClientOf(administration), // calls in this process
//		World: w, Store: st, Accounts: dir, Log: log,
//		Hostname: hostname, Admin: admin, Secret: identity.Secret,
//	})
//	http.Serve(listener, site.Handler())
//
// # A page
//
// A page is one file with its handler, one template of the same name, and one line in
// the list of routes in site.go, which says who may see it:
//
//	{"GET /green", admin, s.green},
//
//	func (s *Site) green(w http.ResponseWriter, r *http.Request) {
//		rows, err := web.StandingRows.Do(r.Context(), s.o.Client, web.StandingQuery{})
//		if err != nil {
//			s.fail(w, r, err)
//			return
//		}
//		s.render(w, r, "green", "All green", greenOf(rows))
//	}
//
// The template defines "main"; it is given a view: .Data is what the handler made,
// .CSRF stands in a hidden field of every form that posts. There is no inline style and
// no inline script, and every page works without the script. The script makes two
// things better: an element with an id and data-live="URL" is fetched again from there,
// and a form with data-swap="ID" replaces that element by the one in the answer.
//
// # Who may see what
//
// public pages are for everybody; open ones for everybody where the configuration says
// so, else for the administrator; admin ones for who logged in. In the lab (Open) there
// is no login, and the Host field must name this machine, so that no web page elsewhere
// can speak to the lab through a browser (DNS rebinding).
//
// # Login
//
// Administration asks for two factors: a passkey (which is both), or the password of
// the account and a code of an authenticator (RFC 6238). The first is enrolled through a
// link that `allgreen web login` prints, good for ten minutes and one use. See
// docs/decisions/0018-pages.md.
//
// Standards: RFC 6238, RFC 4226 (codes), W3C WebAuthn level 3 (passkeys), Content
// Security Policy level 3, RFC 6265bis (cookies), RFC 6797 (HSTS).
package pages
