package show

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

//go:embed page.html
var pageText string

// page is the whole file: style and text, no script, nothing fetched.
var page = template.Must(template.New("page").Parse(pageText))

// sheet, tile, section and entry are what the page is filled with, every text
// already washed; the template escapes them for their place.
type sheet struct {
	Title   string
	Reports []section
}

type section struct {
	Target, Facts, Addresses string
	Verdict                  finding.Status
	Sentence                 string
	Groups                   []tile
}

type tile struct {
	Anchor, Name, Counts string
	Worst                finding.Status
	Items                []entry
}

type entry struct {
	Status                         finding.Status
	Headline, Check, Code          string
	Why, Who                       string
	Fix, Evidence, Affects, Record []string
	Refs                           []reference
}

type reference struct{ Text, Link string }

// Open reports whether the details are unfolded when the page opens.
func (e entry) Open() bool { return e.Status == finding.Red }

// Open reports whether the group is unfolded when the page opens.
func (t tile) Open() bool { return needsReading(t.Worst) }

// HTML writes the reports as one self-contained page, for light and dark
// screens and for paper. It returns the first error of w.
func HTML(w io.Writer, reports []*finding.Report) error {
	s := sheet{Title: "Allgreen"}
	for i, r := range reports {
		s.Reports = append(s.Reports, sectionOf(i, r))
	}
	if len(reports) == 1 {
		s.Title = wash(reports[0].Name()) + ": " + reports[0].Verdict.String()
	}
	return page.Execute(w, s)
}

// Section writes one report as a part of another page, whose style sheet knows the
// classes. It returns the first error of w.
func Section(w io.Writer, r *finding.Report) error {
	return page.ExecuteTemplate(w, "report", sectionOf(0, r))
}

// Details writes what a report says below the headline of a finding: what was seen, why
// it matters, what to do, and the records to paste.
func Details(w io.Writer, f finding.Finding) error {
	return page.ExecuteTemplate(w, "details", entryOf("", f))
}

// Who names those who can mend something, for people.
func Who(w finding.Who) string { return whoWords(w) }

func sectionOf(i int, r *finding.Report) section {
	s := section{
		Target: wash(r.Name()), Facts: facts(r), Addresses: addressWords(r.Addresses),
		Verdict: r.Verdict, Sentence: wash(verdictWords(r)),
	}
	for _, g := range groupsOf(r) {
		t := tile{Anchor: fmt.Sprintf("t%d-%s", i, g.name), Name: wash(g.name), Counts: countWords(g.counts), Worst: g.worst}
		for _, it := range g.items {
			t.Items = append(t.Items, entryOf(r.Target, it.Finding))
		}
		s.Groups = append(s.Groups, t)
	}
	return s
}

func entryOf(target string, f finding.Finding) entry {
	e := entry{
		Status: f.Status, Headline: wash(headline(target, f)), Check: wash(f.Check), Code: wash(f.Code),
		Why: wash(f.Why), Who: wash(whoWords(f.Who)), Evidence: washAll(f.Evidence), Affects: washAll(f.Affects),
	}
	if f.Fix != "" {
		e.Fix = washLines(f.Fix)
	}
	for _, r := range f.Records {
		e.Record = append(e.Record, strings.Join(zoneLines(r, maxText), "\n"))
	}
	for _, ref := range f.Refs {
		e.Refs = append(e.Refs, referenceOf(wash(ref)))
	}
	return e
}

var rfc = regexp.MustCompile(`^RFC (\d{1,5})(?: (\d+(?:\.\d+)*))?$`)

// referenceOf links what it can: "RFC 7208 4.6.4" leads to that section.
func referenceOf(ref string) reference {
	m := rfc.FindStringSubmatch(ref)
	if m == nil {
		return reference{Text: ref}
	}
	link := "https://www.rfc-editor.org/rfc/rfc" + m[1]
	if m[2] != "" {
		link += "#section-" + m[2]
	}
	return reference{Text: ref, Link: link}
}
