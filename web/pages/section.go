package pages

import (
	"bytes"
	"html/template"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
)

// maxSection is how large a report may be on a page, in octets. Hostile servers have much
// to say.
const maxSection = 130_000

// sectionOf is a report in the look of the site, washed and escaped by show. One that is
// too large is told shorter and shorter, and says so.
func sectionOf(r *finding.Report) template.HTML {
	for i, as := range []func(finding.Finding) finding.Finding{whole, quietGreen, shortEvidence} {
		shorter := told(r, as)
		if weight(shorter) > maxSection {
			continue
		}
		if text := sectionText(shorter); len(text) <= maxSection {
			return template.HTML(text + map[bool]string{true: shortened}[i > 0])
		}
	}
	few := *r
	few.Findings = r.WorstFirst()[:min(len(r.Findings), maxHeadlines)]
	return template.HTML(sectionText(told(&few, headlineOnly)) + shortened)
}

const shortened = `<p class="facts">This is a part of the report: the whole is too long for a page. allgreen check shows it all.</p>`

// maxHeadlines is what one page holds of reports that hold too much.
const maxHeadlines = 100

// weight is about how many octets a report takes, without making it.
func weight(r *finding.Report) (octets int) {
	for _, f := range r.Findings {
		octets += 300 + len(f.Summary) + len(f.Why) + len(f.Fix) + 100*len(f.Refs)
		for _, line := range f.Evidence {
			octets += len(line)
		}
		for _, record := range f.Records {
			octets += len(record.Name) + len(record.Value)
		}
	}
	return octets
}

func sectionText(r *finding.Report) string {
	var b bytes.Buffer
	_ = show.Section(&b, r) // a buffer takes everything
	return b.String()
}

// told is the report with every finding told in another way. Its counts stay.
func told(r *finding.Report, as func(finding.Finding) finding.Finding) *finding.Report {
	other := *r
	other.Findings = slices.Clone(r.Findings)
	for i, f := range other.Findings {
		other.Findings[i] = as(f)
	}
	return &other
}

// whole leaves a finding as it is.
func whole(f finding.Finding) finding.Finding { return f }

// quietGreen leaves out the proof of what is in order.
func quietGreen(f finding.Finding) finding.Finding {
	if isWell(f.Status) {
		f.Evidence, f.Refs = nil, nil
	}
	return f
}

// shortEvidence leaves a little of every proof.
func shortEvidence(f finding.Finding) finding.Finding {
	f = quietGreen(f)
	f.Evidence = slices.Clone(f.Evidence[:min(len(f.Evidence), 4)])
	for i, line := range f.Evidence {
		f.Evidence[i] = cut(line, 200)
	}
	return f
}

// headlineOnly leaves what was found.
func headlineOnly(f finding.Finding) finding.Finding {
	return finding.Finding{Check: f.Check, Group: f.Group, Status: f.Status, Code: f.Code, Subject: cut(f.Subject, 100), Summary: cut(f.Summary, 150), Fix: cut(f.Fix, 150), Who: f.Who}
}
