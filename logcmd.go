package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// logCommand tells what happened to messages.
type logCommand struct {
	Trace  logTraceCommand  `cmd:"" help:"Tell the whole life of one message."`
	Search logSearchCommand `cmd:"" help:"Find messages by address, domain, event and time."`
}

// Examples end the help text.
func (logCommand) Examples() string {
	return `allgreen log search anna@example.com --since 24h
allgreen log search --domain example.com --kind refused
allgreen log trace 01jd3x7m2k9q4r8t5v6w`
}

type logTraceCommand struct {
	adminFlags
	ID string `arg:"" name:"id" help:"The id of the message: in its Received field, in the log, in queue list."`
}

// Examples end the help text.
func (logTraceCommand) Examples() string { return "allgreen log trace 01jd3x7m2k9q4r8t5v6w" }

// Run tells the life of a message.
func (c *logTraceCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	events, err := ask(ctx, c.adminFlags, common, web.LogTrace, web.LogID{Trace: c.ID})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, events)
	}
	for _, e := range events {
		if err := tellEvent(io.out, e); err != nil {
			return err
		}
	}
	return nil
}

// tellEvent writes one event: a line for what, indented ones for the rest.
func tellEvent(w io.Writer, e web.LogEvent) error {
	head := e.Time.Format("2006-01-02 15:04:05.000") + "  " + e.Kind
	for _, end := range []struct{ word, address string }{{"from", e.From}, {"to", e.To}} {
		if end.address != "" {
			head += " " + end.word + " " + end.address
		}
	}
	if _, err := fmt.Fprintln(w, show.Paragraph(head, 0, width(w))); err != nil {
		return err
	}
	var pairs [][2]string
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		pairs = append(pairs, [2]string{"    " + name, e.Fields[name]})
	}
	return show.Pairs(w, pairs, width(w))
}

type logSearchCommand struct {
	adminFlags
	Address string   `arg:"" optional:"" help:"The address of the sender or of a recipient."`
	Domain  string   `help:"The domain of the sender or of a recipient." placeholder:"DOMAIN"`
	Kind    []string `help:"What happened: received, submitted, refused, delivered, queued, sent, deferred, bounced, held ... Repeatable." placeholder:"KIND" sep:","`
	Since   lookBack `help:"How far to look back: 30m, 24h, 7d, 2w." placeholder:"DUR"`
	Until   lookBack `help:"Only what is older than this; with --since a window." placeholder:"DUR"`
	Limit   int      `default:"100" help:"This many events at most."`
}

// Examples end the help text.
func (logSearchCommand) Examples() string {
	return `allgreen log search anna@example.com
allgreen log search --kind refused --since 1h --json
allgreen log search --since 3d --until 2d`
}

// Run searches.
func (c *logSearchCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	for _, kind := range c.Kind {
		if known := journal.Kinds(); !slices.Contains(known, journal.Kind(kind)) {
			return usage(fmt.Errorf("nothing is ever %q", kind), "--kind takes "+kindWords())
		}
	}
	if c.Since > 0 && c.Since <= c.Until {
		return usage(errors.New("--until goes back as far as --since: nothing is left between them"), "give --until the shorter time")
	}
	q, now := web.LogQuery{Address: c.Address, Domain: c.Domain, Kinds: c.Kind, Limit: c.Limit}, time.Now()
	if c.Since > 0 {
		q.Since = now.Add(-time.Duration(c.Since))
	}
	if c.Until > 0 {
		q.Until = now.Add(-time.Duration(c.Until))
	}
	events, err := ask(ctx, c.adminFlags, common, web.LogSearch, q)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, events)
	}
	if len(events) == 0 {
		_, err := fmt.Fprintln(io.out, "nothing was found")
		return err
	}
	if err := show.Table(io.out, logColumns, logRows(events), tableWidth(io.out)); err != nil || len(events) < c.Limit {
		return err
	}
	_, err = fmt.Fprintf(io.out, "there may be more: --limit %d, a shorter --since, or --json\n", 10*c.Limit)
	return err
}

func kindWords() string {
	var words []string
	for _, k := range journal.Kinds() {
		words = append(words, string(k))
	}
	return strings.Join(words, ", ")
}

// lookBack is a duration that may have days and weeks.
type lookBack time.Duration

// UnmarshalText reads "30m", "2d" and "1w".
func (b *lookBack) UnmarshalText(text []byte) error {
	s, unit := string(text), time.Duration(0)
	switch {
	case strings.HasSuffix(s, "d"):
		unit = 24 * time.Hour
	case strings.HasSuffix(s, "w"):
		unit = 7 * 24 * time.Hour
	}
	d, err := time.ParseDuration(s)
	if unit > 0 {
		var n float64
		n, err = strconv.ParseFloat(s[:len(s)-1], 64)
		d = time.Duration(n * float64(unit))
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no time to look back: write 30m, 24h, 7d or 2w", s)
	}
	*b = lookBack(d)
	return nil
}

var logColumns = []show.Column{
	{Title: "time (UTC)", Keep: true}, {Title: "id", Keep: true}, {Title: "event"}, {Title: "from"}, {Title: "to"}, {Title: "what"},
}

func logRows(events []web.LogEvent) [][]string {
	var rows [][]string
	for _, e := range events {
		rows = append(rows, []string{clock(e.Time), e.Trace, e.Kind, e.From, e.To, essence(e.Fields)})
	}
	return rows
}

// essence is what says most of an event's fields: what was answered, or why.
func essence(fields map[string]string) string {
	var words []string
	for _, name := range []string{"reason", "reply", "client", "host", "folder"} {
		if v := fields[name]; v != "" {
			words = append(words, v)
		}
	}
	return strings.Join(words, ", ")
}
