package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with the file, on one line.
type Problem struct {
	File         string
	Line, Column int    // from 1; zero: the whole file
	Key          string // "listen.smtp[0]"; may be empty
	Text         string // what is wrong, and what to do
}

// String is "file:line:column: text".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems is the error of Read: everything that could be found, in the order of the
// file.
type Problems []Problem

// Error is a line each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}
