package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/show"
)

// printJSON prints one document and a newline.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// idColumn is where the questions begin in the list of all checks.
const idColumn = 31

// printList is a line for each check: its id and its question.
func printList(w io.Writer, pages []check.About) error {
	group := ""
	for _, a := range pages {
		if a.Group() != group {
			group = a.Group()
			fmt.Fprintf(w, "\n%s\n", strings.ToUpper(group))
		}
		question := strings.TrimLeft(show.Paragraph(a.Question, idColumn, 80), " ")
		if _, err := fmt.Fprintf(w, "  %-*s%s\n", idColumn-2, a.ID, question); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d checks; allgreen explain ID shows one of them\n", len(pages))
	return err
}

// printPage is the manual page of one check for the terminal.
func printPage(w io.Writer, a check.About) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", a.ID, show.Paragraph(a.Question, 2, 80))
	section(&b, "Why it matters", a.Why)
	section(&b, "What to do", a.Fix)
	fmt.Fprintf(&b, "\nWhat it can say\n")
	for _, c := range a.Codes {
		fmt.Fprintf(&b, "%s\n", show.Paragraph(fmt.Sprintf("%s (%s %s): %s", c.Code, c.Status, c.Status.Sign(), c.Meaning), 2, 80))
	}
	section(&b, "Needs", strings.Join(a.Needs, ", "))
	section(&b, "Judges", a.Scope.String())
	section(&b, "Who mends it", string(a.Who))
	section(&b, "Who acts on it", strings.Join(a.Affects, ", "))
	section(&b, "References", strings.Join(a.Refs, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}

func section(b *strings.Builder, title, text string) {
	if text != "" {
		fmt.Fprintf(b, "\n%s\n%s\n", title, show.Paragraph(text, 2, 80))
	}
}
