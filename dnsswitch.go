package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/zone"
)

type dnsSwitchCommand struct {
	adminFlags
	Domain   string `arg:"" help:"The domain whose mail is to move here."`
	Status   bool   `help:"Only tell how far it is."`
	Untested bool   `help:"Move the mail without a test message: where this machine cannot reach its own port 25."`
}

// Examples end the help text.
func (dnsSwitchCommand) Examples() string {
	return `allgreen dns switch example.com
allgreen dns switch example.com --status --json`
}

// Run takes the switch as far as it can go now; running it again goes on.
func (c *dnsSwitchCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	flags := domainFlags{adminFlags: c.adminFlags, Domain: []string{c.Domain}}
	by, settings, err := flags.comparer(common, nil)
	if err != nil {
		return err
	}
	d, err := mail.ParseDomain(c.Domain)
	if err != nil {
		return usage(err, "write it as example.com")
	}
	if c.Status {
		st, err := setup.ReadSwitch(settings.Data, d)
		if errors.Is(err, fs.ErrNotExist) {
			return noInput(fmt.Errorf("no switch of %s was begun", d), "begin it with: allgreen dns switch "+d.String())
		}
		if err != nil {
			return noInput(err, "the data folder of the configuration holds it")
		}
		return c.print(io.out, st)
	}
	all, err := flags.wanted(ctx, common)
	if err != nil {
		return err
	}
	s := &setup.Switch{
		World: by.World, Provider: by.Provider, Name: by.Name, Domain: d, MX: exchangersOf(all[0]), Data: settings.Data,
		Test: func(ctx context.Context) error { return c.test(ctx, by, all[0]) },
	}
	st, err := s.Go(ctx)
	if err != nil && !errors.Is(err, setup.ErrSwitchWaits) {
		return whyNotPublished(err)
	}
	if printErr := c.print(io.out, st); printErr != nil || st.Phase == setup.Switched || st.Phase == setup.Settling {
		return printErr
	}
	return exit(exitTemporary)
}

// exchangersOf are the MX values that a domain wants.
func exchangersOf(d web.DomainRecords) (values []string) {
	for _, r := range d.Records {
		if r.Type == "MX" && r.Name == d.Domain+"." {
			values = append(values, r.Value)
		}
	}
	return values
}

// test holds the mail where it is until all else is published, and until this server has
// taken a message for the domain.
func (c *dnsSwitchCommand) test(ctx context.Context, by *comparer, d web.DomainRecords) error {
	others := slices.DeleteFunc(slices.Clone(d.Records), func(r finding.Record) bool { return r.Type == "MX" })
	one, err := by.compare(ctx, web.DomainRecords{Domain: d.Domain, Records: others})
	if err != nil {
		return err
	}
	for _, s := range one.Steps {
		if s.Status == zone.Add || s.Status == zone.Merge {
			return fmt.Errorf("%s %s is not published yet; first: %s dns publish %s", strings.TrimSuffix(s.Name.String(), "."), s.Type, calledAs(), d.Domain)
		}
	}
	if c.Untested {
		return nil
	}
	_, host, _ := strings.Cut(exchangersOf(d)[0], " ")
	name, err := mail.ParseDomain(strings.TrimSuffix(host, "."))
	if err != nil {
		return err
	}
	return setup.Knock(ctx, by.World, name, mail.Address{Local: "postmaster", Domain: mail.MustParseDomain(d.Domain)})
}

func (c *dnsSwitchCommand) print(w io.Writer, st setup.SwitchState) error {
	if c.JSON {
		return printJSON(w, st)
	}
	old := strings.Join(st.OldHosts(), " and ")
	switch st.Phase {
	case setup.Switched:
		fmt.Fprintf(w, "%s has its mail here\nthe records that waited for it: %s dns publish %s\n", st.Domain, calledAs(), st.Domain)
	case setup.Settling:
		fmt.Fprintf(w, "the mail of %s has moved here\n%s\n", st.Domain, st.Waits)
		fmt.Fprintf(w, "what leads mail programs here: %s dns publish %s\n", calledAs(), st.Domain)
		if old != "" {
			fmt.Fprintf(w, "it was at %s; what came in there meanwhile: %s import imap %s\n", old, calledAs(), st.OldHosts()[0])
		}
	default:
		fmt.Fprintf(w, "the mail of %s is still at %s (%s)\n%s\nthen run this again; it goes on from here\n", st.Domain, old, st.Phase, st.Waits)
	}
	if st.Undo != "" {
		fmt.Fprintf(w, "to go back: %s dns undo %s\n", calledAs(), st.Undo)
	}
	return nil
}
