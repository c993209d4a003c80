package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/term"
)

// isTerminal reports whether a person is looking at this stream.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsColor honours NO_COLOR (no-color.org) and dumb terminals.
func wantsColor(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width is how many columns the terminal has, 80 when nobody knows, 100 at most:
// longer lines are hard to read.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return min(columns, 100)
		}
	}
	return 80
}

// tableWidth is width for tables of addresses and replies: a program that reads them, or a
// file, gets them whole.
func tableWidth(w io.Writer) int {
	if isTerminal(w) {
		return width(w)
	}
	return math.MaxInt
}

// progressLine is a line on standard error that rewrites itself while something
// takes longer than two seconds, and leaves nothing behind.
type progressLine struct {
	w     io.Writer
	began time.Time
	shown bool
}

func newProgressLine(w io.Writer) *progressLine {
	if !isTerminal(w) {
		return &progressLine{}
	}
	return &progressLine{w: w, began: time.Now()}
}

const patience = 2 * time.Second

// show rewrites the line.
func (p *progressLine) show(format string, args ...any) {
	if p.w == nil || time.Since(p.began) < patience {
		return
	}
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
}

// clear removes the line.
func (p *progressLine) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
