package queue

import (
	"strconv"
	"strings"
)

// rowsOf is the VALUES of several rows: "($1,$2),($3,$4)".
func rowsOf(rows, columns int) string {
	var b strings.Builder
	b.Grow(rows * columns * 4)
	n := 1
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		b.WriteString(placeholders(n, columns))
		b.WriteByte(')')
		n += columns
	}
	return b.String()
}

// placeholders is "$first,$first+1,...".
func placeholders(first, count int) string {
	var b strings.Builder
	for i := range count {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
	return b.String()
}

// padded gives ids as arguments, their number rounded up to a power of two by
// repeating the last: few different statements, each prepared once.
func padded(ids []int64) []any {
	n := 1
	for n < len(ids) {
		n *= 2
	}
	args := make([]any, 0, n)
	for i := range n {
		args = append(args, ids[min(i, len(ids)-1)])
	}
	return args
}
