package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/provider"
	"github.com/allgreen-mail/allgreen/show"
)

// providerCommand shows the directory of big receivers. It needs no server.
type providerCommand struct {
	List providerListCommand `cmd:"" help:"List the receivers that are known."`
	Show providerShowCommand `cmd:"" help:"Show one: what it wants, its limits, its pages."`
}

// Examples end the help text.
func (providerCommand) Examples() string {
	return `allgreen provider list
allgreen provider show google
allgreen provider show hotmail.com`
}

type providerListCommand struct {
	Lab  bool `help:"As without: the directory is the same everywhere."`
	JSON bool `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (providerListCommand) Examples() string { return "allgreen provider list --json" }

// Run lists.
func (c *providerListCommand) Run(io streams) error {
	all := provider.New().All()
	if c.JSON {
		return printJSON(io.out, all)
	}
	var rows [][]string
	for _, p := range all {
		rows = append(rows, []string{p.ID, p.Name, strings.Join(p.MX, " "), p.Pages.Postmaster})
	}
	return show.Table(io.out, []show.Column{{Title: "id", Keep: true}, {Title: "name", Keep: true}, {Title: "MX"}, {Title: "postmaster"}}, rows, tableWidth(io.out))
}

type providerShowCommand struct {
	ID   string `arg:"" name:"id" help:"An id; or an MX host, or a recipient's domain."`
	Lab  bool   `help:"As without: the directory is the same everywhere."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (providerShowCommand) Examples() string {
	return `allgreen provider show t-online
allgreen provider show gmail-smtp-in.l.google.com`
}

// Run shows.
func (c *providerShowCommand) Run(io streams) error {
	p, ok := findProvider(provider.New(), c.ID)
	if !ok {
		return usage(fmt.Errorf("no provider is known as %q", c.ID), "allgreen provider list shows all")
	}
	if c.JSON {
		return printJSON(io.out, p)
	}
	return show.Pairs(io.out, providerPairs(p), width(io.out))
}

// findProvider takes an id, an MX host or a domain.
func findProvider(d *provider.Directory, name string) (*provider.Provider, bool) {
	if p, ok := d.Get(strings.ToLower(name)); ok {
		return p, true
	}
	domain, err := mail.ParseDomain(name)
	if err != nil {
		return nil, false
	}
	if p, ok := d.ByMX(domain); ok {
		return p, true
	}
	return d.ByDomain(domain)
}

func providerPairs(p *provider.Provider) [][2]string {
	l := p.Limits
	pairs := [][2]string{
		{"id", p.ID}, {"name", p.Name}, {"kind", string(p.Kind)}, {"MX", strings.Join(p.MX, " ")}, {"domains", strings.Join(p.Domains, " ")},
		{"connections", count(l.Connections)}, {"per connection", count(l.MessagesPerConnection)}, {"recipients", count(l.RecipientsPerMessage)},
		{"megabytes", count(l.Megabytes)}, {"per second", count(l.PerSecond)}, {"TLS", l.TLS},
	}
	for _, s := range p.Wants.All {
		pairs = append(pairs, [2]string{"of everybody", s})
	}
	for _, s := range p.Wants.Bulk {
		pairs = append(pairs, [2]string{"of bulk", s})
	}
	complaints := p.Complaints.How
	if p.Complaints.Name != "" {
		complaints = p.Complaints.Name + ": " + complaints
	}
	pairs = append(pairs, [][2]string{
		{"complaints", complaints}, {"", p.Complaints.URL}, {"figures", p.Figures},
		{"delisting", p.Delisting.Form}, {"write to", p.Delisting.Mail}, {"", p.Delisting.How},
		{"postmaster", p.Pages.Postmaster}, {"guidelines", p.Pages.Guidelines}, {"replies", p.Pages.Errors}, {"questions", p.Pages.FAQ},
	}...)
	for _, s := range p.Notes {
		pairs = append(pairs, [2]string{"note", s})
	}
	return append(pairs, [2]string{"sure", p.Sure})
}

// count is a number that is known.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
