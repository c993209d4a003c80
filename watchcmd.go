package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/web"
)

// watchCommand shows how the running server stands.
type watchCommand struct {
	adminFlags
	Target  string `help:"Only this domain, host name or address of the server." placeholder:"NAME"`
	History string `help:"Show how this check, or with all every check, was before." placeholder:"CHECK" xor:"what"`
	Now     bool   `help:"Look again first; it takes a minute at most." xor:"what"`
}

// Examples end the help text.
func (watchCommand) Examples() string {
	return `allgreen watch
allgreen watch --now --target example.com
allgreen watch --history spf.record
allgreen watch --json`
}

// Run shows, and exits with the worst colour as check does.
func (c *watchCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	if c.History != "" {
		return c.history(ctx, io, common)
	}
	rows, err := c.rows(ctx, io, common)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(io.out, map[string]any{"rows": rows})
	} else {
		err = c.print(io.out, rows, common.Verbose)
	}
	if err != nil {
		return err
	}
	return exitWith(worstOf(rows).ExitCode())
}

// rows are those of the standing, looked at now where that is wanted.
func (c *watchCommand) rows(ctx context.Context, io streams, common commonFlags) ([]standing.Row, error) {
	q := web.StandingQuery{Target: c.Target}
	if !c.Now {
		return ask(ctx, c.adminFlags, common, web.StandingRows, q)
	}
	return awaitJob[web.StandingQuery, []standing.Row](ctx, c.adminFlags, common, io, web.StandingCheck, q, "looking")
}

// worstOf is the verdict over all rows: nothing seen is unknown.
func worstOf(rows []standing.Row) finding.Status {
	worst := finding.Skip
	for _, r := range rows {
		worst = finding.Worse(worst, r.Status)
	}
	return worst
}

// print shows each target with its counts, and every row that is not well.
func (c *watchCommand) print(w io.Writer, rows []standing.Row, all bool) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintf(w, "nothing was looked at yet; a server begins half a minute after its start\nlook now: %s watch --now\n", calledAs())
		return err
	}
	for len(rows) > 0 {
		n := slices.IndexFunc(rows, func(r standing.Row) bool { return r.Target != rows[0].Target })
		if n < 0 {
			n = len(rows)
		}
		if err := printTarget(w, rows[:n], all); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// Where the columns of a row begin, and in what order the colours come.
const rowIndent = 13

var statusOrder = []finding.Status{finding.Red, finding.Yellow, finding.Unknown, finding.Green, finding.Skip}

func printTarget(w io.Writer, rows []standing.Row, all bool) error {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b standing.Row) int {
		return cmp.Compare(slices.Index(statusOrder, a.Status), slices.Index(statusOrder, b.Status))
	})
	count, seen := map[finding.Status]int{}, rows[0].Seen
	for _, r := range rows {
		count[r.Status]++
		if r.Seen.After(seen) {
			seen = r.Seen
		}
	}
	var counts []string
	for _, s := range statusOrder {
		if count[s] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s %s", count[s], s, s.Sign()))
		}
	}
	if _, err := fmt.Fprintf(w, "%s   %s   seen %s\n", rows[0].Target, strings.Join(counts, ", "), clock(seen)); err != nil {
		return err
	}
	for _, r := range rows {
		if quiet := r.Status == finding.Green || r.Status == finding.Skip; quiet && !all && r.Blind.IsZero() && r.Trial == finding.Unknown {
			continue
		}
		if err := printRow(w, r); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func printRow(w io.Writer, r standing.Row) error {
	text := fmt.Sprintf("%s of %s, since %s", r.Check, r.Subject, clock(r.Since))
	lines := []string{r.Finding.Summary}
	if !r.Blind.IsZero() {
		lines = append(lines, fmt.Sprintf("not seen since %s: %s", clock(r.Blind), r.Unseen))
	}
	if r.Trial != finding.Unknown {
		lines = append(lines, fmt.Sprintf("last seen %s %s, which does not count yet", r.Trial, r.Trial.Sign()))
	}
	if _, err := fmt.Fprintf(w, "  %-10s %s\n", r.Status.String()+" "+r.Status.Sign(), strings.TrimLeft(show.Paragraph(text, rowIndent, width(w)), " ")); err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, show.Paragraph(line, rowIndent, width(w))); err != nil {
			return err
		}
	}
	return nil
}

// everyCheck asks for the history of all of them.
const everyCheck = "all"

func (c *watchCommand) history(ctx context.Context, io streams, common commonFlags) error {
	q := web.StandingQuery{Target: c.Target, Check: c.History}
	if q.Check == everyCheck {
		q.Check = ""
	}
	changes, err := ask(ctx, c.adminFlags, common, web.StandingHistory, q)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"changes": changes})
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(io.out, "nothing has changed that is remembered")
		return err
	}
	var rows [][]string
	for _, ch := range changes {
		rows = append(rows, []string{clock(ch.Time), ch.Target, ch.Check, ch.Subject, happened(ch)})
	}
	heads := []show.Column{{Title: "when", Keep: true}, {Title: "target"}, {Title: "check", Keep: true}, {Title: "subject"}, {Title: "what"}}
	return show.Table(io.out, heads, rows, tableWidth(io.out))
}

// happened is a change in a few words.
func happened(c standing.Change) string {
	switch c.Kind {
	case standing.Blind:
		return "not seen for a day"
	case standing.Sees:
		return "seen again"
	}
	return fmt.Sprintf("%s %s -> %s %s", c.From, c.From.Sign(), c.To, c.To.Sign())
}
