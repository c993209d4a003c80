package pages

import (
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net"
	"net/http"
	"slices"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// Options are what a site is made from.
type Options struct {
	Client   *web.Client // the administration API
	World    *world.World
	Store    *store.Store
	Accounts *account.Directory
	Log      *slog.Logger // nil: nothing is written
	Hostname mail.Domain
	Name     mail.Domain // under which the pages stand; zero: Hostname
	Port     uint16      // of the pages; zero: 443
	Domains  func() []mail.Domain
	Admin    mail.Address
	Open     bool // no login: the lab, on loopback only
	Public   bool // strangers may check and test
	// Secret is a key for a purpose, the same after a restart. nil: random ones, that end
	// with the site.
	Secret func(purpose string) []byte
	// Beside answers what the pages do not: policies, messages of programs. nil: nothing.
	Beside http.Handler
	// Practices are the rows of the all green page.
	Practices []Practice
	// Check says how any domain is checked: from which address, and whom to spare.
	Check check.Options
	// Lab are domains to click on, with a word on each; none outside the lab.
	Lab []LabDomain
}

// LabDomain is a domain of the lab.
type LabDomain struct{ Name, About string }

// Site is the pages of one server.
type Site struct {
	o          Options
	audits     *audits
	strangers  strangers
	guesses    guesses
	ceremonies ceremonies
	random     []byte // in place of Secret
	log        *slog.Logger
	mux        *http.ServeMux
	all        []route
	pages      map[string]page
	guarded    http.Handler
}

// New makes the pages.
func New(o Options) *Site {
	s := &Site{o: o, log: o.Log, mux: http.NewServeMux(), pages: readPages(), audits: newAudits(o.World, o.Check), random: make([]byte, sha256.Size)}
	rand.Read(s.random)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.o.Name.IsZero() {
		s.o.Name = o.Hostname
	}
	if s.o.Beside == nil {
		s.o.Beside = http.NotFoundHandler()
	}
	if s.o.Domains == nil {
		s.o.Domains = func() []mail.Domain { return nil }
	}
	s.all = s.routes()
	for _, route := range s.all {
		s.mux.Handle(route.pattern, s.guard(route.access, route.serve))
	}
	s.mux.Handle("/api/", s.api())
	s.mux.HandleFunc("/", s.elsewhere)
	s.guarded = s.harden(s.mux)
	return s
}

// Close ends the checks that are under way, and waits for them.
func (s *Site) Close() { s.audits.close() }

// access says who may see a page. The zero value is the administrator alone.
type access int

const (
	admin     access = iota // who logged in
	enrolling               // who logged in, or came by a link to make that possible
	open                    // everybody where the configuration says so, else as admin
	public                  // everybody
)

// route is a page or an act, and who may have it.
type route struct {
	pattern string
	access  access
	serve   http.HandlerFunc
}

// routes are all pages. What is not in this list does not exist.
func (s *Site) routes() []route {
	return slices.Concat([]route{
		{"GET /static/{file}", public, s.static},
		{"GET /green", admin, s.green},
		{"GET /green/look", admin, s.look},
		{"POST /green/look", admin, s.lookAgain},
		{"GET /green/{check}", admin, s.history},
		{"POST /green/{check}/again", admin, s.checkAgain},
		{"GET /check", open, s.checkAny},
		{"GET /check/{target}", open, s.checkTarget},
		{"POST /check/{target}", open, s.checkOnceMore},
		{"GET /check/{target}/events", open, s.checkEvents},
		{"GET /checklist", admin, s.checklist},
		{"POST /checklist/{act}", admin, s.markItem},
		{"GET /test", open, s.testForm},
		{"POST /test", open, s.makeTest},
		{"GET /test/{id}", public, s.test}, // whoever knows the id
		{"GET /test/{id}/events", public, s.testEvents},
		{"POST /test/{id}/share", open, s.shareTest},
		{"POST /check/{target}/share", open, s.shareCheck},
		{"GET /shared/{id}", public, s.shared}, // whoever knows the id
	}, s.mailRoutes(), s.loginRoutes(), s.labRoutes())
}

// loginRoutes are there where there is a login.
func (s *Site) loginRoutes() []route {
	if s.o.Open {
		return nil
	}
	return []route{
		{"GET /login", public, s.loginForm},
		{"POST /login", public, s.login},
		{"POST /login/passkey/begin", public, s.loginPasskeyBegin},
		{"POST /login/passkey", public, s.loginPasskey},
		{"GET /login/link/{secret}", public, s.linkPage},
		{"POST /login/link/{secret}", public, s.linkUsed},
		{"POST /logout", enrolling, s.logout},
		{"GET /security", enrolling, s.security},
		{"POST /security/passkey/begin", enrolling, s.fresh(s.addPasskeyBegin)},
		{"POST /security/passkey", enrolling, s.fresh(s.addPasskey)},
		{"GET /security/code", enrolling, s.fresh(s.newCode)},
		{"POST /security/code", enrolling, s.fresh(s.addCode)},
		{"POST /security/factor/{id}/remove", admin, s.fresh(s.dropFactor)},
		{"POST /security/session/{id}/end", admin, s.dropSession},
	}
}

// labRoutes are there in the lab only.
func (s *Site) labRoutes() []route {
	if !s.o.Open {
		return nil
	}
	return []route{
		{"GET /{$}", admin, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/green", http.StatusSeeOther) }},
		{"GET /lab", admin, s.lab},
	}
}

// lab lists the domains of the lab.
func (s *Site) lab(w http.ResponseWriter, r *http.Request) { s.render(w, r, "lab", "The lab", s.o.Lab) }

// Handler answers under the name of the site.
func (s *Site) Handler() http.Handler { return s.guarded }

// Answers reports whether a request asks for the site by its name. What strangers see
// under other names of the server is not the site's.
func (s *Site) Answers(r *http.Request) bool {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	d, err := mail.ParseDomain(name)
	return err == nil && d == s.o.Name
}

// place is a part of the site, in the navigation.
type place struct {
	Path, Title string
	access      access
}

// places are the navigation, in its order. Those without a route are left out.
var places = []place{
	{"/green", "All green", admin},
	{"/check", "Check", open},
	{"/test", "Test address", open},
	{"/flow", "Mail flow", admin},
	{"/queue", "Queue", admin},
	{"/log", "Log", admin},
	{"/accounts", "Accounts", admin},
	{"/domains", "Domains", admin},
	{"/devices", "Devices", admin},
	{"/backups", "Backups", admin},
	{"/checklist", "Checklist", admin},
	{"/lab", "The lab", admin},
}

// places are those that this visitor may see.
func (s *Site) places(v visitor) []place {
	return slices.DeleteFunc(slices.Clone(places), func(p place) bool {
		return !s.has("GET "+p.Path) || !s.allows(p.access, v)
	})
}

// has reports whether there is such a route.
func (s *Site) has(pattern string) bool {
	return slices.ContainsFunc(s.all, func(r route) bool { return r.pattern == pattern })
}
