package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/provider"
)

// explainCommand prints the manual page of a check, or what a reply means.
type explainCommand struct {
	What []string `arg:"" name:"id" help:"A check, as rdns.exists; a group, as rdns; or the reply of a mail server." optional:""`
	JSON bool     `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (explainCommand) Examples() string {
	return `allgreen explain                        every check, a line each
allgreen explain rdns.forward-confirmed
allgreen explain "550 5.7.26 This mail has been blocked"`
}

// Run prints one page, a group, the list of all, or what a reply means.
func (c *explainCommand) Run(io streams) error {
	what := strings.Join(c.What, " ")
	pages, err := pagesOf(what)
	switch {
	case err != nil && isReply(what):
		return c.reply(io, what, err)
	case err != nil:
		return err
	case c.JSON:
		return printJSON(io.out, pages)
	}
	return printPages(io.out, pages)
}

// reply explains a reply; words that are none are taken for a mistaken check.
func (c *explainCommand) reply(io streams, text string, noCheck error) error {
	a, err := classify(provider.New(), text, "")
	switch {
	case err != nil:
		return err
	case a.Class == "unknown":
		return noCheck
	case c.JSON:
		return printJSON(io.out, a)
	}
	return tellAnswer(io.out, a)
}

// pagesOf are the pages of a check, a group, or all.
func pagesOf(what string) ([]check.About, error) {
	if about, ok := check.Find(what); ok {
		return []check.About{about}, nil
	}
	if group := check.Group(what); len(group) > 0 {
		return group, nil
	}
	return nil, usage(fmt.Errorf("there is no check %q", what), nearest(what))
}

// isReply: ids are one word that begins with a letter.
func isReply(what string) bool {
	return strings.ContainsAny(strings.TrimSpace(what), " \t\n") || what != "" && what[0] >= '0' && what[0] <= '9'
}

func printPages(w io.Writer, pages []check.About) error {
	if len(pages) == 1 {
		return printPage(w, pages[0])
	}
	return printList(w, pages)
}

// nearest suggests the ids that look most like a mistaken one.
func nearest(id string) string {
	type near struct {
		id       string
		distance int
	}
	var all []near
	for _, c := range check.All() {
		known := c.About().ID
		all = append(all, near{known, distance(id, known)})
	}
	slices.SortStableFunc(all, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, n := range all[:min(3, len(all))] {
		names = append(names, n.id)
	}
	return "the nearest are " + strings.Join(names, ", ") + "; allgreen explain lists all"
}

// distance is the edit distance of two words, less for a common part.
func distance(a, b string) int {
	if strings.Contains(b, a) {
		return 0
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
