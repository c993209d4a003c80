package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// checklistCommand shows what only a person can do, and keeps what they say.
type checklistCommand struct {
	Show   checklistShowCommand   `cmd:"" default:"withargs" help:"Show what is open; with --all everything."`
	Done   checklistDoneCommand   `cmd:"" help:"Say that something is done."`
	Undone checklistUndoneCommand `cmd:"" help:"Take that back."`
}

// Examples end the help text.
func (checklistCommand) Examples() string {
	return `allgreen checklist
allgreen checklist done microsoft-snds --for 203.0.113.7
allgreen checklist undone microsoft-snds`
}

type checklistShowCommand struct {
	adminFlags
	All bool `help:"Also what is done, and what may be left."`
}

// Examples end the help text.
func (checklistShowCommand) Examples() string {
	return `allgreen checklist
allgreen checklist --all
allgreen checklist --json`
}

// Run shows the list; JSON is always all of it.
func (c *checklistShowCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	items, err := ask(ctx, c.adminFlags, common, web.ChecklistItems, web.None{})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"items": items})
	}
	return printChecklist(io.out, items, c.All || common.Verbose)
}

func printChecklist(w io.Writer, items []setup.Item, all bool) error {
	hidden, done := 0, 0
	for _, i := range items {
		if isDone(i) {
			done++
		}
		if !all && (isDone(i) || i.Need == "may") {
			hidden++
			continue
		}
		printItem(w, i)
	}
	line := fmt.Sprintf("%d of %d are done", done, len(items))
	if hidden > 0 {
		line += fmt.Sprintf("; %d that are done or may be left are shown with --all", hidden)
	}
	_, err := fmt.Fprintf(w, "%s\nwhen something is done: %s checklist done ID [--for ADDRESS|DOMAIN]\n", line, calledAs())
	return err
}

func isDone(i setup.Item) bool { return i.State == setup.Ticked || i.State == setup.Seen }

// printItem is what to do for those that are open, and one line for the others.
func printItem(w io.Writer, i setup.Item) {
	hang(w, "", 4, fmt.Sprintf("[%s] %s: %s", i.State, i.ID, i.Title))
	if !i.Until.IsZero() {
		fmt.Fprintf(w, "    counts until %s\n", i.Until.Format("2006-01-02"))
	}
	for _, note := range []string{i.Note, i.Unseen} {
		if note != "" {
			hang(w, "    ", 4, "("+note+")")
		}
	}
	if isDone(i) {
		return
	}
	hang(w, "    ", 4, i.Why)
	for _, step := range i.Do {
		hang(w, "    - ", 6, step)
	}
	if i.Link != "" {
		fmt.Fprintf(w, "    %s\n", i.Link)
	}
	fmt.Fprintln(w)
}

// hang writes a text as wide as w, with head before its first line and so many spaces
// before the others.
func hang(w io.Writer, head string, indent int, text string) {
	fmt.Fprintf(w, "%s%s\n", head, show.Paragraph(text, indent, width(w))[indent:])
}

// tickFlags name an item.
type tickFlags struct {
	adminFlags
	ID  string `arg:"" name:"id" help:"The id of the item."`
	For string `help:"Only for this address or domain; else for all that it is for." placeholder:"ADDRESS|DOMAIN"`
}

func (f tickFlags) answer(io streams, items []setup.Item) error {
	items = slices.DeleteFunc(items, func(i setup.Item) bool { return i.ID != f.ID })
	if f.JSON {
		return printJSON(io.out, map[string]any{"items": items})
	}
	for _, i := range items {
		if _, err := fmt.Fprintf(io.out, "[%s] %s\n", i.State, i.Title); err != nil {
			return err
		}
	}
	return nil
}

type checklistDoneCommand struct {
	tickFlags
	Note string `help:"What the next person should know: whose login, when asked." placeholder:"TEXT"`
}

// Examples end the help text.
func (checklistDoneCommand) Examples() string {
	return `allgreen checklist done spamcop-reports
allgreen checklist done microsoft-snds --for 203.0.113.7 --note anna`
}

// Run marks.
func (c *checklistDoneCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	items, err := ask(ctx, c.adminFlags, common, web.ChecklistMark, web.ChecklistTick{ID: c.ID, Subject: c.For, Note: c.Note})
	if err != nil {
		return err
	}
	return c.answer(io, items)
}

type checklistUndoneCommand struct{ tickFlags }

// Examples end the help text.
func (checklistUndoneCommand) Examples() string {
	return "allgreen checklist undone microsoft-snds --for 203.0.113.7"
}

// Run takes a mark back.
func (c *checklistUndoneCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	items, err := ask(ctx, c.adminFlags, common, web.ChecklistUnmark, web.ChecklistTick{ID: c.ID, Subject: c.For})
	if err != nil {
		return err
	}
	return c.answer(io, items)
}
