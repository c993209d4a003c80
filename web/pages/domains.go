package pages

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/zone"
)

// domainsPage lists our domains, each with how it stands.
type domainsPage struct{ Domains []domainLine }

// domainLine is one of them.
type domainLine struct {
	Name    string
	Status  finding.Status
	Counts  finding.Counts
	Records int
}

// domains lists them.
func (s *Site) domains(w http.ResponseWriter, r *http.Request) {
	wanted, err := web.DNSRecords.Do(r.Context(), s.o.Client, web.None{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	rows, err := web.StandingRows.Do(r.Context(), s.o.Client, web.StandingQuery{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var page domainsPage
	for _, d := range wanted {
		var found []finding.Finding
		for i := range rows {
			if rows[i].Target == d.Domain {
				found = append(found, finding.Finding{Status: rows[i].Status})
			}
		}
		report := finding.NewReport(d.Domain, found)
		page.Domains = append(page.Domains, domainLine{d.Domain, report.Verdict, report.Counts, len(d.Records)})
	}
	s.render(w, r, "domains", "Domains", page)
}

// domainPage is what one domain wants published, its keys, and on demand what is there.
type domainPage struct {
	Domain   string
	Records  []recordLine
	Keys     []web.DKIMKey
	Compared bool
	Trouble  string // why nothing could be compared
}

// recordLine is a record to copy, with what its zone has of it.
type recordLine struct {
	finding.Record
	ID   string // of the value on the page
	Step *zone.Step
}

// Sign is the word and the sign of what a comparison found.
func (l recordLine) Sign() string {
	switch l.Step.Status {
	case zone.Fine:
		return "there ok"
	case zone.Elsewhere:
		return "elsewhere ?"
	case zone.Keep:
		return "something else x"
	}
	return "missing x"
}

// Class is its colour.
func (l recordLine) Class() string {
	switch l.Step.Status {
	case zone.Fine:
		return "green"
	case zone.Elsewhere:
		return "unknown"
	}
	return "red"
}

// domain shows one.
func (s *Site) domain(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("domain")
	wanted, err := web.DNSRecords.Do(r.Context(), s.o.Client, web.None{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	i := slices.IndexFunc(wanted, func(d web.DomainRecords) bool { return d.Domain == name })
	if i < 0 {
		s.problem(w, r, http.StatusNotFound, "This is no domain of the server.", "The list of domains shows all.")
		return
	}
	page := domainPage{Domain: name}
	for n, record := range wanted[i].Records {
		page.Records = append(page.Records, recordLine{Record: record, ID: fmt.Sprintf("value-%d", n)})
	}
	if page.Keys, err = web.DKIMKeys.Do(r.Context(), s.o.Client, web.DomainName{Domain: name}); err != nil {
		s.fail(w, r, err)
		return
	}
	if r.FormValue("compare") != "" {
		page.Compared = true
		s.compare(r, &page)
	}
	s.render(w, r, "domain", name, page)
}

// compare asks the name servers. That they do not answer is told on the page.
func (s *Site) compare(r *http.Request, page *domainPage) {
	steps, err := web.DNSDiff.Do(r.Context(), s.o.Client, web.DomainName{Domain: page.Domain})
	if err != nil {
		page.Trouble = err.Error()
		return
	}
	for i := range page.Records {
		line := &page.Records[i]
		n := slices.IndexFunc(steps, func(s zone.Step) bool { return string(s.Name) == line.Name && s.Type == line.Type })
		if n >= 0 {
			line.Step = &steps[n]
		}
	}
}
