package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/check"
)

// update writes the generated documents instead of comparing them:
//
//	go test . -run TestDocs -update
var update = flag.Bool("update", false, "write the generated documents")

// TestDocs holds docs/checks and docs/practices.md to what the checks say of
// themselves.
func TestDocs(t *testing.T) {
	t.Run("checks", func(t *testing.T) {
		hold(t, "docs/checks/README.md", indexPage())
		for _, group := range groupNames() {
			hold(t, "docs/checks/"+group+".md", groupPage(group))
		}
	})
	t.Run("catalogue", func(t *testing.T) { hold(t, "docs/checks/catalogue.json", catalogue(t)) })
	t.Run("practices", func(t *testing.T) { hold(t, "docs/practices.md", practicesPage(t)) })
}

// hold compares a document with what it should be, or writes it.
func hold(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the checks say (%v); write it: go test . -run TestDocs -update", path, err)
	}
}

func groupNames() []string {
	var names []string
	for _, c := range check.All() {
		if g := c.About().Group(); !slices.Contains(names, g) {
			names = append(names, g)
		}
	}
	return names
}

func indexPage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The checks\n\n%d checks in %d groups; `allgreen explain ID` shows the same pages. "+
		"Made from the checks themselves: see HACKING.md.\n\n", len(check.All()), len(groupNames()))
	for _, group := range groupNames() {
		fmt.Fprintf(&b, "## [%s](%s.md)\n\n| check | question |\n|---|---|\n", group, group)
		for _, a := range check.Group(group) {
			fmt.Fprintf(&b, "| `%s` | %s |\n", a.ID, a.Question)
		}
		b.WriteString("\n")
	}
	b.WriteString("Every check may also say:\n\n| code | status | meaning |\n|---|---|---|\n")
	for _, c := range check.CommonCodes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Code, c.Status, c.Meaning)
	}
	b.WriteString("\n[What is left for later](later.md) · [rows of the catalogue and their checks](catalogue.json)\n")
	return b.String()
}

func groupPage(group string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", group)
	for _, a := range check.Group(group) {
		b.WriteString(markdownPage(a))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// markdownPage is the manual page of one check for docs/checks.
func markdownPage(a check.About) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### `%s`\n\n%s\n\n", a.ID, a.Question)
	if a.Why != "" {
		fmt.Fprintf(&b, "**Why.** %s\n\n", a.Why)
	}
	if a.Fix != "" {
		fmt.Fprintf(&b, "**What to do.** %s\n\n", a.Fix)
	}
	b.WriteString("| code | status | meaning |\n|---|---|---|\n")
	for _, c := range a.Codes {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Code, c.Status, c.Meaning)
	}
	b.WriteString("\n")
	for _, row := range []struct{ title, text string }{
		{"Judges", a.Scope.String()},
		{"Needs", strings.Join(a.Needs, ", ")},
		{"Who mends it", string(a.Who)},
		{"Who acts on it", strings.Join(a.Affects, ", ")},
		{"References", strings.Join(a.Refs, "; ")},
		{"Catalogue", strings.Join(a.Rows, ", ")},
		{"Practices", strings.Join(a.Practices, ", ")},
	} {
		if row.text != "" {
			fmt.Fprintf(&b, "- %s: %s\n", row.title, row.text)
		}
	}
	return b.String() + "\n"
}

// readCatalogue is the committed map of the catalogue's rows to our ids.
func readCatalogue(t *testing.T) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	text, err := os.ReadFile("docs/checks/catalogue.json")
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// catalogue is the same map from what the checks say. The rows are those of the
// committed file; a check cannot invent one.
func catalogue(t *testing.T) string {
	rows := readCatalogue(t)
	for row := range rows {
		rows[row] = []string{}
	}
	for _, c := range check.All() {
		a := c.About()
		for _, row := range a.Rows {
			if _, known := rows[row]; !known {
				t.Errorf("%s names the row %s, which the catalogue has not", a.ID, row)
			}
			rows[row] = append(rows[row], a.ID)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	if err := e.Encode(rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every row of the catalogue has a check, or a reason in later.md; never both.
func TestNoRowIsForgotten(t *testing.T) {
	later, err := os.ReadFile("docs/checks/later.md")
	if err != nil {
		t.Fatal(err)
	}
	for row, ids := range readCatalogue(t) {
		postponed := strings.Contains(string(later), "| "+row+" |")
		if len(ids) == 0 && !postponed {
			t.Errorf("%s has neither a check nor a reason in docs/checks/later.md", row)
		}
		if len(ids) > 0 && postponed {
			t.Errorf("%s is judged by %v and still stands in docs/checks/later.md", row, ids)
		}
	}
}

// practice is a row of the practices that the product exists for.
type practice struct {
	Row      string
	Practice string
	Server   string            // what the server does; "" is not yet
	Theirs   string            // whose the work is, where a server has none
	Inside   string            // why no check looks from outside
	Code     map[string]string // what else holds it: text -> path
}

func practicesPage(t *testing.T) string {
	var practices []practice
	text, err := os.ReadFile("docs/practices.json")
	if err == nil {
		err = json.Unmarshal(text, &practices)
	}
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# The practices, and where they hold\n\n" +
		"Every practice of a well-run mail server that Allgreen exists for, with the checks that prove it from outside and what the server " +
		"does by itself. *Not yet* means just that. Made from `practices.json` and the checks: `go test . -run TestDocs -update`.\n\n" +
		"| row | practice | checks | server |\n|---|---|---|---|\n")
	for _, p := range practices {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p.Row, p.Practice, checksOf(p), serverOf(t, p))
	}
	return b.String()
}

func checksOf(p practice) string {
	var links []string
	for _, c := range check.All() {
		if a := c.About(); slices.Contains(a.Practices, p.Row) {
			links = append(links, fmt.Sprintf("[`%s`](checks/%s.md)", a.ID, a.Group()))
		}
	}
	if len(links) == 0 {
		return cmp.Or(p.Inside, "not yet")
	}
	return strings.Join(links, " ")
}

func serverOf(t *testing.T, p practice) string {
	words := []string{}
	if p.Server != "" {
		words = append(words, p.Server)
	}
	for text, path := range p.Code {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("practice %s points to %s, which is not there", p.Row, path)
		}
		words = append(words, fmt.Sprintf("[%s](../%s)", text, path))
	}
	slices.Sort(words)
	if len(words) == 0 {
		return cmp.Or(p.Theirs, "not yet")
	}
	return strings.Join(words, ", ")
}
