package check

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// target is where a link leads: a domain or an address; neither for what is no web
// address.
func target(rawURL string) (d mail.Domain, ip netip.Addr) {
	if !strings.Contains(rawURL, "//") {
		if !strings.HasPrefix(strings.ToLower(rawURL), "www.") {
			return d, ip
		}
		rawURL = "//" + rawURL
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return d, ip
	}
	if ip, err = netip.ParseAddr(u.Hostname()); err == nil {
		return d, ip
	}
	d, _ = mail.ParseDomain(u.Hostname())
	return d, netip.Addr{}
}

// linkedDomains are the domains that the message links to or loads from, each once,
// in their order.
func (p *Sample) linkedDomains() []mail.Domain {
	var domains []mail.Domain
	seen := map[mail.Domain]bool{}
	for _, l := range p.Links {
		if d, _ := target(l.URL); !d.IsZero() && !seen[d] {
			seen[d] = true
			domains = append(domains, d)
		}
	}
	return domains
}

var messageLinks = rule{About{
	ID:       "message.links",
	Question: "Do the links lead where they say?",
	Why: "A link that shows one domain and leads to another, or to a bare address, is what phishing looks like. Filters and mail programs warn " +
		"of it, whatever the reason was; click tracking under a foreign domain is the usual one.",
	Fix:       "Show words instead of an address as the text of a link, or track clicks under a name of your own domain.",
	Refs:      []string{"RFC 3986 3.2.2", "RFC 3986 7.6"},
	Rows:      []string{"BL-URL"},
	Practices: []string{"D11"},
	Affects:   []string{"google", "outlook"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"honest", finding.Green, "every link leads where it says"},
		{"disguised", finding.Red, "the text of a link names another domain than its target"},
		{"bare-address", finding.Red, "a link leads to an IP address"},
		{"hidden", finding.Red, "a link hides its host behind a user name"},
		{"none", finding.Skip, "no links"},
	},
}, ofMessage(func(_ context.Context, _ *Subject, m *Sample, f finding.Finding) finding.Finding {
	f.Code, f.Summary = "honest", fmt.Sprintf("%d links lead where they say", len(m.Links))
	if len(m.Links) == 0 {
		f.Code, f.Summary = "none", "the message has no links"
	}
	for _, l := range m.Links {
		code, summary := judgeLink(l)
		if code == "" || len(f.Evidence) == maxShown {
			continue
		}
		if f.Evidence == nil {
			f.Code, f.Summary = code, summary
		}
		f.Evidence = append(f.Evidence, fmt.Sprintf("%.80q leads to %.200q", l.Text, l.URL))
	}
	return f
})}

func judgeLink(l message.Link) (code, summary string) {
	d, ip := target(l.URL)
	switch shown := shownDomain(l.Text); {
	case ip.IsValid():
		return "bare-address", fmt.Sprintf("a link leads to the address %s", ip)
	case hasUser(l.URL):
		return "hidden", fmt.Sprintf("a link hides its host %s behind a user name", d)
	case l.Tag == "a" && !d.IsZero() && !shown.IsZero() && shown.Registrable() != d.Registrable():
		return "disguised", fmt.Sprintf("a link shows %s and leads to %s", shown, d)
	}
	return "", ""
}

// hasUser reports whether a web address has a user name: https://bank.example@evil.
func hasUser(rawURL string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && u.Host != "" && u.User != nil
}

// shown are texts that a person takes for a web address; the bare domain at least
// must look like one.
var (
	shownURL  = regexp.MustCompile(`(?i)^(?:https?://|www\.)[^\s/]+(?:/\S*)?$`)
	shownHost = regexp.MustCompile(`(?i)^[a-z0-9.-]+\.[a-z]{2,}/?$`)
)

// shownDomain is the domain that the text of a link pretends to lead to; zero when
// it names none.
func shownDomain(text string) mail.Domain {
	text = strings.TrimSpace(text)
	switch {
	case shownURL.MatchString(text):
		d, _ := target(text)
		return d
	case shownHost.MatchString(text):
		d, err := mail.ParseDomain(strings.TrimSuffix(text, "/"))
		if err != nil {
			return mail.Domain{}
		}
		top := d.String()[strings.LastIndexByte(d.String(), '.')+1:]
		_, registered := publicsuffix.PublicSuffix(d.String())
		if registered && !slices.Contains(knownLookalikes().FileNames, top) {
			return d
		}
	}
	return mail.Domain{}
}

// maxCompared bounds the names compared with each other.
const maxCompared = 100

var messageCousins = rule{About{
	ID:       "message.cousins",
	Question: "Do the names in the message stand under one domain, and not beside it?",
	Why: "example-news.com looks like example.com and is not: nobody can tell it from a forger's, it inherits no reputation, and people learn to " +
		"trust any name that looks near enough.",
	Fix:       "Use subdomains (news.example.com) with keys and records of their own, not further domains that resemble yours.",
	Refs:      []string{"UTS 39 4", "RFC 5890 4.4"},
	Rows:      []string{"BL-URL"},
	Practices: []string{"D11"},
	Who:       finding.DNSOwner,
	Scope:     Message,
	Needs:     readable,
	Codes: []Code{
		{"none", finding.Green, "no name resembles the sender's without being it"},
		{"mixed-scripts", finding.Red, "a name mixes letters that look alike"},
		{"cousin", finding.Yellow, "a name resembles the sender's without being it"},
	},
}, ofMessage(func(ctx context.Context, s *Subject, m *Sample, f finding.Finding) finding.Finding {
	named := s.namedDomains(ctx)
	f.Code, f.Summary = "none", "no name in the message resembles the sender's without being it"
	for _, d := range named {
		if word, ok := mixedWord(d.Unicode()); ok {
			f.Subject, f.Code = d.String(), "mixed-scripts"
			f.Summary = fmt.Sprintf("%s, shown as %s, mixes letters of several scripts in %+q", d, d.Unicode(), word)
			return f
		}
	}
	for _, own := range s.ownDomains(ctx) {
		for _, d := range named {
			if how := likeness(d, own); how != "" && f.Code == "none" {
				f.Subject, f.Code = d.String(), "cousin"
				f.Summary = fmt.Sprintf("%s resembles %s: it %s", d.Registrable(), own.Registrable(), how)
				f.Fix = fmt.Sprintf("Use a subdomain of %s instead of %s.", own.Registrable(), d.Registrable())
			}
		}
	}
	return f
})}

// ownDomains are the names that the message is sent under: what others may be
// cousins of.
func (s *Subject) ownDomains(ctx context.Context) []mail.Domain {
	own := s.senderDomains(ctx)
	for _, v := range passing(s.Authentication(ctx).DKIM) {
		if !v.Domain.IsZero() && !slices.Contains(own, v.Domain) {
			own = append(own, v.Domain)
		}
	}
	return own[:min(len(own), maxShown)]
}

// namedDomains are the sender's names and all others that the message mentions.
func (s *Subject) namedDomains(ctx context.Context) []mail.Domain {
	m := s.Message(ctx)
	named := s.ownDomains(ctx)
	for _, field := range []string{"From", "Reply-To", "Sender"} {
		boxes, _ := m.Header.Addresses(field)
		for _, box := range boxes {
			named = append(named, box.Address.Domain)
		}
	}
	named = append(named, m.linkedDomains()...)
	named = slices.DeleteFunc(named, mail.Domain.IsZero)
	return named[:min(len(named), maxCompared)]
}
