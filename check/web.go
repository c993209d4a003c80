package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

func webChecks() []Check {
	return []Check{webSite, webPages, webSecurity, webPTRDomain}
}

var webSite = rule{About{
	ID:       "web.site",
	Question: "Does a web site answer by https at the mail domain?",
	Why: "Who gets mail from a domain looks at its web site; so do the people behind blocklists and postmaster desks before they believe a word. " +
		"It is no rule of any receiver.",
	Fix:       "Serve at least one page at https://<domain>/ that says whose domain it is.",
	Refs:      []string{"RFC 9110 4.2.2"},
	Rows:      []string{"WEB-01"},
	Practices: []string{"W1"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes: []Code{
		{"answers", finding.Green, "a page answers by https"},
		{"none", finding.Skip, "the domain has no web site"},
		{"no-https", finding.Skip, "no page answers by https"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	p := s.HomePage(ctx, s.Domain())
	f := finding.Finding{Subject: s.String(), Evidence: p.Trail}
	switch {
	case p.Answers():
		f.Code, f.Summary, f.Evidence = "answers", p.URL.String()+" answers", nil
	case isAbsence(p.Err):
		f.Code, f.Summary = "none", s.String()+" has no web site"
	case ctx.Err() != nil || isUnclear(p.Err) && !isLate(p.Err):
		return one(unseen(s.String(), p.Err))
	default:
		f.Code, f.Summary = "no-https", "no page answers at https://"+s.String()+"/"
	}
	return one(f)
}}

// isLate reports that a host did not answer in time. A web site that nobody asked
// for may well be behind a wall: where the site is only information, that is an
// answer.
func isLate(err error) bool {
	var late interface{ Timeout() bool }
	return errors.As(err, &late) && late.Timeout()
}

var webPages = rule{About{
	ID:       "web.pages",
	Question: "Does the web site link its policy, and how to subscribe and to unsubscribe?",
	Why: "Who sends to lists should say on the web what is sent, to whom, and how it ends; postmaster desks ask for these pages before they lift a " +
		"block. Looked for are links on the home page, by their words.",
	Fix:       "Link pages for the policy, for subscribing and for unsubscribing from the home page.",
	Refs:      []string{"RFC 8058 1", "RFC 2369 3.2"},
	Rows:      []string{"WEB-02"},
	Practices: []string{"W1"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes: []Code{
		{"linked", finding.Green, "the home page links at least one such page"},
		{"not-linked", finding.Skip, "the home page links no such page; only senders of lists need them"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	p := s.HomePage(ctx, s.Domain())
	if !p.Answers() {
		return nil
	}
	f := finding.Finding{Code: "not-linked", Subject: s.String(),
		Summary: p.URL.String() + " links no policy and no page to subscribe or unsubscribe"}
	var kinds []string
	for _, kind := range []string{"policy", "subscribe", "unsubscribe"} {
		if at := p.linksTo(kind); len(at) > 0 {
			kinds = append(kinds, kind)
			f.Evidence = append(f.Evidence, kind+": "+at[0])
		}
	}
	if len(kinds) > 0 {
		f.Code, f.Summary = "linked", fmt.Sprintf("%s links pages for: %s", p.URL, strings.Join(kinds, ", "))
	}
	return one(f)
}}

var webSecurity = rule{About{
	ID:        "web.security-txt",
	Question:  "Does a security.txt say whom to tell about holes?",
	Why:       "Who finds a broken-into account or an open form looks there for somebody to tell. Without it they tell a blocklist.",
	Fix:       "Serve /.well-known/security.txt as text/plain with Contact and Expires, and renew it every year.",
	Refs:      []string{"RFC 9116 2.5.3", "RFC 9116 2.5.5"},
	Rows:      []string{"WEB-03"},
	Practices: []string{"D9"},
	Who:       finding.ThisServer,
	Scope:     Domain,
	Codes: []Code{
		{"current", finding.Green, "there is a security.txt with a contact, and it has not expired"},
		{"none", finding.Skip, "there is no security.txt"},
		{"stale", finding.Skip, "the security.txt has expired, or lacks Contact or Expires"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	if !s.HomePage(ctx, s.Domain()).Answers() {
		return nil
	}
	p := s.WebPage(ctx, "https://"+s.String()+"/.well-known/security.txt")
	f := finding.Finding{Code: "none", Subject: s.String(), Summary: s.String() + " has no security.txt", Evidence: p.Trail}
	if !p.Answers() || p.Type != "text/plain" {
		return one(f)
	}
	f.Code, f.Summary = "current", "security.txt says whom to tell"
	if why := staleSecurity(p.Body, s.World.Now()); why != "" {
		f.Code, f.Summary = "stale", "the security.txt "+why
	}
	return one(f)
}}

// staleSecurity says why nobody should go by a security.txt, "" when all is well.
func staleSecurity(text []byte, now time.Time) string {
	fields := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			fields[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	expires, err := time.Parse(time.RFC3339, fields["expires"])
	switch {
	case fields["contact"] == "":
		return "names no contact"
	case err != nil:
		return "does not say when it expires"
	case now.After(expires):
		return "expired on " + expires.Format(time.DateOnly)
	}
	return ""
}

var webPTRDomain = rule{About{
	ID:       "web.ptr-domain",
	Question: "Does the domain of the PTR name show on the web who runs the server?",
	Why: "T-Online refuses every address that it does not know until somebody there has looked: from the PTR name the operator's web site must be " +
		"easy to find, with an imprint or contact data. GMX and WEB.DE ask bulk senders for the same.",
	Fix: "Serve a page by https at the registered domain of the PTR name that links an imprint or contact page, or have the PTR record name a host " +
		"under a domain of yours that has one. Then write to tobr@rx.t-online.de.",
	Refs:      []string{"EU 2000/31/EC 5", "RFC 1912 2.1"},
	Rows:      []string{"WEB-04"},
	Practices: []string{"D10", "B7"},
	Affects:   []string{"t-online", "gmx"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"rdns.forward-confirmed"},
	Codes: []Code{
		{"contact", finding.Green, "the web site of the PTR domain leads to contact data"},
		{"no-site", finding.Yellow, "no web site answers by https at the PTR domain"},
		{"no-contact", finding.Yellow, "the web site of the PTR domain leads to no contact data"},
		{"only-scripts", finding.Unknown, "the web site of the PTR domain is made by scripts; its links cannot be read"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	var seen []mail.Domain
	for _, a := range s.Addresses(ctx) {
		names := s.confirmedNames(ctx, a.IP)
		if len(names) == 0 {
			continue
		}
		d := names[0].Registrable() // the first name is the one that people look at
		if !slices.Contains(seen, d) {
			seen = append(seen, d)
			found = append(found, s.judgePTRSite(ctx, a, d))
		}
	}
	return found
}}

func (s *Subject) judgePTRSite(ctx context.Context, a SendingAddress, d mail.Domain) finding.Finding {
	p := s.HomePage(ctx, d)
	f := finding.Finding{Subject: d.String(), Evidence: p.Trail}
	switch {
	case p.Err != nil && isUnclear(p.Err):
		return unseen("https://"+d.String()+"/", p.Err)
	case !p.Answers():
		f.Code = "no-site"
		f.Summary = fmt.Sprintf("no web site answers at https://%s/, the domain of the PTR name of %s", d, a.IP)
		return f
	}
	contact, trail := s.findContact(ctx, p)
	f.Evidence = append(f.Evidence, trail...)
	switch {
	case contact != "":
		f.Code, f.Summary = "contact", fmt.Sprintf("the web site of %s, the domain of the PTR name of %s, leads to %s", d, a.IP, contact)
	case isScripted(p):
		f.Code = "only-scripts"
		f.Summary = fmt.Sprintf("whether %s leads to contact data cannot be read from its HTML", p.URL)
		f.Fix = "Look at the page: an imprint or contact data should be one click away. Links in plain HTML are found by everybody."
	default:
		f.Code, f.Summary = "no-contact", fmt.Sprintf("%s, the domain of the PTR name of %s, leads to no imprint or contact page", p.URL, a.IP)
	}
	return f
}

// isScripted reports whether a page has scripts and no link that a person could
// follow.
func isScripted(p *WebPage) bool {
	isAnchor := func(l message.Link) bool { return l.Tag == "a" }
	return !slices.ContainsFunc(p.Links, isAnchor) && bytes.Contains(bytes.ToLower(p.Body), []byte("<script"))
}

// maxContacts is how many pages are tried; the first usually is the one.
const maxContacts = 2

// findContact is the contact page that a home page leads to and that answers, or an
// address to write to; "" when there is neither.
func (s *Subject) findContact(ctx context.Context, home *WebPage) (contact string, trail []string) {
	candidates := home.linksTo("contact")
	for _, at := range candidates[:min(len(candidates), maxContacts)] {
		p := s.WebPage(ctx, at)
		trail = append(trail, p.Trail...)
		if p.Err == nil && p.Status == http.StatusOK {
			return at, trail
		}
	}
	for _, l := range home.Links {
		if strings.HasPrefix(strings.ToLower(l.URL), "mailto:") {
			return l.URL, trail
		}
	}
	return "", trail
}
