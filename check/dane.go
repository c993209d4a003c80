package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

func daneChecks() []Check { return []Check{danePresent, daneSecure, daneMatch, daneRollover} }

var danePresent = rule{About{
	ID:       "dane.present",
	Question: "Does every MX host publish TLSA records, or none?",
	Why: "With DANE a sender knows from the signed DNS which certificate to expect, and holds the mail back from anybody else. Where one " +
		"host has records and another has none, an attacker leads the mail to the other.",
	Fix:       "Publish a TLSA record 3 1 1 at _25._tcp.<host> for each MX host.",
	Refs:      []string{"RFC 7672 2.2", "RFC 7672 3.1.1"},
	Rows:      []string{"DANE-01"},
	Practices: []string{"A8"},
	Affects:   daneSenders,
	Who:       finding.DNSOwner,
	Scope:     Domain | Host,
	Needs:     []string{"mx.exists"},
	Codes: []Code{
		{"published", finding.Green, "the host has TLSA records"},
		{"none", finding.Skip, "no host has TLSA records"},
		{"partial", finding.Yellow, "this host has none, another has"},
		{"broken", finding.Red, "the question for TLSA records gets a bogus answer: senders that do DANE hold the mail back"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	all := s.TLSA(ctx)
	some := false
	for i := range all {
		some = some || len(all[i].Set.Records) > 0
	}
	var found []finding.Finding
	for i := range all {
		found = append(found, judgePresence(&all[i], some))
	}
	return found
}}

func judgePresence(t *HostTLSA, some bool) finding.Finding {
	host := t.Host.Name.Text()
	f := finding.Finding{Subject: host}
	switch err := t.Set.Err; {
	case err == nil:
		n := len(t.Set.Records)
		f.Code, f.Summary = "published", fmt.Sprintf("%s has %d TLSA %s", host, n, plural(n, "record"))
	case isAbsence(err) && some:
		f.Code, f.Summary = "partial", host+" has no TLSA record, and another MX host has"
		f.Evidence = []string{evidenceOf(err)}
	case isAbsence(err):
		f.Code, f.Summary = "none", host+" has no TLSA record"
	case errors.Is(err, world.ErrBogus) && t.Addresses == world.Secure:
		// RFC 7672 section 2.1.3: to a sender this is an attack, so it waits.
		f.Code, f.Summary = "broken", "the name servers of "+host+" cannot prove whether it has TLSA records: senders that do DANE hold the mail back"
		f.Evidence = []string{evidenceOf(err)}
		f.Fix = "Mend the name server: it must give signed answers, or signed denials, to questions for TLSA at " + t.Set.Name.Text() + "."
	default:
		return unseen(host, err)
	}
	return f
}

var daneSecure = rule{About{
	ID:        "dane.secure",
	Question:  "Are the TLSA records signed with DNSSEC?",
	Why:       "Senders ignore TLSA records that are not signed: whoever can forge a certificate can forge them as well. Published this way they protect nobody.",
	Fix:       "Sign the zone of the MX host and give its DS record to the registrar; or remove the TLSA records.",
	Refs:      []string{"RFC 7672 2.2", "RFC 7672 2.2.1"},
	Rows:      []string{"DANE-02"},
	Practices: []string{"A8"},
	Affects:   daneSenders,
	Who:       finding.DNSOwner,
	Scope:     Domain | Host,
	Needs:     []string{"dane.present"},
	Codes: []Code{
		{"signed", finding.Green, "records, addresses and MX are signed"},
		{"unsigned", finding.Red, "the TLSA records are not signed: senders ignore them"},
		{"host-unsigned", finding.Red, "the addresses of the host are not signed: senders do not ask for the records"},
		{"domain-unsigned", finding.Skip, "the host does its part; the MX records of the domain are not signed"},
		{"unchecked", finding.Unknown, "the resolver does not validate DNSSEC"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, t := range s.TLSA(ctx) {
		if len(t.Set.Records) > 0 {
			found = append(found, s.judgeSigned(&t))
		}
	}
	return found
}}

func (s *Subject) judgeSigned(t *HostTLSA) finding.Finding {
	host := t.Host.Name.Text()
	f := finding.Finding{Subject: host, Evidence: tlsaEvidence(t)}
	switch {
	case t.Set.Security == world.Insecure:
		f.Code, f.Summary = "unsigned", "the TLSA records of "+host+" are not signed: senders ignore them"
	case t.Addresses == world.Insecure:
		f.Code, f.Summary = "host-unsigned", "the addresses of "+host+" are not signed: senders do not ask for its TLSA records"
	case t.MX == world.Insecure:
		f.Code, f.Summary = "domain-unsigned", fmt.Sprintf("%s does DANE, but the MX records of %s are not signed", host, s)
		f.Fix = "Sign the zone of " + s.String() + ", so that senders know that its mail belongs to " + host + "."
	case t.Binds():
		f.Code, f.Summary, f.Evidence = "signed", "the TLSA records of "+host+" are signed, and so is the way to them", nil
	default:
		f.Code, f.Summary = "unchecked", "whether the TLSA records of "+host+" are signed could not be seen"
		f.Fix = "Run the check over a resolver that passes DNSSEC records on."
	}
	return f
}

func tlsaEvidence(t *HostTLSA) []string {
	var lines []string
	for _, r := range t.Set.Records[:min(6, len(t.Set.Records))] {
		lines = append(lines, fmt.Sprintf("%s TLSA: %.160s (%s)", t.Set.Name, r, t.Set.Security))
	}
	return lines
}

var daneMatch = rule{About{
	ID:       "dane.match",
	Question: "Does the certificate of every MX host match its TLSA records?",
	Why: "Senders that do DANE (Microsoft, Comcast, GMX, many hosters in Europe) do not deliver when nothing matches: the mail waits in " +
		"their queues and comes back after days. It happens when a certificate is renewed with a new key.",
	Fix: "Publish the record of the new key first, wait until the old answer has left the caches, then change the certificate. " +
		"Or have renewals keep the key.",
	Refs:      []string{"RFC 7672 3.1", "RFC 7671 8.1"},
	Rows:      []string{"DANE-03"},
	Practices: []string{"A8"},
	Affects:   daneSenders,
	Who:       finding.DNSOwner,
	Scope:     Domain | Host,
	Needs:     []string{"mx.reachable", "dane.secure"},
	Codes: []Code{
		{"matches", finding.Green, "a record matches the certificate"},
		{"mismatch", finding.Red, "no record matches: senders that do DANE do not deliver"},
		{"no-tls", finding.Red, "there is no TLS to match: senders that do DANE do not deliver"},
		{"unusable", finding.Red, "no record is of a kind that SMTP uses"},
		{"some-unusable", finding.Yellow, "a record matches, another is of a kind that SMTP does not use"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachVisit(ctx, s, func(v Server, visit *Visit) finding.Finding {
		t, ok := s.tlsaOf(ctx, v.Name)
		if !ok || !t.Set.Binding() {
			return finding.Finding{}
		}
		return s.judgeMatch(ctx, &t, v, visit)
	})
}}

func (s *Subject) judgeMatch(ctx context.Context, t *HostTLSA, v Server, visit *Visit) finding.Finding {
	f := finding.Finding{Evidence: tlsaEvidence(t)}
	switch state, hidden := visit.StartTLS.State, visit.hidesTLS(); {
	case len(t.Set.Usable()) == 0:
		f.Code, f.Summary = "unusable", fmt.Sprintf("no TLSA record of %s can be used for SMTP: %s", t.Host.Name.Text(), t.Set.Records[0].Unusable())
		f.Fix = "Replace the records by one of the form 3 1 1."
	case hidden != nil:
		return unseen(v.String(), hidden)
	case state == nil:
		f.Code, f.Summary = "no-tls", v.String()+" promises TLS by its TLSA records and has none: senders that do DANE do not deliver"
		f.Fix = "Mend TLS (see tls.offered), or remove the TLSA records until it works."
		f.Who = finding.ThisServer
		return f
	default:
		s.matchChains(ctx, t, v, visit, &f)
	}
	s.suggestTLSA(t, visit, &f)
	return f
}

// matchChains matches every chain that the server is known to show: RFC 7671 section
// 5 wants records for each.
func (s *Subject) matchChains(ctx context.Context, t *HostTLSA, v Server, visit *Visit, f *finding.Finding) {
	for _, chain := range s.knownChains(ctx, v, visit) {
		match, err := t.Set.Match(chain, t.Names, s.World.Now())
		if err != nil {
			f.Code = "mismatch"
			f.Summary = fmt.Sprintf("%s: %s; senders that do DANE do not deliver", v, err)
			f.Evidence = append(f.Evidence, shownEvidence(chain)...)
			return
		}
		f.Code, f.Summary = "matches", fmt.Sprintf("a record %d %d %d matches the certificate of %s",
			match.Record.Usage, match.Record.Selector, match.Record.Matching, v)
	}
	for _, r := range t.Set.Records {
		if why := r.Unusable(); why != "" {
			f.Code, f.Summary = "some-unusable", "a TLSA record of "+t.Host.Name.Text()+" cannot be used: "+why
			f.Fix = "Remove the record."
			return
		}
	}
	f.Evidence = nil
}

// shownEvidence is the records that would match a chain, as the server shows it.
func shownEvidence(chain []*x509.Certificate) []string {
	var lines []string
	for i, cert := range chain[:min(3, len(chain))] {
		usage := uint8(route.DANETA)
		if i == 0 {
			usage = route.DANEEE
		}
		if r, err := route.NewTLSA(usage, route.PublicKey, route.SHA256, cert); err == nil {
			lines = append(lines, fmt.Sprintf("certificate %d, %.100q, is %s", i, cert.Subject, r))
		}
	}
	return lines
}

// suggestTLSA writes down the record that the certificate asks for.
func (s *Subject) suggestTLSA(t *HostTLSA, visit *Visit, f *finding.Finding) {
	state := visit.StartTLS.State
	if f.Code == "matches" || f.Code == "some-unusable" || state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	if r, err := route.NewTLSA(route.DANEEE, route.PublicKey, route.SHA256, state.PeerCertificates[0]); err == nil {
		f.Records = []finding.Record{{Name: t.Set.Name.String(), Type: "TLSA", Value: r.String()}}
	}
}

var daneRollover = rule{About{
	ID:       "dane.rollover",
	Question: "Is there a TLSA record for the next key as well?",
	Why: "A second record, of the next key or of the issuing authority, lets the certificate change at any hour without a gap. " +
		"Nobody refuses mail for want of it.",
	Fix:       "Make the next key now and publish its 3 1 1 beside the present one, or publish a 2 1 1 of the issuer.",
	Refs:      []string{"RFC 7671 8.1", "RFC 7671 8.4"},
	Rows:      []string{"DANE-04"},
	Practices: []string{"A8"},
	Who:       finding.DNSOwner,
	Scope:     Domain | Host,
	Needs:     []string{"dane.secure"},
	Codes: []Code{
		{"prepared", finding.Green, "more than one usable record"},
		{"single", finding.Skip, "one record; changing the key needs care"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	for _, t := range s.TLSA(ctx) {
		if !t.Set.Binding() {
			continue
		}
		f := finding.Finding{Subject: t.Host.Name.Text(), Code: "single",
			Summary: t.Host.Name.Text() + " has one TLSA record: publish the next one before the key changes"}
		if n := len(t.Set.Usable()); n > 1 {
			f.Code, f.Summary = "prepared", fmt.Sprintf("%s has %d usable TLSA records", t.Host.Name.Text(), n)
		}
		found = append(found, f)
	}
	return found
}}
