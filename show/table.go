package show

import (
	"bufio"
	"io"
	"slices"
	"strings"
)

// Column is one column of a Table.
type Column struct {
	Title string
	Right bool // numbers: at the right edge of their column
	Keep  bool // never cut: what people copy out of the table, as an id
}

// Table writes rows under their titles, within so many columns of a terminal: the
// widest column that may be cut gives way first, and shows where it was cut. Cells are
// washed. No rows, no titles: the caller says what the absence means.
func Table(w io.Writer, heads []Column, rows [][]string, limit int) error {
	if len(rows) == 0 {
		return nil
	}
	t := &table{Writer: bufio.NewWriter(w), heads: heads}
	titles := make([]string, len(heads))
	for i, h := range heads {
		titles[i] = h.Title
	}
	t.rows = append(t.rows, titles)
	for _, row := range rows {
		t.rows = append(t.rows, washAll(row))
	}
	t.measure(limit)
	for _, row := range t.rows {
		t.write(row)
	}
	return t.Flush()
}

type table struct {
	*bufio.Writer
	heads  []Column
	rows   [][]string
	widths []int
}

const (
	gutter   = 2 // blanks between columns
	minWidth = 6 // a column narrower than this says nothing
)

// measure gives each column the room it wants, and takes it back from the widest
// until the line fits.
func (t *table) measure(limit int) {
	t.widths = make([]int, len(t.heads))
	total := gutter * (len(t.heads) - 1)
	for i := range t.heads {
		for _, row := range t.rows {
			t.widths[i] = max(t.widths[i], columns(row[i]))
		}
		total += t.widths[i]
	}
	for ; total > limit; total-- {
		widest := -1
		for i, h := range t.heads {
			if !h.Keep && t.widths[i] > minWidth && (widest < 0 || t.widths[i] > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return // nothing may give way
		}
		t.widths[widest]--
	}
}

func (t *table) write(row []string) {
	var line strings.Builder
	for i, cell := range row {
		if i > 0 {
			line.WriteString(strings.Repeat(" ", gutter))
		}
		cell = fit(cell, t.widths[i])
		pad := strings.Repeat(" ", t.widths[i]-columns(cell))
		if t.heads[i].Right {
			cell, pad = pad+cell, ""
		}
		line.WriteString(cell + pad)
	}
	t.WriteString(strings.TrimRight(line.String(), " "))
	t.WriteByte('\n')
}

// fit cuts a text to so many columns; dots show that something is missing.
func fit(s string, width int) string {
	if columns(s) <= width {
		return s
	}
	return headColumns(s, width-2) + ".."
}

// Pairs writes labels with their values beside them, long values in several lines,
// within so many columns. A pair without a value is left out.
func Pairs(w io.Writer, pairs [][2]string, limit int) error {
	p := &paper{Writer: bufio.NewWriter(w), Options: Options{Width: limit}}
	pairs = slices.DeleteFunc(slices.Clone(pairs), func(pair [2]string) bool { return pair[1] == "" })
	column := 0
	for _, pair := range pairs {
		column = max(column, columns(pair[0])+gutter)
	}
	for _, pair := range pairs {
		p.labelled(pair[0], column, "", wash(pair[1]))
	}
	return p.Flush()
}
