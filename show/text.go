package show

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

// Options say how a text report looks. The zero value is 80 columns, no colour,
// greens folded: right for a pipe.
type Options struct {
	Width   int  // columns; zero: 80; less than 40 counts as 40
	Color   bool // the caller knows whether this is a terminal, and NO_COLOR
	Verbose bool // greens, skips, reasons and references of everything
}

const (
	tagColumn    = 11 // where the text beside "unknown ?" begins
	detailColumn = 16 // where the text beside "saw" begins
	maxEvidence  = 6  // lines of evidence shown when not verbose
)

// Text writes the reports for people: each with the worst groups first, the cure
// under each red as a record to paste, and its verdict on the last line. It
// returns the first error of w.
func Text(w io.Writer, reports []*finding.Report, o Options) error {
	if o.Width == 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, 40)
	p := &paper{Writer: bufio.NewWriter(w), Options: o}
	for i, r := range reports {
		if i > 0 {
			p.line("")
		}
		p.report(r)
	}
	if len(reports) > 1 {
		p.summary(reports)
	}
	return p.Flush()
}

// paper is a page being written; the Writer keeps the first error.
type paper struct {
	*bufio.Writer
	Options
}

func (p *paper) line(s string) {
	p.WriteString(strings.TrimRight(s, " "))
	p.WriteByte('\n')
}

func (p *paper) report(r *finding.Report) {
	p.header(r)
	groups := groupsOf(r)
	for _, g := range groups {
		if p.Verbose || needsReading(g.worst) {
			p.group(r.Target, g)
		}
	}
	if !p.Verbose {
		p.folded(groups)
	}
	p.verdict(r)
}

func (p *paper) header(r *finding.Report) {
	title := p.bold(wash(r.Name()))
	if f := facts(r); f != "" {
		title += ", " + f
	}
	p.line(title)
	if len(r.Addresses) > 0 {
		p.labelled("addresses", tagColumn, "", addressWords(r.Addresses))
	}
}

func addressWords(addresses []finding.Address) string {
	var words []string
	for _, a := range addresses {
		from := a.Source
		if a.Name != "" {
			from = strings.TrimPrefix(from+" "+a.Name, " ")
		}
		words = append(words, a.IP+" ("+from+")")
	}
	return wash(strings.Join(words, ", "))
}

func (p *paper) group(target string, g group) {
	name, counts := wash(g.name)+" ", " "+countWords(g.counts)
	rule := max(3, p.Width-columns(name)-columns(counts))
	p.line("")
	p.line(p.bold(name) + p.dim(strings.Repeat("-", rule)) + counts)
	items := g.items
	if !p.Verbose {
		items = merged(items)
	}
	var before finding.Finding
	for _, it := range items {
		if !p.Verbose && !needsReading(it.Status) {
			continue
		}
		if !p.Verbose && before.Check == it.Check && before.Code == it.Code {
			p.another(target, it, before)
		} else {
			p.item(target, it)
		}
		before = it.Finding
	}
}

// another writes a finding that says of another subject what the one before it
// said: only what differs.
func (p *paper) another(target string, it item, before finding.Finding) {
	p.tagged(it.Status, wash(headline(target, it.Finding)))
	p.evidence(it.Evidence)
	differing := finding.Finding{Status: it.Status, Records: it.Records}
	if it.Fix != before.Fix {
		differing.Fix = it.Fix
	}
	if slices.Equal(it.Records, before.Records) {
		differing.Records = nil
	}
	p.cure(differing)
}

// item writes one finding; a green or skipped one takes one line.
func (p *paper) item(target string, it item) {
	p.tagged(it.Status, wash(headline(target, it.Finding)))
	if len(it.also) > 0 {
		p.detail("also", wash(strings.Join(it.also, ", ")))
	}
	if needsReading(it.Status) || p.Verbose {
		p.evidence(it.Evidence)
	}
	if needsReading(it.Status) {
		if it.Status == finding.Red || p.Verbose {
			p.detail("why", wash(it.Why))
		}
		p.cure(it.Finding)
	}
	p.source(it.Finding)
}

func (p *paper) evidence(lines []string) {
	shown := lines
	if !p.Verbose && len(lines) > maxEvidence {
		shown = lines[:maxEvidence]
	}
	label := "saw"
	for _, e := range shown {
		p.detail(label, wash(e))
		label = ""
	}
	if left := len(lines) - len(shown); left > 0 {
		p.detail("", fmt.Sprintf("(%d lines more with -v)", left))
	}
}

// cure says what to do and who can do it. Only records stand at the left margin:
// in a zone file a line that begins with a blank belongs to the name above.
func (p *paper) cure(f finding.Finding) {
	label := "fix"
	if f.Status == finding.Unknown {
		label = "try" // nothing is broken yet: this is what would make it visible
	}
	if f.Fix != "" {
		for _, line := range washLines(f.Fix) {
			p.detail(label, line)
			label = ""
		}
	}
	if f.Who != "" {
		p.detail("who", wash(whoWords(f.Who)))
	}
	if len(f.Records) == 0 {
		return
	}
	p.line("")
	for _, r := range f.Records {
		for _, line := range zoneLines(r, p.Width) {
			p.line(p.bold(line))
		}
	}
	p.line("")
}

// source names the check, whose manual page tells more.
func (p *paper) source(f finding.Finding) {
	text := wash(f.Check)
	if p.Verbose && f.Code != "" {
		text += " (" + wash(f.Code) + ")"
	}
	if p.Verbose && len(f.Refs) > 0 {
		text += "; " + wash(strings.Join(f.Refs, ", "))
	}
	if needsReading(f.Status) && len(f.Affects) > 0 {
		text += "; acted on by " + wash(strings.Join(f.Affects, ", "))
	}
	for _, line := range wrap(text, p.Width-tagColumn) {
		p.line(strings.Repeat(" ", tagColumn) + p.dim(line))
	}
}

// folded counts what needs no reading, group by group.
func (p *paper) folded(groups []group) {
	var green, skipped []string
	for _, g := range groups {
		if g.counts.Green > 0 {
			green = append(green, fmt.Sprintf("%s %d", wash(g.name), g.counts.Green))
		}
		if g.counts.Skip > 0 {
			skipped = append(skipped, fmt.Sprintf("%s %d", wash(g.name), g.counts.Skip))
		}
	}
	p.line("")
	if len(green) > 0 {
		p.tagged(finding.Green, strings.Join(green, ", "))
	}
	if len(skipped) > 0 {
		p.tagged(finding.Skip, strings.Join(skipped, ", "))
	}
}

func (p *paper) verdict(r *finding.Report) {
	if p.Verbose || r.Counts.Green+r.Counts.Skip > 0 {
		p.line("")
	}
	if r.Counts.Red+r.Counts.Yellow+r.Counts.Unknown > 0 {
		p.line(p.dim("allgreen explain ID tells more, -v shows everything"))
	}
	p.tagged(r.Verdict, wash(verdictWords(r)))
}

// summary lists the verdicts of many targets once more.
func (p *paper) summary(reports []*finding.Report) {
	p.line("")
	p.line(p.bold(fmt.Sprintf("%d targets", len(reports))))
	for _, r := range reports {
		p.tagged(r.Verdict, wash(r.Name()+": "+countWords(r.Counts)))
	}
}

// tagged writes a text beside a status: its word and its sign.
func (p *paper) tagged(s finding.Status, text string) {
	p.labelled(s.String()+" "+s.Sign(), tagColumn, colours[s], text)
}

// detail writes a text beside a label under a finding; no text, no line.
func (p *paper) detail(label, text string) {
	if text != "" {
		indent := strings.Repeat(" ", tagColumn)
		p.labelled(indent+label, detailColumn, "", text)
	}
}

// labelled writes a text in lines that begin at a column, the label before the
// first.
func (p *paper) labelled(label string, column int, colour, text string) {
	gap := strings.Repeat(" ", max(1, column-columns(label)))
	for i, line := range wrap(text, p.Width-column) {
		if i == 0 {
			p.line(p.paint(colour, label) + gap + line)
		} else {
			p.line(strings.Repeat(" ", column) + line)
		}
	}
}
