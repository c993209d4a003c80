package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/testaddress"
	"github.com/allgreen-mail/allgreen/web"
)

// testAddressCommand makes a test address, and shows what was said of the messages to it.
type testAddressCommand struct {
	adminFlags
	ID      string        `arg:"" optional:"" help:"Show the verdicts of this address instead of making one."`
	Wait    bool          `help:"Wait until every message has its verdict; exit as check does for the worst."`
	Timeout time.Duration `default:"1h" help:"How long to wait." placeholder:"DUR"`
}

// Examples end the help text.
func (testAddressCommand) Examples() string {
	return `allgreen test-address
allgreen test-address --wait
allgreen test-address --wait --timeout 5m --json
allgreen test-address mzxw6ytboi4dkmrtgq2tmnzyha`
}

// Run makes or looks, and waits.
func (c *testAddressCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	var a testaddress.Address
	var err error
	if c.ID == "" {
		a, err = ask(ctx, c.adminFlags, common, web.TestMake, web.TestWanted{})
	} else {
		a, err = ask(ctx, c.adminFlags, common, web.TestLook, web.TestQuery{ID: c.ID})
	}
	if err != nil {
		return err
	}
	if err := c.print(io.out, a, a.Messages, common.Verbose); err != nil || !c.Wait {
		return err
	}
	shown := a.Judged()
	if a, err = c.await(ctx, io, common, a); err != nil {
		return err
	}
	if shown == 0 || shown < a.Judged() {
		if err := c.print(io.out, a, a.Messages, common.Verbose); err != nil {
			return err
		}
	}
	return exitWith(worst(a).ExitCode())
}

// await waits until there is a message, and every one has its verdict.
func (c *testAddressCommand) await(ctx context.Context, io streams, common commonFlags, a testaddress.Address) (testaddress.Address, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	line := newProgressLine(io.err)
	defer line.clear()
	for a.Judged() == 0 || a.Judged() < len(a.Messages) {
		line.show("%d of %d messages judged; waiting for a message to %s", a.Judged(), len(a.Messages), a.Address)
		next, err := ask(ctx, c.adminFlags, common, web.TestLook, web.TestQuery{ID: a.ID, Wait: 30, Taken: len(a.Messages), Judged: a.Judged()})
		switch {
		case errors.Is(err, context.DeadlineExceeded) || err == nil && ctx.Err() != nil:
			return a, &failure{exitTemporary, errors.New("no message came in time"), "send one to " + a.Address + ", then run: allgreen test-address --wait " + a.ID}
		case err != nil:
			return a, err
		}
		a = next
	}
	return a, nil
}

// worst is the worst verdict on any of the messages.
func worst(a testaddress.Address) finding.Status {
	verdict := finding.Skip
	for _, m := range a.Messages {
		verdict = finding.Worse(verdict, m.Report.Verdict)
	}
	return verdict
}

// print shows an address and some of its messages.
func (c *testAddressCommand) print(out io.Writer, a testaddress.Address, messages []testaddress.Message, verbose bool) error {
	if c.JSON {
		return printJSON(out, a)
	}
	if len(messages) == 0 {
		_, err := fmt.Fprintf(out, "%s\n\nSend a message to it from any system; it takes mail until %s UTC.\nThe verdict: allgreen test-address --wait %s\n",
			a.Address, clock(a.Closes), a.ID)
		return err
	}
	for _, m := range messages {
		if err := printTest(out, m, verbose); err != nil {
			return err
		}
	}
	return nil
}

// printTest shows what the session knew, the chain of names, the report, and what the big
// receivers are likely to say.
func printTest(out io.Writer, m testaddress.Message, verbose bool) error {
	a := m.Arrival
	tls := strings.TrimSpace(a.TLS + " " + a.Cipher)
	if tls == "" {
		tls = "in the clear"
	}
	fmt.Fprintf(out, "\nMessage %d, %s UTC, %d octets, from %s\n", m.Number, clock(a.Time), a.Size, show.Clean(a.From))
	fmt.Fprintf(out, "  client %s, PTR %s, HELO %s, %s\n", a.Client, orDash(a.PTR), orDash(a.HELO), tls)
	fmt.Fprintf(out, "  this server would have said: %s %s\n", a.Here.Action, show.Clean(a.Here.Detail))
	var rows [][]string
	for _, n := range a.Chain {
		rows = append(rows, []string{n.What, show.Clean(n.Name), n.Organization, show.Clean(n.Note)})
	}
	if len(rows) > 0 {
		fmt.Fprintln(out)
		heads := []show.Column{{Title: "name", Keep: true}, {Title: "says", Keep: true}, {Title: "organization"}, {Title: "proof"}}
		if err := show.Table(out, heads, rows, tableWidth(out)); err != nil {
			return err
		}
	}
	if m.Report == nil {
		_, err := fmt.Fprintln(out, "\nIt is being judged.")
		return err
	}
	fmt.Fprintln(out)
	if err := show.Text(out, []*finding.Report{m.Report}, show.Options{Width: width(out), Color: wantsColor(out), Verbose: verbose}); err != nil {
		return err
	}
	return printReceivers(out, m.Receivers)
}

// printReceivers shows what each big receiver minds.
func printReceivers(out io.Writer, receivers []testaddress.Receiver) error {
	var rows [][]string
	for _, r := range receivers {
		if len(r.Minds) > 0 {
			rows = append(rows, []string{r.ID, r.Verdict.String(), strings.Join(r.Minds, ", ")})
		}
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "\nNothing that was found is known to trouble a big receiver.")
		return err
	}
	fmt.Fprintln(out)
	return show.Table(out, []show.Column{{Title: "receiver", Keep: true}, {Title: "verdict", Keep: true}, {Title: "minds"}}, rows, tableWidth(out))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return show.Clean(text)
}
