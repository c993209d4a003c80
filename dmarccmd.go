package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// dmarcCommand shows the way of the domains to p=reject.
type dmarcCommand struct {
	List dmarcListCommand `cmd:"" default:"withargs" help:"Show the policy of each domain, and when the next is planned."`
	Step dmarcStepCommand `cmd:"" help:"Take a step now: the next, or the one that is named."`
}

// Examples end the help text.
func (dmarcCommand) Examples() string {
	return `allgreen dmarc
allgreen dmarc list --json
allgreen dmarc step example.com
allgreen dmarc step example.com --to none     mail got lost: back`
}

type dmarcListCommand struct{ adminFlags }

// Examples end the help text.
func (dmarcListCommand) Examples() string {
	return `allgreen dmarc
allgreen dmarc list --json`
}

// Run lists.
func (c *dmarcListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	steps, err := ask(ctx, c.adminFlags, common, web.DMARCSteps, web.None{})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"domains": steps})
	}
	return printSteps(io.out, steps)
}

func printSteps(w io.Writer, steps []setup.DMARCStep) error {
	var rows [][]string
	for _, s := range steps {
		since := day(s.Since)
		if since == "" {
			since = "not seen yet"
		}
		rows = append(rows, []string{s.Domain, string(s.Policy), since, string(s.Next), day(s.Due)})
	}
	heads := []show.Column{{Title: "domain", Keep: true}, {Title: "policy"}, {Title: "since"}, {Title: "next"}, {Title: "planned"}}
	if err := show.Table(w, heads, rows, tableWidth(w)); err != nil {
		return err
	}
	for _, s := range steps {
		switch {
		case s.Held != "":
			fmt.Fprintf(w, "%s: p=%s waits: %s\n", s.Domain, s.Next, show.Clean(s.Held))
		case s.Asks && !s.Due.IsZero():
			fmt.Fprintf(w, "%s: p=%s asks you first, unless reports allow it\n", s.Domain, s.Next)
		}
	}
	return nil
}

// day is a date; "" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02")
}

type dmarcStepCommand struct {
	adminFlags
	Domain string `arg:"" help:"The domain."`
	To     string `help:"The policy: none, quarantine or reject." placeholder:"POLICY"`
}

// Examples end the help text.
func (dmarcStepCommand) Examples() string {
	return `allgreen dmarc step example.com
allgreen dmarc step example.com --to quarantine`
}

// Run takes the step.
func (c *dmarcStepCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	if c.To != "" && !slices.Contains([]string{"none", "quarantine", "reject"}, c.To) {
		return usage(fmt.Errorf("%.40q is no DMARC policy", c.To), "it is none, quarantine or reject")
	}
	step, err := ask(ctx, c.adminFlags, common, web.DMARCStep, web.DMARCWish{Domain: c.Domain, Policy: c.To})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, step)
	}
	_, err = fmt.Fprintf(io.out, "%s has p=%s since %s\n", step.Domain, step.Policy, day(step.Since))
	return err
}
