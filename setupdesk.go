package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/show"
)

// setupDesk is the person at the terminal, or nobody.
type setupDesk struct {
	ctx  context.Context // of the command: a question must not outlive it
	in   *bufio.Reader
	tty  *os.File  // where passwords are typed; nil: nobody can be asked
	out  io.Writer // stages and notes
	err  io.Writer // questions
	yes  bool
	line *progressLine
}

// newSetupDesk asks on a terminal only. Where JSON goes to the output, it is silent.
func newSetupDesk(ctx context.Context, std streams, yes, silent bool) *setupDesk {
	d := &setupDesk{ctx: ctx, in: bufio.NewReader(std.in), out: std.out, err: std.err, yes: yes, line: newProgressLine(std.err)}
	if f, ok := std.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) && !yes {
		d.tty = f
	}
	if silent {
		d.out = io.Discard
	}
	return d
}

// Begin implements setup.Desk.
func (d *setupDesk) Begin(n, all int, title string) {
	d.line.clear()
	fmt.Fprintf(d.out, "\n%d of %d  %s\n", n, all, title)
}

// Tell implements setup.Desk: the word and the sign of the colour, what was seen, and
// what to do. What is to be copied is never broken.
func (d *setupDesk) Tell(n setup.Note) {
	d.line.clear()
	const indent = 14
	word, sign := n.Status.String(), n.Status.Sign()
	if n.Status == finding.Skip {
		word, sign = "", "-"
	}
	text := show.Paragraph(n.Text, indent, width(d.out))
	fmt.Fprintf(d.out, "  %-7s %-2s  %s\n", word, sign, strings.TrimLeft(text, " "))
	if n.Fix != "" {
		fmt.Fprintln(d.out, show.Paragraph(n.Fix, indent+2, width(d.out)))
	}
	for _, line := range n.Copy {
		fmt.Fprintf(d.out, "%*s%s\n", indent+4, "", show.Clean(line))
	}
}

// Say implements setup.Desk.
func (d *setupDesk) Say(text string) {
	d.line.clear()
	fmt.Fprintf(d.out, "\n%s\n", strings.TrimRight(text, "\n"))
}

// Ask implements setup.Desk.
func (d *setupDesk) Ask(question, usual string) (string, error) {
	d.line.clear()
	if d.tty == nil {
		return usual, setup.ErrNobody
	}
	if usual != "" {
		question += " [" + usual + "]"
	}
	fmt.Fprintf(d.err, "\n%s: ", question)
	text, err := d.read(func() (string, error) { return d.in.ReadString('\n') })
	if errors.Is(err, io.EOF) {
		return usual, setup.ErrNobody
	}
	if text = strings.TrimSpace(text); text == "" {
		text = usual
	}
	return text, err
}

// Password implements setup.Desk.
func (d *setupDesk) Password(question string) (string, error) {
	d.line.clear()
	if d.tty == nil {
		return "", nil
	}
	fmt.Fprintf(d.err, "\n%s\n", question)
	return d.unseen(func() (string, error) { return askPassword(d.tty, d.err) })
}

// Secret implements setup.Desk.
func (d *setupDesk) Secret(question string) (string, error) {
	d.line.clear()
	if d.tty == nil {
		return "", setup.ErrNobody
	}
	fmt.Fprintf(d.err, "\n%s: ", question)
	return d.unseen(func() (string, error) {
		text, err := term.ReadPassword(int(d.tty.Fd()))
		fmt.Fprintln(d.err)
		return strings.TrimSpace(string(text)), err
	})
}

// unseen reads what is typed without showing it.
func (d *setupDesk) unseen(from func() (string, error)) (string, error) {
	before, err := term.GetState(int(d.tty.Fd()))
	if err != nil {
		return "", err
	}
	text, err := d.read(from)
	if d.ctx.Err() != nil {
		err = errors.Join(err, term.Restore(int(d.tty.Fd()), before)) // what is typed is to be seen again
	}
	return text, err
}

// read waits for a person, or for Ctrl-C. Nobody can end the reading of a terminal: it
// goes on until the program ends, which is at once.
func (d *setupDesk) read(from func() (string, error)) (string, error) {
	type typed struct {
		text string
		err  error
	}
	done := make(chan typed, 1)
	go func() {
		text, err := from()
		done <- typed{text, err}
	}()
	select {
	case t := <-done:
		return t.text, t.err
	case <-d.ctx.Done():
		return "", d.ctx.Err()
	}
}

// Confirm implements setup.Desk.
func (d *setupDesk) Confirm(question string) (bool, error) {
	if d.yes {
		return true, nil
	}
	text, err := d.Ask(question+" Type yes to go on", "")
	if errors.Is(err, setup.ErrNobody) {
		return false, nil
	}
	return text == "yes" || text == "y", err
}

// Wait implements setup.Desk.
func (d *setupDesk) Wait(text string) {
	if text == "" {
		d.line.clear()
		return
	}
	d.line.show("%s", show.Clean(text))
}
