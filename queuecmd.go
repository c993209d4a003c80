package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// queueCommand looks at the messages that wait, and decides about them.
type queueCommand struct {
	List    queueListCommand    `cmd:"" help:"List the messages that wait, the oldest first."`
	Show    queueShowCommand    `cmd:"" help:"Show one message."`
	Why     queueWhyCommand     `cmd:"" help:"Tell why messages wait, with the last reply and the whole last attempt."`
	Retry   queueRetryCommand   `cmd:"" help:"Try now, whatever is known against the destination."`
	Hold    queueHoldCommand    `cmd:"" help:"Keep messages until they are released or dropped."`
	Release queueReleaseCommand `cmd:"" help:"Let held messages go."`
	Drop    queueDropCommand    `cmd:"" help:"Throw messages away without a word to anybody."`
}

// Examples end the help text.
func (queueCommand) Examples() string {
	return `allgreen queue list --to example.com
allgreen queue why 01jd3x7m2k9q4r8t5v6w
allgreen queue retry --to example.com
allgreen queue drop --origin anna@example.com --state held`
}

// selectionFlags say which messages.
type selectionFlags struct {
	ID     string   `arg:"" optional:"" name:"id" help:"The id of a message, as the log and queue list have it."`
	To     string   `help:"Messages to this domain." placeholder:"DOMAIN"`
	Origin string   `help:"Messages of this login, device or token." placeholder:"NAME"`
	State  []string `help:"Messages in this state: waiting, in-delivery, parked or held. Repeatable." placeholder:"STATE" sep:","`
}

func (f selectionFlags) selection(all bool) web.QueueSelection {
	s := web.QueueSelection{Trace: f.ID, Destination: f.To, Origin: f.Origin, All: all}
	for _, state := range f.State {
		s.States = append(s.States, strings.ReplaceAll(state, "-", " "))
	}
	return s
}

type queueListCommand struct {
	adminFlags
	selectionFlags
	Limit int   `default:"100" help:"This many at most."`
	After int64 `help:"Go on behind this entry: the number that the page before ended with." placeholder:"N"`
}

// Examples end the help text.
func (queueListCommand) Examples() string {
	return `allgreen queue list
allgreen queue list --state held --json`
}

// Run lists.
func (c *queueListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	page, err := ask(ctx, c.adminFlags, common, web.QueueList, web.QueueQuery{
		QueueSelection: c.selection(false), After: c.After, Limit: c.Limit,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, page)
	}
	if err := show.Table(io.out, queueColumns, queueRows(page.Entries), tableWidth(io.out)); err != nil {
		return err
	}
	return c.summary(io.out, page)
}

func (c *queueListCommand) summary(w io.Writer, page web.QueuePage) error {
	counts := fmt.Sprintf("%d waiting, %d of them tried before, %d held", page.Waiting, page.Deferred, page.Held)
	if !page.Oldest.IsZero() {
		counts += fmt.Sprintf("; the oldest since %s UTC", clock(page.Oldest))
	}
	if n := len(page.Entries); n > 0 && n == c.Limit {
		counts += fmt.Sprintf("\nmore with --after %d", page.Entries[n-1].ID)
	}
	_, err := fmt.Fprintln(w, counts)
	return err
}

var queueColumns = []show.Column{
	{Title: "id", Keep: true}, {Title: "state"}, {Title: "tries", Right: true}, {Title: "next (UTC)", Keep: true}, {Title: "to"}, {Title: "last reply"},
}

func queueRows(entries []web.QueueEntry) [][]string {
	var rows [][]string
	for _, e := range entries {
		next := "-"
		if !e.Due.IsZero() {
			next = clock(e.Due)
		}
		reply := e.Reply
		if e.Held != "" {
			reply = e.Held
		}
		rows = append(rows, []string{e.Trace, e.State, strconv.Itoa(e.Attempts), next, recipients(e), reply})
	}
	return rows
}

// recipients is one recipient by name, several by their number.
func recipients(e web.QueueEntry) string {
	if len(e.Recipients) == 1 {
		return e.Recipients[0].To
	}
	return fmt.Sprintf("%d at %s", len(e.Recipients), e.Destination)
}

// clock is a time in UTC as tables have it, with its date: a line is read on another day
// too.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// moment is a time in full, "" when there is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

type queueShowCommand struct {
	adminFlags
	ID string `arg:"" name:"id" help:"The id of the message."`
}

// Examples end the help text.
func (queueShowCommand) Examples() string { return "allgreen queue show 01jd3x7m2k9q4r8t5v6w" }

// Run shows.
func (c *queueShowCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	page, err := ask(ctx, c.adminFlags, common, web.QueueList, web.QueueQuery{QueueSelection: web.QueueSelection{Trace: c.ID}, Limit: 10000})
	if err != nil {
		return err
	}
	if len(page.Entries) == 0 {
		return notWaiting(c.ID)
	}
	if c.JSON {
		return printJSON(io.out, page.Entries)
	}
	for i, e := range page.Entries {
		if i > 0 {
			fmt.Fprintln(io.out)
		}
		if err := show.Pairs(io.out, entryPairs(e), width(io.out)); err != nil {
			return err
		}
	}
	return nil
}

func notWaiting(id string) error {
	return &failure{exitFailed, fmt.Errorf("no message %s waits", id), "allgreen log trace " + id + " tells what became of it"}
}

func entryPairs(e web.QueueEntry) [][2]string {
	from := e.From
	if from == "" {
		from = "<>"
	}
	pairs := [][2]string{
		{"message", e.Trace}, {"state", e.State}, {"held", e.Held}, {"destination", e.Destination}, {"from", from},
		{"sent by", e.Origin}, {"size", strconv.FormatInt(e.Size, 10) + " octets"}, {"since", moment(e.Queued)},
		{"tries", strconv.Itoa(e.Attempts)}, {"last try", moment(e.Tried)}, {"next try", moment(e.Due)}, {"last reply", e.Reply},
	}
	for _, r := range e.Recipients {
		text := r.To
		if r.Reply != "" {
			text += ": " + r.Reply
		}
		if r.Host != "" {
			text += " (" + r.Host + ")"
		}
		pairs = append(pairs, [2]string{"to", text})
	}
	return pairs
}

type queueWhyCommand struct {
	adminFlags
	selectionFlags
	Limit int `default:"20" help:"This many at most."`
}

// Examples end the help text.
func (queueWhyCommand) Examples() string {
	return `allgreen queue why 01jd3x7m2k9q4r8t5v6w
allgreen queue why --to example.com`
}

// Run explains.
func (c *queueWhyCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	reasons, err := ask(ctx, c.adminFlags, common, web.QueueWhy, web.QueueQuery{QueueSelection: c.selection(false), Limit: c.Limit})
	if err != nil {
		return err
	}
	if len(reasons) == 0 && c.ID != "" {
		return notWaiting(c.ID)
	}
	if c.JSON {
		return printJSON(io.out, reasons)
	}
	if len(reasons) == 0 {
		_, err := fmt.Fprintln(io.out, c.nothingWaits())
		return err
	}
	for i, r := range reasons {
		if i > 0 {
			fmt.Fprintln(io.out)
		}
		if err := tellWhy(io.out, r); err != nil {
			return err
		}
	}
	return nil
}

// nothingWaits says it, so that silence is not taken for a failure.
func (c *queueWhyCommand) nothingWaits() string {
	nothing := "nothing waits"
	if c.To != "" || c.Origin != "" || len(c.State) > 0 {
		nothing = "nothing waits that fits"
	}
	return nothing + "; what became of a message: " + calledAs() + " log search"
}

// tellWhy writes the sentence, the last reply, and the whole last attempt.
func tellWhy(w io.Writer, r web.QueueReason) error {
	fmt.Fprintf(w, "%s to %s\n%s\n", r.Entry.Trace, recipients(r.Entry), show.Paragraph(r.Why, 0, width(w)))
	if r.Reply != "" {
		fmt.Fprintf(w, "\nlast reply\n%s\n", show.Paragraph(r.Reply, 2, width(w)))
	}
	if r.Transcript == "" {
		return nil
	}
	fmt.Fprintf(w, "\nlast attempt, %s\n", moment(r.Tried))
	for line := range strings.Lines(r.Transcript) {
		if _, err := fmt.Fprintln(w, show.Paragraph(strings.TrimRight(line, "\r\n"), 2, width(w))); err != nil {
			return err
		}
	}
	return nil
}

// changeFlags say which messages to change: some, or all in so many words.
type changeFlags struct {
	adminFlags
	selectionFlags
	All bool `help:"All of them."`
}

func (c changeFlags) change(ctx context.Context, io streams, common commonFlags, call web.Call[web.QueueChange, web.QueueChanged], word, why string) error {
	if c.ID == "" && c.To == "" && c.Origin == "" && !c.All {
		return usage(errors.New("nothing is selected"), "name a message, --to, --origin, or --all")
	}
	done, err := ask(ctx, c.adminFlags, common, call, web.QueueChange{QueueSelection: c.selection(c.All), Why: why})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, done)
	}
	text := fmt.Sprintf("%d %s", done.Changed, word)
	if done.Busy > 0 {
		text += fmt.Sprintf("; %d in delivery at this moment", done.Busy)
	}
	fmt.Fprintln(io.out, text)
	if done.Changed+done.Busy == 0 && c.ID != "" {
		return notWaiting(c.ID)
	}
	return nil
}

type queueRetryCommand struct{ changeFlags }

// Examples end the help text.
func (queueRetryCommand) Examples() string { return "allgreen queue retry --to example.com" }

// Run makes them due.
func (c *queueRetryCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	return c.change(ctx, io, common, web.QueueRetry, "will be tried now", "")
}

type queueHoldCommand struct {
	changeFlags
	Why string `help:"One sentence for whoever finds it." placeholder:"TEXT"`
}

// Examples end the help text.
func (queueHoldCommand) Examples() string {
	return `allgreen queue hold --origin anna@example.com --why stolen`
}

// Run holds.
func (c *queueHoldCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	return c.change(ctx, io, common, web.QueueHold, "held", c.Why)
}

type queueReleaseCommand struct{ changeFlags }

// Examples end the help text.
func (queueReleaseCommand) Examples() string {
	return "allgreen queue release --origin anna@example.com"
}

// Run releases.
func (c *queueReleaseCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	return c.change(ctx, io, common, web.QueueRelease, "released", "")
}

type queueDropCommand struct{ changeFlags }

// Examples end the help text.
func (queueDropCommand) Examples() string { return "allgreen queue drop 01jd3x7m2k9q4r8t5v6w" }

// Run throws away.
func (c *queueDropCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	return c.change(ctx, io, common, web.QueueDrop, "dropped", "")
}
