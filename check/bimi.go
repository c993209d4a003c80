package check

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/allgreen-mail/allgreen/bimi"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
)

func bimiChecks() []Check {
	return []Check{bimiRecord, bimiLogo, bimiEvidence, bimiDMARC}
}

// bimiFacts is what was learned about the logo of the target.
type bimiFacts struct {
	record memo[mail.Domain, bimi.Found]
	files  memo[string, fetched]
}

// fetched is a file of a BIMI record, or why it could not be had.
type fetched struct {
	bimi.File
	err error
}

// BIMI is the record of the target for the default selector.
func (s *Subject) BIMI(ctx context.Context) bimi.Found {
	d := s.Domain()
	return s.bimi.record.get(ctx, d, func(ctx context.Context) bimi.Found {
		return bimi.LookupRecord(ctx, s.World, d, d.Registrable(), bimi.DefaultSelector)
	})
}

// bimiFile is a file that the record names.
func (s *Subject) bimiFile(ctx context.Context, at *url.URL) fetched {
	return s.bimi.files.get(ctx, at.String(), func(ctx context.Context) fetched {
		if err := s.mayFetch(ctx, at); err != nil {
			return fetched{err: err}
		}
		file, err := bimi.Fetch(ctx, s.World, at)
		return fetched{file, err}
	})
}

const bimiWhy = "BIMI shows the logo of a domain beside its messages. Google and Apple show it only with a mark certificate (VMC or CMC), Yahoo and " +
	"others also without; all want DMARC that is enforced. One mistake, and no logo is shown; mail itself does not suffer."

const bimiDraft = "draft-brand-indicators-for-message-identification-08"

var bimiRecord = rule{About{
	ID:       "bimi.record",
	Question: "Is the BIMI record, where there is one, written correctly?",
	Why:      bimiWhy,
	Fix:      "Publish one TXT record at default._bimi.<domain>: \"v=BIMI1; l=https://...svg; a=https://...pem\", or remove it.",
	Refs:     []string{bimiDraft + " 4.2"},
	Rows:     []string{"BIMI-01"},
	Affects:  []string{"google", "yahoo", "apple"},
	Who:      finding.DNSOwner,
	Scope:    Domain,
	Codes: []Code{
		{"right", finding.Green, "one record, written correctly"},
		{"none", finding.Skip, "no record: no logo is wanted"},
		{"declined", finding.Skip, "the record says that no logo is wanted"},
		{"odd", finding.Yellow, "some receivers stumble over the record"},
		{"void", finding.Red, "receivers cannot use the record"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	found := s.BIMI(ctx)
	f := finding.Finding{Subject: s.String()}
	switch {
	case found.Err != nil && isAbsence(found.Err):
		f.Code, f.Summary = "none", s.String()+" publishes no BIMI record"
		return one(f)
	case found.Err != nil:
		return one(unseen(s.String(), found.Err))
	case found.Record.Declined:
		f.Code, f.Summary = "declined", s.String()+" says that it wants no logo"
		return one(f)
	}
	f.Code, f.Summary = "right", "the BIMI record at "+found.Name.Text()+" is written correctly"
	for _, text := range found.Records {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s TXT: %q", found.Name, text))
	}
	// That there is no certificate is told by bimi.evidence.
	if p, ok := worstOf(found.Problems, "no-evidence"); ok {
		f.Code, f.Summary = "odd", "some receivers stumble over the BIMI record: "+p.Detail
		if p.Fatal {
			f.Code, f.Summary = "void", "the BIMI record cannot be used: "+p.Detail
		}
	}
	return one(f)
}}

// worstOf is the first fatal problem, else the first of any kind, but for those with
// the given code.
func worstOf(problems []bimi.Problem, but string) (worst bimi.Problem, ok bool) {
	for _, p := range problems {
		if p.Code == but {
			continue
		}
		if !ok || p.Fatal && !worst.Fatal {
			worst, ok = p, true
		}
	}
	return worst, ok
}

var bimiLogo = rule{About{
	ID:       "bimi.logo",
	Question: "Can the logo be fetched, and is it SVG Tiny PS?",
	Why:      bimiWhy,
	Fix: "Export the logo as SVG Tiny 1.2 with baseProfile=\"tiny-ps\", square, with a title, without scripts, links and pictures inside, under " +
		"32 kB; serve it over https without a redirect.",
	Refs:    []string{"draft-svg-tiny-ps-abrotman-10", bimiDraft},
	Rows:    []string{"BIMI-02"},
	Affects: []string{"google", "yahoo", "apple"},
	Who:     finding.DNSOwner,
	Scope:   Domain,
	Needs:   []string{"bimi.record"},
	Codes: []Code{
		{"fits", finding.Green, "the logo is there, and is SVG Tiny PS"},
		{"odd", finding.Yellow, "some receivers mind something about the logo"},
		{"unfit", finding.Red, "the logo will not be shown"},
		{"not-there", finding.Red, "the logo cannot be fetched"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	at := s.BIMI(ctx).Record.Logo
	if at == nil {
		return nil
	}
	file := s.bimiFile(ctx, at)
	if file.err != nil {
		return one(fileMissing(at, file.err))
	}
	logo, problems := bimi.JudgeLogo(file.Body)
	f := finding.Finding{Code: "fits", Subject: at.String(),
		Summary: fmt.Sprintf("the logo %q is SVG Tiny PS, %d octets", logo.Title, logo.Size)}
	for _, p := range problems {
		f.Evidence = append(f.Evidence, p.Code+": "+p.Detail)
	}
	if p, ok := worstOf(problems, ""); ok {
		f.Code, f.Summary = "odd", "some receivers mind the logo: "+p.Detail
		if p.Fatal {
			f.Code, f.Summary = "unfit", "the logo will not be shown: "+p.Detail
		}
	}
	return one(f)
}}

// fileMissing tells a file that is not served from one that could not be seen.
func fileMissing(at *url.URL, err error) finding.Finding {
	if isUnclear(err) {
		return unseen(at.String(), err)
	}
	f := finding.Finding{Code: "not-there", Subject: at.String(), Summary: err.Error(), Evidence: []string{evidenceOf(err)}}
	var fetch *bimi.FetchError
	if errors.As(err, &fetch) && fetch.Reason == bimi.FetchRedirect {
		f.Fix = "Name the place that the redirect leads to in the record: many receivers follow none."
	}
	return f
}

var bimiEvidence = rule{About{
	ID:       "bimi.evidence",
	Question: "Does the mark certificate, where there is one, vouch for this logo and this domain?",
	Why:      bimiWhy,
	Fix: "Put the certificate file that the authority gave you, mark certificate first and its issuers behind it, at the place in a=, and serve " +
		"exactly the logo that it holds.",
	Refs:    []string{"RFC 3709", "RFC 9399", bimiDraft},
	Rows:    []string{"BIMI-03"},
	Affects: []string{"google", "apple"},
	Who:     finding.DNSOwner,
	Scope:   Domain,
	Needs:   []string{"bimi.record"},
	Codes: []Code{
		{"vouches", finding.Green, "the certificate is valid, and holds this logo"},
		{"none", finding.Skip, "no certificate: Google and Apple show no logo"},
		{"odd", finding.Yellow, "some receivers mind something about the certificate"},
		{"void", finding.Red, "the certificate does not vouch for this logo"},
		{"not-there", finding.Red, "the certificate cannot be fetched"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	record := s.BIMI(ctx).Record
	switch {
	case record.Evidence == nil && record.Logo == nil:
		return nil
	case record.Evidence == nil:
		return one(finding.Finding{Code: "none", Subject: s.String(),
			Summary: s.String() + " has a logo without a mark certificate; Google and Apple will not show it"})
	}
	file := s.bimiFile(ctx, record.Evidence)
	if file.err != nil {
		return one(fileMissing(record.Evidence, file.err))
	}
	return one(s.judgeEvidence(ctx, record, file.Body))
}}

func (s *Subject) judgeEvidence(ctx context.Context, record bimi.Record, pem []byte) finding.Finding {
	evidence, problems := bimi.ParseEvidence(pem)
	if len(evidence.Chain) > 0 {
		d := s.Domain()
		problems = append(problems, evidence.Judge(d, d.Registrable(), bimi.DefaultSelector, nil, s.World.Now())...)
	}
	if record.Logo != nil && evidence.Logo != nil {
		if logo := s.bimiFile(ctx, record.Logo); logo.err == nil && !evidence.Shows(logo.Body) {
			problems = append(problems, bimi.Problem{Code: "other-logo", Detail: "the certificate holds another logo than " + record.Logo.String(), Fatal: true})
		}
	}
	f := finding.Finding{Code: "vouches", Subject: record.Evidence.String(),
		Summary: fmt.Sprintf("the %s vouches for the logo until %s", evidence.Kind, evidence.NotAfter.Format("2006-01-02"))}
	for _, p := range problems {
		f.Evidence = append(f.Evidence, p.Code+": "+p.Detail)
	}
	// The authorities for marks are in no system's store: nobody judged the anchor.
	if p, ok := worstOf(problems, "anchor"); ok {
		f.Code, f.Summary = "odd", "some receivers mind the mark certificate: "+p.Detail
		if p.Fatal {
			f.Code, f.Summary = "void", "the mark certificate does not count: "+p.Detail
		}
	}
	return f
}

var bimiDMARC = rule{About{
	ID:       "bimi.dmarc",
	Question: "Is DMARC enforced, as a logo demands?",
	Why: "Receivers show a logo only where forged mail is not delivered: the policy of the domain, and that for its subdomains, must be quarantine " +
		"or reject, for all of the mail.",
	Fix:       "Raise the DMARC policy to quarantine or reject, remove sp=none, pct and t=y; or remove the BIMI record until then.",
	Refs:      []string{bimiDraft, "RFC 9989 4.7"},
	Rows:      []string{"BIMI-04"},
	Practices: []string{"A5"},
	Affects:   []string{"google", "yahoo", "apple"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"bimi.record"},
	Codes: []Code{
		{"enforced", finding.Green, "DMARC is enforced"},
		{"not-enforced", finding.Red, "DMARC is not enforced, so no logo is shown"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	if s.BIMI(ctx).Record.Logo == nil {
		return nil
	}
	d := s.DMARCOf(ctx, s.Domain())
	if d.Err != nil {
		return one(unseen(s.String(), d.Err))
	}
	f := finding.Finding{Code: "enforced", Subject: s.String(), Summary: "DMARC of " + s.String() + " is enforced", Evidence: d.Walk.Trace()}
	if why := notEnforced(d); why != "" {
		f.Code, f.Summary = "not-enforced", fmt.Sprintf("no logo is shown for %s: %s", s, why)
	}
	if d.Record != nil {
		f.Evidence = []string{fmt.Sprintf("%s TXT: %q", d.Step.Name, d.Record.Text)}
	}
	return one(f)
}}

// notEnforced says why a DMARC record is too weak for a logo, "" when it is not. The
// draft (section 5.1) still counts pct, which the DMARC of today has given up.
func notEnforced(d dmarc.Discovery) string {
	if d.Record == nil {
		return "there is no DMARC record"
	}
	_, sp, _, _ := d.Record.Effective()
	switch applied := d.Applied(); {
	case applied.Strength() < dmarc.Quarantine.Strength() && d.Record.Testing:
		return "the DMARC policy is in test mode (t=y)"
	case applied.Strength() < dmarc.Quarantine.Strength():
		return "the DMARC policy is none"
	case sp == dmarc.None:
		return "DMARC has sp=none, which lets subdomains be forged"
	case d.Record.Percent < 100 && d.Policy == dmarc.Quarantine:
		return fmt.Sprintf("the DMARC policy is for %d %% of the mail", d.Record.Percent)
	}
	return ""
}
