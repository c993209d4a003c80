package provider

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
)

// TestExamples: every example hits its own rule first, and where the rule does
// not need to know who answered, it does so without.
func TestExamples(t *testing.T) {
	d := New()
	for i := range d.rules {
		r := &d.rules[i]
		p, err := Read(r.Example)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		if got := d.Classify(p.Reply, hostOf(t, d, r.Provider)); got.Rule != r.ID {
			t.Errorf("%s: %q hits %q", r.ID, r.Example, got.Rule)
		}
		if r.Here {
			continue
		}
		got := d.Classify(p.Reply, mail.Domain{})
		if got.Rule != r.ID {
			t.Errorf("%s: without a host %q hits %q", r.ID, r.Example, got.Rule)
		}
		if got.Provider != r.Provider && r.Provider != "" {
			t.Errorf("%s: without a host the provider is %q", r.ID, got.Provider)
		}
	}
}

// hostOf is a host of a provider.
func hostOf(t testing.TB, d *Directory, id string) mail.Domain {
	t.Helper()
	if id == "" {
		return mail.Domain{}
	}
	p, ok := d.Get(id)
	if !ok {
		t.Fatalf("there is no provider %q", id)
	}
	if len(p.MX) == 0 {
		return mail.Domain{}
	}
	host := p.MX[0]
	if strings.HasPrefix(host, ".") {
		host = "mx1" + host
	}
	return mail.MustParseDomain(host)
}

func TestRules(t *testing.T) {
	d := New()
	seen := map[string]bool{}
	for i := range d.rules {
		r := &d.rules[i]
		if r.ID == "" || seen[r.ID] {
			t.Errorf("the id %q is there twice, or empty", r.ID)
		}
		seen[r.ID] = true
		if _, ok := d.classes[r.Class]; !ok {
			t.Errorf("%s: there is no class %q", r.ID, r.Class)
		}
		if !slices.Contains(scopes, r.Scope) {
			t.Errorf("%s: there is no scope %q", r.ID, r.Scope)
		}
		if r.Permanence != "" && r.Permanence != Permanent && r.Permanence != Transient {
			t.Errorf("%s: permanence %q", r.ID, r.Permanence)
		}
		if len(r.Codes) == 0 || slices.ContainsFunc(r.Codes, func(c string) bool { return len(c) != 3 || c[0] != '4' && c[0] != '5' }) {
			t.Errorf("%s: codes %q", r.ID, r.Codes)
		}
		if len(needs(r.Pattern.String())) == 0 {
			t.Errorf("%s: the index finds no word in %s, so it is tried for every reply", r.ID, r.Pattern)
		}
		if r.Here && r.Provider == "" {
			t.Errorf("%s: here is nowhere", r.ID)
		}
		checkURL(t, r.ID, r.Link)
		checkText(t, r.ID, r.Advice)
	}
}

var scopes = []Scope{Address, Network, Domain, DKIMKey, Recipient, Message, Receiver}

func TestClasses(t *testing.T) {
	d := New()
	var all []Class
	read("classes.json", classesJSON, &all)
	if len(all) != len(d.classes) {
		t.Error("a class is there twice")
	}
	for _, c := range all {
		if c.Means == "" || c.Advice == "" {
			t.Errorf("%s says nothing to people", c.Name)
		}
		checkText(t, c.Name, c.Advice)
	}
	for _, g := range d.guesses.Codes {
		if _, ok := d.classes[g.Class]; !ok || !slices.Contains(scopes, g.Scope) {
			t.Errorf("%v", g)
		}
	}
	for _, g := range d.guesses.Words {
		if _, ok := d.classes[g.Class]; !ok || !slices.Contains(scopes, g.Scope) {
			t.Errorf("%v", g)
		}
	}
}

func TestProviders(t *testing.T) {
	d := New()
	hosts, ids := map[string]string{}, map[string]bool{}
	for _, p := range d.All() {
		if ids[p.ID] || p.Name == "" {
			t.Errorf("provider %q is there twice, or has no name", p.ID)
		}
		ids[p.ID] = true
		for _, host := range p.MX {
			if hosts[host] != "" {
				t.Errorf("%s belongs to %s and to %s", host, p.ID, hosts[host])
			}
			hosts[host] = p.ID
			if _, err := mail.ParseDomain(strings.TrimPrefix(host, ".")); err != nil {
				t.Errorf("%s: %v", p.ID, err)
			}
		}
		for _, domain := range p.Domains {
			if _, err := mail.ParseDomain(strings.TrimSuffix(domain, ".*")); err != nil {
				t.Errorf("%s: %v", p.ID, err)
			}
		}
		for _, k := range p.Kin {
			if _, ok := d.Get(k); !ok {
				t.Errorf("%s: no kin %q", p.ID, k)
			}
		}
		for _, u := range []string{p.Pages.Postmaster, p.Pages.Guidelines, p.Pages.Errors, p.Pages.FAQ, p.Complaints.URL, p.Delisting.Form} {
			checkURL(t, p.ID, u)
		}
		if p.Delisting.Mail != "" {
			if _, err := mail.ParseAddress(p.Delisting.Mail); err != nil {
				t.Errorf("%s: %v", p.ID, err)
			}
		}
		if !slices.Contains([]string{"high", "medium", "low"}, p.Sure) {
			t.Errorf("%s: sure %q", p.ID, p.Sure)
		}
	}
}

func checkURL(t *testing.T, id, link string) {
	t.Helper()
	if link == "" {
		return
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "mailto" || u.Scheme == "https" && u.Host == "" {
		t.Errorf("%s: the link %q does not lead anywhere", id, link)
	}
}

func checkText(t *testing.T, id, s string) {
	t.Helper()
	if s != "" && !strings.HasSuffix(s, ".") || strings.Contains(s, "  ") {
		t.Errorf("%s: %q is no whole sentence", id, s)
	}
}

// TestIndexHidesNothing: what the index does not offer would not have matched.
func TestIndexHidesNothing(t *testing.T) {
	d := New()
	for i := range d.rules {
		text := strings.ToUpper(d.rules[i].Example) + " " + d.rules[i].Example
		found := d.index.look(text)
		for j := range d.rules {
			if d.rules[j].Pattern.MatchString(text) && !found.rules.has(j) {
				t.Errorf("%s matches %q, and the index hides it", d.rules[j].ID, text)
			}
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	d := New()
	var replies []mail.Reply
	var hosts []mail.Domain
	for i := range d.rules {
		p, err := Read(d.rules[i].Example)
		if err != nil {
			b.Fatal(err)
		}
		replies, hosts = append(replies, p.Reply), append(hosts, hostOf(b, d, d.rules[i].Provider))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.Classify(replies[i%len(replies)], hosts[i%len(hosts)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "replies/s")
}
