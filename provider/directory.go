package provider

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

//go:embed providers.json
var providersJSON []byte

//go:embed replies.json
var repliesJSON []byte

//go:embed classes.json
var classesJSON []byte

//go:embed guesses.json
var guessesJSON []byte

// Directory is the providers and the rules for their replies. Make it with New;
// it never changes, and many may use it at once.
type Directory struct {
	providers []Provider
	byID      map[string]*Provider
	byMX      map[string]*Provider // host names, and suffixes with a dot before them
	byDomain  map[string]*Provider
	byStem    map[string]*Provider // the "hotmail" of hotmail.*

	rules   []rule
	classes map[string]Class
	guesses guesses
	index   *index
}

// New opens the embedded data. It takes some milliseconds: make one and keep it.
func New() *Directory {
	d := &Directory{
		byID: map[string]*Provider{}, byMX: map[string]*Provider{},
		byDomain: map[string]*Provider{}, byStem: map[string]*Provider{},
		classes: map[string]Class{},
	}
	read("providers.json", providersJSON, &d.providers)
	for i := range d.providers {
		d.enter(&d.providers[i])
	}
	var classes []Class
	read("classes.json", classesJSON, &classes)
	for _, c := range classes {
		d.classes[c.Name] = c
	}
	read("replies.json", repliesJSON, &d.rules)
	read("guesses.json", guessesJSON, &d.guesses)
	d.index = newIndex(d.rules, d.providers)
	return d
}

// read takes in a file that is part of the program: an error is our own bug.
func read(name string, text []byte, into any) {
	if err := json.Unmarshal(text, into); err != nil {
		panic(fmt.Sprintf("provider: %s: %s", name, err))
	}
}

func (d *Directory) enter(p *Provider) {
	d.byID[p.ID] = p
	for _, host := range p.MX {
		d.byMX[host] = p
	}
	for _, domain := range p.Domains {
		if stem, ok := strings.CutSuffix(domain, ".*"); ok {
			d.byStem[stem] = p
			continue
		}
		if _, taken := d.byDomain[domain]; !taken {
			d.byDomain[domain] = p
		}
	}
}

// All is every provider in the order of the data; they must not be changed.
func (d *Directory) All() []*Provider {
	all := make([]*Provider, len(d.providers))
	for i := range d.providers {
		all[i] = &d.providers[i]
	}
	return all
}

// Get finds a provider by its id.
func (d *Directory) Get(id string) (*Provider, bool) {
	p, ok := d.byID[id]
	return p, ok
}

// ByMX finds the provider that an MX host belongs to, by the longest name that
// fits. It is the better question: domains move, and their MX records tell.
func (d *Directory) ByMX(host mail.Domain) (*Provider, bool) {
	name := host.String()
	if p, ok := d.byMX[name]; ok {
		return p, true
	}
	for {
		dot := strings.IndexByte(name, '.')
		if dot < 0 {
			return nil, false
		}
		if p, ok := d.byMX[name[dot:]]; ok {
			return p, true
		}
		name = name[dot+1:]
	}
}

// ByDomain finds the provider of a recipient's domain, where the MX is not known.
func (d *Directory) ByDomain(domain mail.Domain) (*Provider, bool) {
	name := domain.String()
	if p, ok := d.byDomain[name]; ok {
		return p, true
	}
	stem, country, ok := strings.Cut(name, ".")
	if !ok || strings.Count(country, ".") > 1 {
		return nil, false
	}
	p, ok := d.byStem[stem]
	return p, ok
}

// Checks are the ids of all checks that a Meaning can name.
func (d *Directory) Checks() []string {
	all := map[string]bool{}
	for _, c := range d.classes {
		for _, id := range c.Checks {
			all[id] = true
		}
	}
	for i := range d.rules {
		for _, id := range d.rules[i].Checks {
			all[id] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
