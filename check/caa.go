package check

import (
	"context"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

//go:embed caa.json
var caaJSON []byte

// issuer is a certification authority: how its certificates name it, and by which
// names CAA records do.
type issuer struct {
	Organization string   `json:"organization"`
	Domains      []string `json:"domains"`
}

var knownIssuers = sync.OnceValue(func() []issuer {
	var doc struct{ Issuers []issuer }
	if err := json.Unmarshal(caaJSON, &doc); err != nil {
		panic("check: caa.json: " + err.Error())
	}
	return doc.Issuers
})

var dnsCAA = rule{About{
	ID:       "dns.caa",
	Question: "Do the CAA records allow the authority whose certificates the mail servers use?",
	Why: "CAA says who may issue certificates for a name. An authority that is not named cannot renew: on the day the certificate ends, " +
		"senders with MTA-STS stop delivering. Without CAA any authority may issue.",
	Fix:       "Add the identifier of the authority you use to the CAA records, or change the authority.",
	Refs:      []string{"RFC 8659 3", "RFC 8659 4.2"},
	Rows:      []string{"DNS-13"},
	Practices: []string{"A8"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"allowed", finding.Green, "the authority in use is allowed"},
		{"none", finding.Skip, "no CAA record: any authority may issue"},
		{"forbidden", finding.Red, "the authority in use may not issue, so the certificate cannot be renewed"},
		{"critical", finding.Red, "a critical property that no authority knows stops every one of them"},
		{"malformed", finding.Yellow, "an issuer is written so that no authority recognizes itself"},
		{"not-compared", finding.Skip, "CAA is published; the server shows no public certificate of an authority known here"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	seen := map[mail.Domain]bool{}
	for _, v := range s.Servers(ctx) {
		if !v.Name.IsZero() && !seen[v.Name] {
			seen[v.Name] = true
			found = append(found, s.judgeCAA(ctx, v))
		}
	}
	return found
}}

func (s *Subject) judgeCAA(ctx context.Context, v Server) finding.Finding {
	at, records, err := s.findCAA(ctx, world.NameOf(v.Name))
	f := finding.Finding{Subject: v.Name.String(), Evidence: caaEvidence(at, records)}
	switch {
	case err != nil:
		return unseen(v.Name.String(), err)
	case len(records) == 0:
		f.Code, f.Summary = "none", "no CAA record restricts who may issue for "+v.Name.String()
		return f
	}
	if code, words := caaFault(records); code != "" {
		f.Code, f.Summary = code, fmt.Sprintf("CAA of %s: %s", at.Text(), words)
		return f
	}
	cert := s.publicCertificate(ctx, v)
	allowed, restricted := caaIssuers(records, cert)
	switch {
	case cert == nil:
		f.Code, f.Summary = "not-compared", v.String()+" shows no public certificate to compare with its CAA records"
	case !restricted:
		f.Code, f.Summary = "allowed", "CAA of "+at.Text()+" restricts no authority"
	case len(allowed) == 0:
		f.Code, f.Summary = "forbidden", fmt.Sprintf("CAA of %s allows no authority, and %s shows a certificate of %s", at.Text(), v, issuerOf(cert))
	default:
		s.compareIssuer(&f, v, cert, allowed)
	}
	return f
}

func (s *Subject) compareIssuer(f *finding.Finding, v Server, cert *x509.Certificate, allowed []string) {
	name := issuerOf(cert)
	i := slices.IndexFunc(knownIssuers(), func(k issuer) bool {
		return strings.HasPrefix(strings.ToLower(name), strings.ToLower(k.Organization))
	})
	switch {
	case i < 0:
		f.Code, f.Summary = "not-compared", fmt.Sprintf("%s is not known here by its CAA identifier", name)
	case slices.ContainsFunc(knownIssuers()[i].Domains, func(d string) bool { return slices.Contains(allowed, d) }):
		f.Code, f.Summary = "allowed", fmt.Sprintf("%s may issue for %s", name, v.Name)
	default:
		f.Code, f.Summary = "forbidden", fmt.Sprintf("%s shows a certificate of %s, which CAA does not allow", v, name)
		f.Records = []finding.Record{{Name: v.Name.String() + ".", Type: "CAA", Value: `0 issue "` + knownIssuers()[i].Domains[0] + `"`}}
	}
}

// findCAA climbs to the first name that has CAA records (RFC 8659 section 3). No
// record anywhere is no error.
func (s *Subject) findCAA(ctx context.Context, name world.Name) (world.Name, []*dns.CAA, error) {
	for range maxZoneSteps {
		a, err := s.World.Lookup(ctx, name, dns.TypeCAA)
		switch {
		case err == nil:
			var records []*dns.CAA
			for _, rr := range a.Records {
				if caa, ok := rr.(*dns.CAA); ok {
					records = append(records, caa)
				}
			}
			return name, records, nil
		case !isAbsence(err):
			return name, nil, err
		}
		if name = name.Parent(); name == world.Root {
			break
		}
	}
	return name, nil, nil
}

func caaEvidence(at world.Name, records []*dns.CAA) []string {
	var lines []string
	for _, r := range records[:min(len(records), maxPublished)] {
		lines = append(lines, fmt.Sprintf("%s CAA: %d %s %.100q", at, r.Flag, r.Tag, r.Value))
	}
	return lines
}

// caaTags are the properties that authorities know.
var caaTags = []string{"issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone"}

func caaFault(records []*dns.CAA) (code, words string) {
	const critical = 1 << 7 // RFC 8659 section 4.1
	for _, r := range records {
		tag := strings.ToLower(r.Tag)
		if r.Flag&critical != 0 && !slices.Contains(caaTags, tag) {
			return "critical", fmt.Sprintf("the property %s is marked critical, and no authority knows it", tag)
		}
		if name := caaIssuer(r); tag == "issue" && name != "" {
			if _, err := mail.ParseDomain(name); err != nil {
				return "malformed", fmt.Sprintf("%.60q is no identifier of an authority", name)
			}
		}
	}
	return "", ""
}

// caaIssuer is the name before the parameters.
func caaIssuer(r *dns.CAA) string {
	name, _, _ := strings.Cut(r.Value, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

// caaIssuers are the authorities that may issue the certificate; restricted is false
// when the records do not speak of it. A wildcard certificate goes by issuewild
// where there is one (RFC 8659 section 4.3).
func caaIssuers(records []*dns.CAA, cert *x509.Certificate) (allowed []string, restricted bool) {
	tag := "issue"
	if isWildcard(cert) && slices.ContainsFunc(records, func(r *dns.CAA) bool { return strings.EqualFold(r.Tag, "issuewild") }) {
		tag = "issuewild"
	}
	for _, r := range records {
		if strings.EqualFold(r.Tag, tag) {
			restricted = true
			if name := caaIssuer(r); name != "" {
				allowed = append(allowed, name)
			}
		}
	}
	return allowed, restricted
}

func isWildcard(cert *x509.Certificate) bool {
	return cert != nil && slices.ContainsFunc(cert.DNSNames, func(name string) bool { return strings.HasPrefix(name, "*.") })
}

// publicCertificate is the certificate that a server shows, when an authority that
// is trusted issued it; nil otherwise: CAA does not bind others.
func (s *Subject) publicCertificate(ctx context.Context, v Server) *x509.Certificate {
	state := s.Visit(ctx, v.IP).StartTLS.State
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := state.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: s.World.Roots, Intermediates: between, CurrentTime: s.World.Now()}); err != nil {
		return nil
	}
	return leaf
}

// issuerOf is the organization that issued a certificate.
func issuerOf(cert *x509.Certificate) string {
	if len(cert.Issuer.Organization) > 0 {
		return cert.Issuer.Organization[0]
	}
	return cert.Issuer.CommonName
}
