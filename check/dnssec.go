package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

// signedTypes are the records at the domain itself that mail depends on.
var signedTypes = []uint16{dns.TypeSOA, dns.TypeMX, dns.TypeTXT}

var dnsDNSSEC = rule{About{
	ID:       "dns.dnssec",
	Question: "If the domain is signed with DNSSEC, do its signatures hold?",
	Why: "A domain whose signatures do not hold does not exist for receivers that validate: Google, Comcast, Cloudflare and most of Europe's " +
		"providers. Unsigned is allowed, but then there is no DANE.",
	Fix: "Compare the DS record at the registrar with the keys of the zone, and sign the zone again; in an emergency have the registrar take the " +
		"DS record out, which makes the domain unsigned instead of broken.",
	Refs:      []string{"RFC 4035 5", "RFC 6781"},
	Rows:      []string{"DNS-06"},
	Practices: []string{"D7"},
	Affects:   []string{"google", "comcast", "gmx", "t-online", "free"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"secure", finding.Green, "signed, and the chain of trust leads to the root"},
		{"unsigned", finding.Skip, "the domain is not signed"},
		{"broken", finding.Red, "validation fails, so the domain does not exist for receivers that validate"},
		{"not-validated", finding.Unknown, "the resolver gives no signatures, so nothing can be validated"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	name := world.NameOf(s.Domain())
	chain, err := s.World.Chain(ctx, name)
	for i := 0; err == nil && i < len(signedTypes); i++ {
		if _, e := s.World.Lookup(ctx, name, signedTypes[i]); e != nil && !isAbsence(e) {
			err = e
		}
	}
	f := finding.Finding{Subject: s.String(), Evidence: trustEvidence(chain)}
	switch {
	case errors.Is(err, world.ErrBogus):
		f.Code, f.Summary = "broken", fmt.Sprintf("DNSSEC of %s is broken: %s", s, detailOf(err))
		f.Evidence = append(f.Evidence, evidenceOf(err))
	case err != nil && !isUnsigned(chain):
		return one(unseen(s.String(), err))
	default:
		describeChain(&f, s, chain)
	}
	return one(f)
}}

// isUnsigned reports that the chain ends with a proof that there are no signatures:
// then what could not be looked up has nothing to do with them.
func isUnsigned(chain []world.Zone) bool {
	return len(chain) > 0 && chain[len(chain)-1].Security == world.Insecure
}

func describeChain(f *finding.Finding, s *Subject, chain []world.Zone) {
	last := chain[len(chain)-1]
	switch last.Security {
	case world.Secure:
		f.Code, f.Summary, f.Evidence = "secure", fmt.Sprintf("%s is signed, and the signatures hold from the root down to %s", s, last.Name.Text()), nil
	case world.Insecure:
		f.Code, f.Summary = "unsigned", fmt.Sprintf("%s is not signed: %s", s, last.Note)
	default:
		f.Code, f.Summary = "not-validated", "DNSSEC could not be validated here: "+last.Note
		f.Fix = "Use a resolver that hands out signatures (--resolver)."
	}
}

func trustEvidence(chain []world.Zone) []string {
	var lines []string
	for _, z := range chain {
		line := fmt.Sprintf("%s: %s", z.Name, z.Security)
		if z.Note != "" {
			line += ", " + z.Note
		}
		lines = append(lines, line)
	}
	return lines
}

var dnsMXDNSSEC = rule{About{
	ID:       "dns.mx-dnssec",
	Question: "Are the addresses of the MX hosts signed, and do the signatures hold?",
	Why: "DANE binds the certificate of a mail server by DNS, which only counts when the MX records and the host's own zone are signed. A host " +
		"whose signatures fail cannot be reached by senders that validate.",
	Fix:       "Sign the zone of the host name, or repair it: compare the DS record at the registrar with the keys of the zone.",
	Refs:      []string{"RFC 7672 2.2", "RFC 4035 5"},
	Rows:      []string{"DNS-07"},
	Practices: []string{"A8", "D7"},
	Affects:   []string{"google", "comcast", "gmx", "microsoft365"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"secure", finding.Green, "the host's addresses are signed, and the signatures hold"},
		{"unsigned", finding.Skip, "the host's zone is not signed: no DANE"},
		{"broken", finding.Red, "validation fails: senders that validate cannot find the host"},
		{"not-validated", finding.Unknown, "nothing could be validated here"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	x := s.Exchangers(ctx)
	if errors.Is(x.Err, world.ErrBogus) {
		return one(finding.Finding{Code: "broken", Subject: s.String(), Evidence: []string{evidenceOf(x.Err)},
			Summary: "the MX records of " + s.String() + " do not validate, so senders that validate find no host"})
	}
	return eachExchanger(ctx, s, judgeHostSecurity)
}}

func judgeHostSecurity(h *route.Exchanger) finding.Finding {
	name := h.Name.Text()
	for _, err := range []error{h.Err4, h.Err6} {
		if errors.Is(err, world.ErrBogus) {
			return finding.Finding{Code: "broken", Summary: fmt.Sprintf("the addresses of %s do not validate: %s", name, detailOf(err)), Evidence: []string{evidenceOf(err)}}
		}
	}
	err := h.Err()
	switch {
	case h.Host.IsZero() || isAbsence(err):
		return finding.Finding{Code: "unsigned", Summary: name + " has no address, so there is nothing to sign"}
	case err != nil:
		return unseen(name, err)
	case h.Security == world.Secure:
		return finding.Finding{Code: "secure", Summary: "the addresses of " + name + " are signed"}
	case h.Security == world.Insecure:
		return finding.Finding{Code: "unsigned", Summary: "the zone of " + name + " is not signed"}
	}
	return finding.Finding{Code: "not-validated", Summary: "the addresses of " + name + " could not be validated here"}
}

// soonExpired is when a signature that is not renewed needs somebody to look;
// signers that work renew a week before, or sign on the fly for a day or two.
const (
	soonExpired = 3 * 24 * time.Hour
	onTheFly    = 7 * 24 * time.Hour
)

var dnsSignatures = rule{About{
	ID:       "dns.signatures",
	Question: "Are the DNSSEC signatures renewed in good time?",
	Why: "Signatures have an end. When the signer stops unnoticed, the domain vanishes for everybody who validates, on the day the first signature " +
		"ends, with all its mail.",
	Fix:       "Find out why the zone is not signed again (a dead signer, a full disk, a stopped secondary), and sign it now.",
	Refs:      []string{"RFC 6781 4.4.2", "RFC 4035 5.3.1"},
	Rows:      []string{"DNS-08"},
	Practices: []string{"D7"},
	Affects:   []string{"google", "comcast", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.dnssec"},
	Codes: []Code{
		{"ahead", finding.Green, "every signature seen holds for three days or more, or is made on the fly"},
		{"soon", finding.Yellow, "a signature ends within three days"},
		{"unsigned", finding.Skip, "the domain is not signed"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	f := finding.Finding{Subject: s.String(), Code: "unsigned", Summary: s.String() + " is not signed"}
	first, name, qtype, err := s.firstToExpire(ctx)
	if err != nil {
		return one(unseen(s.String(), err))
	}
	left := first.Sub(s.World.Now())
	switch {
	case first.IsZero():
	case left >= soonExpired:
		f.Code, f.Summary = "ahead", fmt.Sprintf("the first signature ends in %.0f days", left.Hours()/24)
	case s.isMadeOnTheFly(ctx, name, qtype):
		f.Code, f.Summary = "ahead", "the signatures are short, and made on the fly"
	default:
		f.Code, f.Summary = "soon", fmt.Sprintf("the signature over %s %s ends in %.0f hours", name.Text(), world.TypeName(qtype), left.Hours())
		f.Evidence = []string{fmt.Sprintf("%s RRSIG %s: ends %s", name, world.TypeName(qtype), first.UTC().Format(time.RFC3339))}
	}
	return one(f)
}}

// firstToExpire is the first of the signatures that mail depends on to end: zero
// when there is none. The keys of the zone count too.
func (s *Subject) firstToExpire(ctx context.Context) (first time.Time, name world.Name, qtype uint16, err error) {
	domain := world.NameOf(s.Domain())
	zone, err := s.zoneOf(ctx, domain)
	if err != nil {
		return first, "", 0, err
	}
	for _, t := range append([]uint16{dns.TypeDNSKEY}, signedTypes...) {
		at := domain
		if t == dns.TypeDNSKEY {
			at = zone
		}
		a, e := s.World.Lookup(ctx, at, t)
		switch {
		case e != nil && !isAbsence(e):
			err = e
		case e == nil && a.Security == world.Secure && !a.Expires.IsZero() && (first.IsZero() || a.Expires.Before(first)):
			first, name, qtype = a.Expires, a.Owner(), t
		}
	}
	if !first.IsZero() {
		err = nil
	}
	return first, name, qtype, err
}

// isMadeOnTheFly reports that a signature was short from the beginning and has a
// good part of its life to go: its signer signs each answer, or once a day.
func (s *Subject) isMadeOnTheFly(ctx context.Context, name world.Name, qtype uint16) bool {
	for _, n := range s.Delegation(ctx).Speakers() {
		m, err := s.exchange(ctx, nsPatience, world.Query{Server: n.IP, Name: name, Type: qtype, DNSSEC: true})
		if err != nil {
			continue
		}
		for _, rr := range m.Answer {
			if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == qtype {
				life := time.Duration(sig.Expiration-sig.Inception) * time.Second
				left := time.Duration(int32(sig.Expiration-uint32(s.World.Now().Unix()))) * time.Second
				return life <= onTheFly && left > life/4
			}
		}
	}
	return false
}
