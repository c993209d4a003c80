package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/zone"
)

// defaultWait is how long publishing waits until it is seen, where nobody says.
const defaultWait = 10 * time.Minute

type dnsPublishCommand struct {
	domainFlags
	Replace []string      `help:"Put ours in the place of what is there, for a type (MX) or a set (mta-sts.example.com/CNAME). Repeatable." placeholder:"[NAME/]TYPE" sep:","`
	Wait    time.Duration `default:"10m" help:"How long to wait until the name servers of the zone show it; 0 does not." placeholder:"DUR"`
	Undo    string        `help:"Where to write how to take it back; the default is a file in the data folder." placeholder:"FILE"`
	Yes     bool          `help:"Do not ask."`
}

// Examples end the help text.
func (dnsPublishCommand) Examples() string {
	return `allgreen dns publish
allgreen dns publish example.com --replace MX --undo undo.json --yes`
}

// Run publishes one domain after the other.
func (c *dnsPublishCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := c.wanted(ctx, common)
	if err != nil {
		return err
	}
	by, _, err := c.comparer(common, c.Replace)
	if err != nil {
		return err
	}
	if by.Provider == nil {
		return noProvider()
	}
	list, unseen := []setup.Published{}, false
	for _, d := range all {
		one, err := by.compare(ctx, d)
		if err != nil {
			return err
		}
		if !c.JSON {
			one.WriteDiff(io.out, common.Verbose)
		}
		done := setup.Published{Comparison: one, Seen: true}
		if len(one.Changes()) > 0 {
			if err := c.confirm(io, one); err != nil {
				return err
			}
			if done, err = c.publish(ctx, io, by, one); err != nil {
				return err
			}
		}
		unseen = unseen || c.Wait > 0 && !done.Seen
		list = append(list, done)
	}
	if c.JSON {
		if err := printJSON(io.out, map[string]any{"domains": list}); err != nil {
			return err
		}
	}
	if unseen {
		return &failure{exitTemporary, errors.New("all is written, and not every name server of the zone shows it yet"), "allgreen dns diff shows when they do"}
	}
	return nil
}

func noProvider() error {
	return usage(errors.New("the configuration names nobody who publishes"),
		"write [dns] provider = \"rfc2136\" and what belongs to it (docs/configuration.md), or paste what allgreen dns records prints")
}

// confirm asks, because names of others are at stake.
func (c *dnsPublishCommand) confirm(io streams, one *setup.Comparison) error {
	if c.Yes {
		return nil
	}
	fmt.Fprintf(io.err, "Write %d sets into %s? Type yes to go on: ", len(one.Changes()), one.Zone)
	line, _ := bufio.NewReader(io.in).ReadString('\n') // what is no answer is no yes
	if strings.TrimSpace(line) != "yes" {
		return usage(errors.New("nothing was written"), "say --yes where nobody can be asked")
	}
	return nil
}

// publish writes the changes, and tells how to take them back.
func (c *dnsPublishCommand) publish(ctx context.Context, io streams, by *comparer, one *setup.Comparison) (setup.Published, error) {
	line := newProgressLine(io.err)
	by.Wait, by.UndoFile = c.Wait, c.Undo
	by.Waiting = func(left []zone.Awaited) { line.show("waiting for %d sets, as %s", len(left), left[0]) }
	done, err := by.Publish(ctx, one)
	line.clear()
	if err != nil {
		return done, whyNotPublished(err)
	}
	if !c.JSON {
		fmt.Fprintf(io.out, "%d sets are written into %s; to take them back: %s dns undo %s\n", done.Written, one.Zone, calledAs(), done.Undo)
		if left := len(one.Changes()) - done.Written; left > 0 {
			fmt.Fprintf(io.out, "%d sets wait until the others are seen everywhere: run it again\n", left)
		}
	}
	return done, nil
}

type dnsUndoCommand struct {
	adminFlags
	File string `arg:"" help:"The file that publish has written."`
}

// Examples end the help text.
func (dnsUndoCommand) Examples() string {
	return "allgreen dns undo undo.json"
}

// Run takes changes back, where everything is still as publish left it.
func (c *dnsUndoCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return noInput(err, "publish tells where it writes the file")
	}
	var d setup.UndoDocument
	if err := json.Unmarshal(text, &d); err != nil || len(d.Changes) == 0 {
		return noInput(fmt.Errorf("%s does not tell how to take anything back", c.File), "publish tells where it writes the file")
	}
	by, settings, err := domainFlags{adminFlags: c.adminFlags}.comparer(common, nil)
	if err != nil {
		return err
	}
	if by.Provider == nil {
		return noProvider()
	}
	if settings.DNS.Provider != d.Provider {
		return badConfig(fmt.Errorf("it was published through %s, and [dns] names %s", d.Provider, settings.DNS.Provider), "name that provider again")
	}
	present, err := by.Provider.Read(ctx, d.Zone, zone.ChangedNames(d.Changes))
	if err != nil {
		return whyNotPublished(err)
	}
	left := zone.Left(d.Changes, present)
	if err := by.Provider.Write(ctx, d.Zone, zone.Undo(left)); err != nil {
		return whyNotPublished(err)
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"zone": d.Zone, "undone": len(left)})
	}
	_, err = fmt.Fprintf(io.out, "%d sets of %s are as they were\n", len(left), d.Zone)
	return err
}
