package check

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

// Limits of one page.
const (
	pagePatience = 10 * time.Second
	maxPage      = 1 << 20 // octets read
	maxRedirects = 3
)

// WebPage is what stands at an address on the web.
type WebPage struct {
	URL    *url.URL // where it stands, redirects followed
	Status int
	Type   string         // media type, lower case
	Body   []byte         // of HTML and plain text, its first megabyte
	Links  []message.Link // of HTML
	Trail  []string       // what was asked and answered, as evidence
	Err    error          // why there is no answer
}

// Answers reports whether there is a page.
func (p *WebPage) Answers() bool { return p.Err == nil && p.Status == http.StatusOK }

// pages are the web pages that a whole run has seen.
type pages struct {
	web shared[string, *WebPage]
}

// WebPage fetches a page by https once in a run. It follows up to three redirects
// within https, and goes only to hosts with public addresses: a stranger's redirect
// must not make us knock inside our own network.
func (s *Subject) WebPage(ctx context.Context, at string) *WebPage {
	b := s.forRun()
	b.keep = keptPages
	return s.hosts.web.get(ctx, b, at, func(ctx context.Context) *WebPage {
		p := &WebPage{}
		p.URL, p.Err = url.Parse(at)
		for range maxRedirects + 1 {
			var next *url.URL
			if p.Err == nil {
				next, p.Err = s.fetchPage(ctx, p)
			}
			if p.Err != nil || next == nil {
				return p
			}
			p.URL = next
		}
		p.Err = fmt.Errorf("more than %d redirects", maxRedirects)
		return p
	})
}

// fetchPage asks once and tells where the answer points to, nil when it is the page.
func (s *Subject) fetchPage(ctx context.Context, p *WebPage) (next *url.URL, err error) {
	if err := s.mayFetch(ctx, p.URL); err != nil {
		p.Trail = append(p.Trail, fmt.Sprintf("GET %s: %s", p.URL, evidenceOf(err)))
		return nil, err
	}
	leave, err := s.hosts.enter(ctx, "https://"+p.URL.Host)
	if err != nil {
		return nil, err
	}
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "allgreen")
	response, err := s.World.HTTPClient(pagePatience).Do(request)
	if err != nil {
		p.Trail = append(p.Trail, err.Error())
		return nil, err
	}
	defer response.Body.Close()
	p.Status = response.StatusCode
	p.Type, _, _ = mime.ParseMediaType(response.Header.Get("Content-Type"))
	location := response.Header.Get("Location")
	if p.Status >= 300 && p.Status < 400 && location != "" {
		p.Trail = append(p.Trail, fmt.Sprintf("GET %s: %d to %.200q", p.URL, p.Status, location))
		return p.URL.Parse(location)
	}
	p.Trail = append(p.Trail, fmt.Sprintf("GET %s: %d %s", p.URL, p.Status, p.Type))
	return nil, p.read(response.Body)
}

func (p *WebPage) read(body io.Reader) error {
	if !strings.HasPrefix(p.Type, "text/") && p.Type != "application/xhtml+xml" {
		return nil
	}
	var err error
	if p.Body, err = io.ReadAll(io.LimitReader(body, maxPage)); err != nil {
		return err
	}
	if p.Type != "text/plain" {
		p.Links, err = message.HTMLLinks(bytes.NewReader(p.Body))
	}
	return err
}

// errNotFetched is wrapped by the reasons for which a page is not even asked for.
var errNotFetched = errors.New("not fetched")

func (s *Subject) mayFetch(ctx context.Context, at *url.URL) error {
	host, err := mail.ParseDomain(at.Hostname())
	switch {
	case at.Scheme != "https" || at.User != nil || at.Port() != "" && at.Port() != "443":
		return fmt.Errorf("%w: %.200q is no plain https address", errNotFetched, at.Redacted())
	case err != nil:
		return fmt.Errorf("%w: %w", errNotFetched, err)
	}
	ips, err := world.LookupHost(ctx, s.World, host)
	if err != nil {
		return err
	}
	for _, ip := range ips {
		if !s.World.IsPublic(ip) {
			return fmt.Errorf("%w: %s has the address %s, which is not public", errNotFetched, host, ip)
		}
	}
	return nil
}

// isUnclear reports that a failed fetch shows nothing about the site: no answer from
// the DNS, no time, no way there. Anything else was seen, and is wrong.
func isUnclear(err error) bool {
	return errors.Is(err, world.ErrTemporary) || errors.Is(err, world.ErrBogus) || errors.Is(err, world.ErrNoWorld) ||
		isNoRoute(err) || errors.Is(err, context.Canceled) || isLate(err)
}

// HomePage is the page of a domain: at the name itself, or else at www below it.
func (s *Subject) HomePage(ctx context.Context, d mail.Domain) *WebPage {
	first := s.WebPage(ctx, "https://"+d.String()+"/")
	if first.Answers() || isUnclear(first.Err) {
		return first
	}
	second := s.WebPage(ctx, "https://www."+d.String()+"/")
	if second.Answers() || isUnclear(second.Err) || isAbsence(first.Err) && !isAbsence(second.Err) {
		return second
	}
	return first
}

//go:embed web.json
var webJSON []byte

// pageKinds are words that links to pages of each kind have, in text or address.
var pageKinds = sync.OnceValue(func() map[string][]string {
	var kinds map[string][]string
	if err := json.Unmarshal(webJSON, &kinds); err != nil {
		panic("check: web.json: " + err.Error())
	}
	return kinds
})

// linksTo are the pages of one kind that a page links, each once, on https.
func (p *WebPage) linksTo(kind string) []string {
	var found []string
	for _, l := range p.Links {
		at, err := p.URL.Parse(l.URL)
		if l.Tag != "a" || err != nil || at.Scheme != "https" && at.Scheme != "http" || !isAbout(l, pageKinds()[kind]) {
			continue
		}
		at.Scheme, at.Fragment = "https", ""
		if !slices.Contains(found, at.String()) {
			found = append(found, at.String())
		}
	}
	return found
}

func isAbout(l message.Link, words []string) bool {
	text, path := strings.ToLower(l.Text), strings.ToLower(l.URL)
	return slices.ContainsFunc(words, func(word string) bool {
		return hasWord(text, word) || hasWord(path, word)
	})
}

// hasWord reports whether a text has a word that begins so: "unsubscribe" is not
// "subscribe". Scripts without spaces between words have it anywhere.
func hasWord(text, word string) bool {
	first, _ := utf8.DecodeRuneInString(word)
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at+i])
		if !unicode.Is(unicode.Latin, first) || !unicode.IsLetter(before) {
			return true
		}
		at += i + len(word)
	}
}
