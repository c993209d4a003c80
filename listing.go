package main

import (
	"fmt"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// listing is what a list command shows: JSON for programs, a table for people, whole in
// a pipe, and a line where there is nothing.
type listing[T any] struct {
	none  string
	heads []show.Column
	rows  func(T) [][]string // of one thing; mostly one
}

// row is a listing's rows for things that take one each.
func row[T any](cells func(T) []string) func(T) [][]string {
	return func(t T) [][]string { return [][]string{cells(t)} }
}

func (l listing[T]) print(io streams, asJSON bool, all []T) error {
	if asJSON {
		return printJSON(io.out, append([]T{}, all...)) // [] and not null
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(io.out, l.none)
		return err
	}
	var rows [][]string
	for _, t := range all {
		rows = append(rows, l.rows(t)...)
	}
	return show.Table(io.out, l.heads, rows, tableWidth(io.out))
}

// tellSecret shows the secret of a new token.
func tellSecret(io streams, asJSON bool, secret web.Secret) error {
	if asJSON {
		return printJSON(io.out, secret)
	}
	_, err := fmt.Fprintf(io.out, "%s\nIt is the secret of the token, and it is shown this once.\n", secret.Secret)
	return err
}
