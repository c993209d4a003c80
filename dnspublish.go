package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

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

// published is what became of one domain.
type published struct {
	*comparison
	Written int      `json:"written"` // sets
	Seen    bool     `json:"seen"`    // at every name server of the zone
	Missing []string `json:"missing,omitempty"`
	Undo    string   `json:"undo,omitempty"` // file
}

// undoDocument takes changes of one zone back.
type undoDocument struct {
	Zone     world.Name    `json:"zone"`
	Provider string        `json:"provider"`
	Time     time.Time     `json:"time"`
	Changes  []zone.Change `json:"changes"` // as they were made
}

// Run publishes one domain after the other.
func (c *dnsPublishCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := c.wanted(ctx, common)
	if err != nil {
		return err
	}
	by, settings, err := c.comparer(common, c.Replace)
	if err != nil {
		return err
	}
	if by.provider == nil {
		return noProvider()
	}
	list, unseen := []published{}, false
	for _, d := range all {
		one, err := by.compare(ctx, d)
		if err != nil {
			return err
		}
		if !c.JSON {
			one.print(io.out, common.Verbose)
		}
		done := published{comparison: one, Seen: true}
		if len(one.Changes()) > 0 {
			if err := c.confirm(io, one); err != nil {
				return err
			}
			if done, err = c.publish(ctx, io, by, settings, one); err != nil {
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
func (c *dnsPublishCommand) confirm(io streams, one *comparison) error {
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

// publish writes how to take it back, then the records, then the MX records, each seen
// before the next.
func (c *dnsPublishCommand) publish(ctx context.Context, io streams, by *comparer, settings *config.Config, one *comparison) (done published, err error) {
	done = published{comparison: one, Seen: true}
	changes := one.Changes()
	if done.Undo, err = c.keepUndo(settings, undoDocument{one.Zone, settings.DNS.Provider, by.world.Now().UTC(), changes}); err != nil {
		return done, noInput(err, "--undo names another place")
	}
	for _, part := range inOrder(changes) {
		if err := by.provider.Write(ctx, one.Zone, part); err != nil {
			return done, whyNotPublished(err)
		}
		done.Written += len(part)
		if c.Wait <= 0 {
			done.Seen = false
		} else if done.Seen, done.Missing = c.await(ctx, io, by.world, one.Zone, part); !done.Seen {
			break
		}
	}
	if !c.JSON {
		fmt.Fprintf(io.out, "%d sets are written into %s; to take them back: %s dns undo %s\n", done.Written, one.Zone, calledAs(), done.Undo)
		if left := len(changes) - done.Written; left > 0 {
			fmt.Fprintf(io.out, "%d sets wait until the others are seen everywhere: run it again\n", left)
		}
	}
	return done, nil
}

// inOrder puts the MX records behind all else.
func inOrder(changes []zone.Change) [][]zone.Change {
	var first, last []zone.Change
	for _, c := range changes {
		if c.After.Type == "MX" {
			last = append(last, c)
		} else {
			first = append(first, c)
		}
	}
	var parts [][]zone.Change
	for _, part := range [][]zone.Change{first, last} {
		if len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// await waits until the name servers show it, and tells what they do not.
func (c *dnsPublishCommand) await(ctx context.Context, io streams, w *world.World, at world.Name, part []zone.Change) (seen bool, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	line := newProgressLine(io.err)
	defer line.clear()
	err := zone.Await(ctx, w, at, part, func(left []zone.Awaited) {
		missing = nil
		for _, l := range left {
			missing = append(missing, l.String())
		}
		line.show("waiting for %d sets, as %s", len(left), left[0])
	})
	if err == nil {
		return true, nil
	}
	return false, missing
}

// keepUndo writes the document before anything else is written, so that a crash in
// between leaves it.
func (c *dnsPublishCommand) keepUndo(settings *config.Config, d undoDocument) (string, error) {
	path := c.Undo
	if path == "" {
		name := fmt.Sprintf("%s-%s.json", strings.TrimSuffix(d.Zone.String(), "."), d.Time.Format("20060102T150405.000"))
		path = filepath.Join(settings.Data, "dns-undo", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(text, '\n'))
	return path, errors.Join(err, f.Sync(), f.Close())
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
	var d undoDocument
	if err := json.Unmarshal(text, &d); err != nil || len(d.Changes) == 0 {
		return noInput(fmt.Errorf("%s does not tell how to take anything back", c.File), "publish tells where it writes the file")
	}
	by, settings, err := domainFlags{adminFlags: c.adminFlags}.comparer(common, nil)
	if err != nil {
		return err
	}
	if by.provider == nil {
		return noProvider()
	}
	if settings.DNS.Provider != d.Provider {
		return badConfig(fmt.Errorf("it was published through %s, and [dns] names %s", d.Provider, settings.DNS.Provider), "name that provider again")
	}
	present, err := by.provider.Read(ctx, d.Zone, zone.ChangedNames(d.Changes))
	if err != nil {
		return whyNotPublished(err)
	}
	left := zone.Left(d.Changes, present)
	if err := by.provider.Write(ctx, d.Zone, zone.Undo(left)); err != nil {
		return whyNotPublished(err)
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"zone": d.Zone, "undone": len(left)})
	}
	_, err = fmt.Fprintf(io.out, "%d sets of %s are as they were\n", len(left), d.Zone)
	return err
}
