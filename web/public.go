package web

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Public is what strangers may see of a server.
type Public struct {
	Hostname mail.Domain
	Domains  []mail.Domain // that have their mail here
	// Policy is the MTA-STS policy of a domain; false: none is published.
	Policy func(mail.Domain) (text string, ok bool)
	// Messages takes POST /v1/messages; nil: there is no such thing.
	Messages http.Handler
	// Unsubscribe answers the links of List-Unsubscribe; nil: there are none.
	Unsubscribe *Unsubscribing
	// Servers are those that mail programs use, the best of each kind first.
	Servers []MailServer
	// Operator says who runs this, as the law of some countries wants it on a page; "":
	// the addresses alone.
	Operator string
	// Egress are the addresses that mail leaves from, and their names.
	Egress []EgressAddress
	// Style is the style sheet of the pages, for the front page.
	Style []byte
	// Now is the time, for how long security.txt holds.
	Now func() time.Time
}

// Handler answers on the HTTPS port.
func (p Public) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/mta-sts.txt", p.policy)
	mux.HandleFunc("GET /.well-known/security.txt", p.security)
	mux.HandleFunc("GET /{$}", p.page)
	mux.HandleFunc("GET /static/allgreen.css", p.style)
	p.addPrograms(mux)
	if p.Unsubscribe != nil {
		p.Unsubscribe.add(mux)
	}
	if p.Messages != nil {
		mux.Handle("/v1/messages", p.Messages)
	}
	return mux
}

// Redirect answers on the HTTP port: the same place with TLS.
func Redirect(w http.ResponseWriter, r *http.Request) {
	host := requestHost(r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead || host.IsZero() {
		http.Error(w, "use https", http.StatusForbidden)
		return
	}
	http.Redirect(w, r, "https://"+host.String()+r.URL.RequestURI(), http.StatusMovedPermanently)
}

// requestHost is the name in the Host field, without a port; zero when it is none.
func requestHost(r *http.Request) mail.Domain {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	d, err := mail.ParseDomain(name)
	if err != nil {
		return mail.Domain{}
	}
	return d
}

// policy answers for the domain below "mta-sts." (RFC 8461 section 3.3). A
// domain that is not ours has none, so that nobody can point a policy at us.
func (p Public) policy(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(requestHost(r).String(), "mta-sts.")
	d, err := mail.ParseDomain(name)
	if !ok || err != nil || !slices.Contains(p.Domains, d) {
		http.NotFound(w, r)
		return
	}
	text, ok := p.Policy(d)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text)) // the client may be gone
}

// domainOf is the domain of ours whose site is asked for: the nearest above the name.
func (p Public) domainOf(r *http.Request) (mail.Domain, bool) {
	host := requestHost(r)
	var nearest mail.Domain
	for _, d := range p.Domains {
		if host.IsWithin(d) && d.Labels() > nearest.Labels() {
			nearest = d
		}
	}
	return nearest, !nearest.IsZero()
}

// securityTerm is how long a security.txt is good for: less than the year that RFC
// 9116 section 2.5.5 recommends as the most.
const securityTerm = 90 * 24 * time.Hour

func (p Public) security(w http.ResponseWriter, r *http.Request) {
	d, ok := p.domainOf(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	until := p.Now().Add(securityTerm).UTC().Truncate(24 * time.Hour)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Contact: mailto:security@" + d.String() + "\nExpires: " + until.Format(time.RFC3339) + "\n"))
}
