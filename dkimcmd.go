package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// dkimCommand rotates the keys that sign.
type dkimCommand struct {
	List   dkimListCommand   `cmd:"" help:"List the keys and where they stand: planned, active, retired, revoked."`
	Rotate dkimRotateCommand `cmd:"" help:"Make new keys, publish them, wait until they are seen, and sign with them. It goes on where it was interrupted."`
	Revoke dkimRevokeCommand `cmd:"" help:"Empty the records of keys that signed long ago."`
}

// Examples end the help text.
func (dkimCommand) Examples() string {
	return `allgreen dkim list
allgreen dkim rotate example.com
allgreen dkim revoke example.com`
}

type dkimListCommand struct {
	adminFlags
	Domain string `arg:"" optional:"" help:"Only the keys of this domain."`
}

// Examples end the help text.
func (dkimListCommand) Examples() string {
	return `allgreen dkim list
allgreen dkim list example.com --json`
}

// Run lists.
func (c *dkimListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	keys, err := ask(ctx, c.adminFlags, common, web.DKIMKeys, web.DomainName{Domain: c.Domain})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"keys": keys})
	}
	var rows [][]string
	for _, k := range keys {
		rows = append(rows, []string{k.Domain, k.Selector, k.Algorithm, k.State, clock(k.Since), day(k.Next)})
	}
	heads := []show.Column{{Title: "domain", Keep: true}, {Title: "selector", Keep: true}, {Title: "algorithm"}, {Title: "state"}, {Title: "since"}, {Title: "next key"}}
	return show.Table(io.out, heads, rows, tableWidth(io.out))
}

// keyFlags are those of commands that change the records of keys.
type keyFlags struct {
	adminFlags
	Domain string        `arg:"" help:"The domain."`
	Wait   time.Duration `default:"30m" help:"How long to wait until the name servers of the zone show the records." placeholder:"DUR"`
}

// records are what the server wants published of some keys.
func (f keyFlags) records(ctx context.Context, common commonFlags, keys []web.DKIMKey) (web.DomainRecords, error) {
	flags := domainFlags{adminFlags: f.adminFlags, Domain: []string{f.Domain}}
	all, err := flags.wanted(ctx, common)
	if err != nil {
		return web.DomainRecords{}, err
	}
	all[0].Records = slices.DeleteFunc(all[0].Records, func(r finding.Record) bool {
		return !slices.ContainsFunc(keys, func(k web.DKIMKey) bool { return r.Name == keyName(k) })
	})
	return all[0], nil
}

func keyName(k web.DKIMKey) string { return k.Selector + "._domainkey." + k.Domain + "." }

// publish has the records of some keys there, and seen: written where somebody
// publishes for us, else by whoever runs the command.
func (f keyFlags) publish(ctx context.Context, io streams, common commonFlags, keys []web.DKIMKey, replace []string) error {
	d, err := f.records(ctx, common, keys)
	if err != nil {
		return err
	}
	by, _, err := domainFlags{adminFlags: f.adminFlags}.comparer(common, replace)
	if err != nil {
		return err
	}
	plan, err := by.compare(ctx, d)
	if err != nil {
		return err
	}
	for _, s := range plan.Steps {
		if s.Status == zone.Keep {
			return &failure{exitFailed, fmt.Errorf("%s holds something else: %s", s.Name, s.Note), "look at it with: allgreen dns diff " + f.Domain}
		}
	}
	changes := plan.Changes()
	if len(changes) > 0 && by.Provider == nil {
		fmt.Fprint(io.err, identity.Fragment(mail.MustParseDomain(d.Domain), d.Records))
		return &failure{exitTemporary, errors.New("these records are to be published first"), "publish them, then run the command again"}
	}
	if len(changes) > 0 {
		if err := by.Provider.Write(ctx, plan.Zone, changes); err != nil {
			return whyNotPublished(err)
		}
	}
	return f.await(ctx, io, by.World, plan)
}

// await waits for all records of the plan, also those that were there already: a server
// behind the others may not have them yet.
func (f keyFlags) await(ctx context.Context, io streams, w *world.World, plan *setup.Comparison) error {
	var all []zone.Change
	for _, s := range plan.Steps {
		all = append(all, zone.Change{After: zone.Set{Name: s.Name, Type: s.Type, Values: s.Result}})
	}
	ctx, cancel := context.WithTimeout(ctx, f.Wait)
	defer cancel()
	line := newProgressLine(io.err)
	defer line.clear()
	err := zone.Await(ctx, w, plan.Zone, all, func(left []zone.Awaited) { line.show("waiting for %s", left[0]) })
	if err != nil {
		return &failure{exitTemporary, err, "run the command again; it goes on from here"}
	}
	return nil
}

type dkimRotateCommand struct{ keyFlags }

// Examples end the help text.
func (dkimRotateCommand) Examples() string { return "allgreen dkim rotate example.com" }

// Run makes, publishes, waits and switches.
func (c *dkimRotateCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	next, err := ask(ctx, c.adminFlags, common, web.DKIMPlan, web.DomainName{Domain: c.Domain})
	if err != nil {
		return err
	}
	if err := c.publish(ctx, io, common, next, nil); err != nil {
		return err
	}
	keys, err := ask(ctx, c.adminFlags, common, web.DKIMSwitch, web.DomainName{Domain: c.Domain})
	if err != nil {
		if !c.signsWith(ctx, common, next) { // the server may have been faster
			return err
		}
		keys = next
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"keys": keys})
	}
	_, err = fmt.Fprintf(io.out, "%s signs with %s from now on; the old keys stay published for mail under way\nin a week: %s dkim revoke %s\n",
		c.Domain, selectors(next), calledAs(), c.Domain)
	return err
}

// signsWith reports whether the server signs with all these keys.
func (c *dkimRotateCommand) signsWith(ctx context.Context, common commonFlags, keys []web.DKIMKey) bool {
	now, err := ask(ctx, c.adminFlags, common, web.DKIMKeys, web.DomainName{Domain: c.Domain})
	return err == nil && !slices.ContainsFunc(keys, func(k web.DKIMKey) bool {
		return !slices.ContainsFunc(now, func(o web.DKIMKey) bool { return o.Selector == k.Selector && o.State == string(identity.Active) })
	})
}

func selectors(keys []web.DKIMKey) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.Selector)
	}
	return strings.Join(all, " and ")
}

type dkimRevokeCommand struct {
	keyFlags
	After  time.Duration `default:"168h" help:"Only keys that have not signed for so long: mail under way needs the others." placeholder:"DUR"`
	Forget time.Duration `default:"2160h" help:"Drop keys, and their empty records, that were revoked so long ago." placeholder:"DUR"`
}

// Examples end the help text.
func (dkimRevokeCommand) Examples() string {
	return `allgreen dkim revoke example.com
allgreen dkim revoke example.com --after 0s     the key was stolen`
}

// Run empties records, and drops those that were empty for long.
func (c *dkimRevokeCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	before, err := ask(ctx, c.adminFlags, common, web.DKIMKeys, web.DomainName{Domain: c.Domain})
	if err != nil {
		return err
	}
	left, err := ask(ctx, c.adminFlags, common, web.DKIMForget, web.DKIMAge{Domain: c.Domain, Age: int64(c.Forget / time.Second)})
	if err != nil {
		return err
	}
	forgotten := slices.DeleteFunc(before, func(k web.DKIMKey) bool {
		return slices.ContainsFunc(left, func(o web.DKIMKey) bool { return o.Selector == k.Selector })
	})
	if err := c.takeAway(ctx, common, forgotten); err != nil {
		return err
	}
	revoked, err := ask(ctx, c.adminFlags, common, web.DKIMRevoke, web.DKIMAge{Domain: c.Domain, Age: int64(c.After / time.Second)})
	if err != nil {
		return err
	}
	if len(revoked) > 0 {
		var replace []string
		for _, k := range revoked {
			replace = append(replace, keyName(k)+"/TXT")
		}
		if err := c.publish(ctx, io, common, revoked, replace); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"revoked": revoked, "forgotten": forgotten})
	}
	_, err = fmt.Fprintf(io.out, "%d keys of %s are revoked, %d forgotten\n", len(revoked), c.Domain, len(forgotten))
	return err
}

// takeAway removes the records of keys that nobody knows any more, where somebody
// publishes for us and they are still the empty ones.
func (c *dkimRevokeCommand) takeAway(ctx context.Context, common commonFlags, keys []web.DKIMKey) error {
	by, _, err := domainFlags{adminFlags: c.adminFlags}.comparer(common, nil)
	if err != nil || by.Provider == nil || len(keys) == 0 {
		return err
	}
	at, err := zone.Apex(ctx, by.World, world.NameOf(mail.MustParseDomain(c.Domain)))
	if err != nil {
		return whyNotPublished(err)
	}
	var names []world.Name
	for _, k := range keys {
		names = append(names, world.Name(keyName(k)))
	}
	present, err := by.Provider.Read(ctx, at, names)
	if err != nil {
		return whyNotPublished(err)
	}
	var changes []zone.Change
	for _, s := range present {
		if s.Type == "TXT" && len(s.Values) == 1 && strings.HasSuffix(s.Values[0], `p="`) {
			changes = append(changes, zone.Change{Before: s, After: zone.Set{Name: s.Name, Type: s.Type}})
		}
	}
	if err := by.Provider.Write(ctx, at, changes); err != nil {
		return whyNotPublished(err)
	}
	return nil
}
