package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// restoreCommand brings back what was.
type restoreCommand struct {
	Folders restoreFoldersCommand `cmd:"" default:"withargs" help:"Bring folders of a user back into a tree of their own; with --all a whole server."`
	Remove  restoreRemoveCommand  `cmd:"" help:"Take a restored tree away before its week is over."`
}

// Examples end the help text.
func (restoreCommand) Examples() string {
	return `allgreen restore anna@example.com --at 2026-11-21 --folder Work
allgreen restore remove anna@example.com 20261121T160500
allgreen restore --all --from /mnt/backup --key backup.key`
}

type restoreFoldersCommand struct {
	adminFlags
	repositoryFlags
	Address string   `arg:"" optional:"" name:"user" help:"Whose folders: the address of the account."`
	At      string   `help:"As they were at this time (UTC); without it the newest." placeholder:"TIME"`
	Folder  []string `help:"This folder and what is below it; repeatable. Without it all." placeholder:"NAME" sep:"none"`
	Yes     bool     `help:"Do not ask."`
	All     bool     `help:"The whole server, into an empty data folder; the server must not run."`
}

// Examples end the help text.
func (restoreFoldersCommand) Examples() string {
	return `allgreen restore anna@example.com --at 2026-11-21
allgreen restore anna@example.com --at 2026-11-21T16:05 --folder Work --yes
allgreen restore --all --from /mnt/backup --key backup.key`
}

// Run shows what would come, asks, and brings it.
func (c *restoreFoldersCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	at, name, err := parseMoment(c.At)
	switch {
	case err != nil:
		return err
	case c.All && (c.Address != "" || len(c.Folder) > 0):
		return usage(errors.New("--all is everybody's folders"), "leave the address and --folder out, or --all")
	case c.All:
		return (&revival{restoreFoldersCommand: c, at: at, name: name, io: io, common: common}).run(ctx)
	case c.Address == "":
		return usage(errors.New("nobody is named"), "allgreen restore anna@example.com, or --all for a whole server")
	case c.From != "":
		return usage(errors.New("--from is for --all"), "folders of a user come from the server's own backups")
	}
	q := web.RestoreQuery{Address: c.Address, At: at, Name: name, Folders: c.Folder}
	plan, err := ask(ctx, c.adminFlags, common, web.RestorePlan, q)
	if err != nil {
		return err
	}
	if !c.Yes {
		if c.JSON {
			return printJSON(io.out, plan)
		}
		if err := showPlan(io.out, plan); err != nil {
			return err
		}
		if !agreed(io, "Bring this into a new place of its own? Nothing else is changed. [y/N] ") {
			_, err := fmt.Fprintln(io.err, "Nothing was done. Say --yes where nobody can be asked.")
			return err
		}
	}
	q.Name = plan.Snapshot // what was shown, also when a newer one has come meanwhile
	done, err := awaitJob[web.RestoreQuery, backup.Restored](ctx, c.adminFlags, common, io, web.RestoreRun, q, "restoring messages")
	if err != nil {
		return err
	}
	return c.tell(io, done)
}

func (c *restoreFoldersCommand) tell(io streams, done backup.Restored) (err error) {
	if c.JSON {
		err = printJSON(io.out, done)
	} else {
		_, err = fmt.Fprintf(io.out, "%d messages are in %s until %s\n", done.Brought, done.Tree, moment(done.Expires))
		for _, m := range done.Missing {
			fmt.Fprintf(io.err, "missing: %s, UID %d: %s\n", m.Folder, m.UID, m.Why)
		}
	}
	if err == nil && len(done.Missing) > 0 {
		err = exit(exitFailed)
	}
	return err
}

// agreed asks; what is no answer is no yes.
func agreed(io streams, question string) bool {
	fmt.Fprint(io.err, question)
	line, _ := bufio.NewReader(io.in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

func showPlan(w io.Writer, p backup.Plan) error {
	var rows [][]string
	for _, f := range p.Folders {
		rows = append(rows, []string{f.Name, strconv.FormatInt(f.Messages, 10), octets(f.Bytes)})
	}
	if err := show.Table(w, []show.Column{{Title: "folder"}, {Title: "messages", Right: true}, {Title: "size", Right: true}}, rows, tableWidth(w)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s as of %s: %d messages, %s\n", p.Address, moment(p.Time), p.Messages, octets(p.Bytes))
	return err
}

type restoreRemoveCommand struct {
	adminFlags
	Address string `arg:"" name:"user" help:"The address of the account."`
	Tree    string `arg:"" optional:"" help:"The name of the tree, as 20261121T160500; without it all of the account's."`
}

// Examples end the help text.
func (restoreRemoveCommand) Examples() string {
	return "allgreen restore remove anna@example.com 20261121T160500"
}

// Run removes.
func (c *restoreRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	done, err := ask(ctx, c.adminFlags, common, web.RestoreRemove, web.RestoreRemoval{Address: c.Address, Tree: c.Tree})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, done)
	}
	_, err = fmt.Fprintf(io.out, "%d restored folders are gone\n", done.Folders)
	return err
}
