package web

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// EgressAddress is an address that mail leaves from.
type EgressAddress struct {
	IP   netip.Addr
	Name mail.Domain
}

//go:embed front.html
var frontText string

var frontPage = template.Must(template.New("front").Parse(frontText))

// front is what the page says.
type front struct {
	Domain, At, Hostname string
	Operator             []string // lines
	Egress               []EgressAddress
	Servers              []MailServer
	Apple                bool
}

// frontPolicy lets the page have the style sheet of the server and one form, no more.
const frontPolicy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// page tells who runs this, what is sent from here, and how to complain: T-Online and GMX
// look for it under the domain of the PTR name, others under that of the sender.
func (p Public) page(w http.ResponseWriter, r *http.Request) {
	d, ok := p.domainOf(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	f := front{Domain: d.Unicode(), At: d.String(), Hostname: p.Hostname.String(), Egress: p.Egress, Servers: p.Servers}
	if p.Operator != "" {
		f.Operator = strings.Split(strings.TrimSpace(p.Operator), "\n")
	}
	f.Apple = p.best("imap", "pop3") != nil && p.best("smtp") != nil
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", frontPolicy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = frontPage.Execute(w, f) // the client may be gone
}

// style is the style sheet, under every name.
func (p Public) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(p.Style) // the client may be gone
}
